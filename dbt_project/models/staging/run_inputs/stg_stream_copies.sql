{#-
    Of every stream: the landed rows that do not count, and why. In large append streams only keys
    that landed more than once are looked at. The keys are those of the staging models.
-#}
{%- set large_append_streams = {
    'agent_events': ['id', 'event_id'],
    'llm_calls': ['llm_call_id', 'llm_call_id'],
    'audit_events': ['audit_id', 'audit_id'],
} -%}
{%- set append_streams = {
    'quality_scores': ['score_id'],
    'charges': ['charge_id'],
    'provider_bills': ['bill_id'],
    'instance_samples': ['agent_type_id', 'tenant_id', 'timestamp'],
    'health_samples': ['service', 'timestamp'],
    'deployments': ['deployment_id'],
} -%}
{%- set state_streams = {
    'incidents': ['incident_id'],
    'conversations': ['conversation_id'],
    'tasks': ['task_id'],
    'agents': ['agent_id'],
    'publishers': ['publisher_id'],
    'tenants': ['tenant_id'],
    'budgets': ['scope_kind', 'scope_id', 'month'],
    'goals': ['scope_kind', 'scope_id', 'metric'],
    'experiments': ['experiment_id'],
    'report_subscriptions': ['subscription_id'],
    'alert_rules': ['rule', 'scope_kind', 'scope_id'],
} -%}

with copies as (
    {%- for stream_name, key in large_append_streams.items() %}
        select
            '{{ stream_name }}' as stream_name,
            landed.source_name,
            count(*) - count(distinct landed.{{ key[0] }}) as duplicate_rows,
            cast(0 as bigint) as superseded_rows,
            count(distinct {{ hash_key(['landed.' ~ key[0], 'landed.row_hash']) }})
            - count(distinct landed.{{ key[0] }}) as conflicting_rows
        from {{ source('raw', stream_name) }} as landed
        where
            exists (
                select 1
                from {{ ref('stg_' ~ stream_name ~ '__repeated_keys') }} as repeated_keys
                where
                    repeated_keys.source_name = landed.source_name
                    and repeated_keys.{{ key[1] }} = landed.{{ key[0] }}
            )
        group by landed.source_name
        union all
    {%- endfor %}
    {%- for stream_name, key in append_streams.items() %}
        select
            '{{ stream_name }}' as stream_name,
            landed.source_name,
            count(*) - count(distinct {{ hash_key(key) }}) as duplicate_rows,
            cast(0 as bigint) as superseded_rows,
            count(distinct {{ hash_key(key + ['row_hash']) }})
            - count(distinct {{ hash_key(key) }}) as conflicting_rows
        from {{ source('raw', stream_name) }} as landed
        group by landed.source_name
        union all
    {%- endfor %}
    {%- for stream_name, key in state_streams.items() %}
        select
            '{{ stream_name }}' as stream_name,
            landed.source_name,
            count(*) - count(distinct {{ hash_key(key + ['updated_at']) }}) as duplicate_rows,
            count(distinct {{ hash_key(key + ['updated_at']) }})
            - count(distinct {{ hash_key(key) }}) as superseded_rows,
            count(distinct {{ hash_key(key + ['updated_at', 'row_hash']) }})
            - count(distinct {{ hash_key(key + ['updated_at']) }}) as conflicting_rows
        from {{ source('raw', stream_name) }} as landed
        group by landed.source_name
        {%- if not loop.last %}
            union all
        {%- endif %}
    {%- endfor %}
),

final as (
    select
        source_name,
        stream_name,
        duplicate_rows,
        superseded_rows,
        conflicting_rows
    from copies
)

select * from final
