{#-
    Every landed copy, not only the ones that count: a change must be looked for wherever a row stood
    before. Only what tells where a row belongs and what hangs on it; a reader of one stream opens the
    files of that stream alone.
-#}
{%- set text = dbt.type_string() -%}
{%- set absent = {
    'event_type': 'cast(null as ' ~ text ~ ')',
    'event_at': 'cast(null as timestamp)',
    'agent_id': 'cast(null as ' ~ text ~ ')',
    'publisher_id': 'cast(null as ' ~ text ~ ')',
    'invocation_id': 'cast(null as ' ~ text ~ ')',
    'task_id': 'cast(null as ' ~ text ~ ')',
    'duration_ms': 'cast(null as bigint)',
    'status': 'cast(null as ' ~ text ~ ')',
    'ended_at': 'cast(null as timestamp)',
    'updated_at': 'cast(null as timestamp)',
} -%}
{%- set streams = {
    'agent_events': {
        'row_key': 'landed.id',
        'event_type': 'landed.event_type',
        'event_at': 'landed.timestamp',
        'agent_id': 'landed.agent_id',
        'publisher_id': 'landed.publisher_id',
        'invocation_id': 'coalesce(landed.invocation_id, landed.id)',
        'task_id': 'landed.task_id',
        'duration_ms': 'landed.duration_ms',
    },
    'llm_calls': {
        'row_key': 'landed.llm_call_id',
        'event_at': 'landed.timestamp',
        'invocation_id': 'landed.invocation_id',
    },
    'audit_events': {'row_key': 'landed.audit_id', 'agent_id': 'landed.agent_id'},
    'quality_scores': {'row_key': 'landed.score_id', 'agent_id': 'landed.agent_id'},
    'charges': {
        'row_key': 'landed.charge_id',
        'agent_id': 'landed.agent_id',
        'publisher_id': 'landed.publisher_id',
    },
    'provider_bills': {'row_key': 'landed.bill_id'},
    'deployments': {'row_key': 'landed.deployment_id', 'agent_id': 'landed.agent_id'},
    'instance_samples': {
        'row_key': "landed.agent_type_id || ' ' || coalesce(landed.tenant_id, '') || ' ' || "
        ~ 'cast(landed.timestamp as ' ~ text ~ ')',
        'event_at': 'landed.timestamp',
    },
    'health_samples': {
        'row_key': "landed.service || ' ' || cast(landed.timestamp as " ~ text ~ ')',
        'event_at': 'landed.timestamp',
    },
    'tasks': {
        'row_key': 'landed.task_id',
        'agent_id': 'landed.agent_id',
        'task_id': 'landed.task_id',
        'status': 'landed.status',
        'ended_at': 'landed.ended_at',
        'updated_at': 'landed.updated_at',
    },
    'agents': {
        'row_key': 'landed.agent_id',
        'agent_id': 'landed.agent_id',
        'publisher_id': 'landed.publisher_id',
        'updated_at': 'landed.updated_at',
    },
} -%}

with copies as (
    {%- for stream_name, columns in streams.items() %}
        select
            '{{ stream_name }}' as stream_name,
            landed.source_name,
            {{ columns['row_key'] }} as row_key,
            landed.event_date,
            {%- for name, value in absent.items() %}
                {{ columns.get(name, value) }} as {{ name }},
            {%- endfor %}
            landed.load_id,
            landed.row_hash
        from {{ source('raw', stream_name) }} as landed
        {%- if not loop.last %}
            union all
        {%- endif %}
    {%- endfor %}
),

final as (
    select
        stream_name,
        source_name,
        row_key,
        event_date,
        event_type,
        event_at,
        agent_id,
        publisher_id,
        invocation_id,
        task_id,
        duration_ms,
        status,
        ended_at,
        updated_at,
        load_id,
        row_hash
    from copies
)

select *
from final
