{%- set facts_by_stream = {
    'agent_events': [
        ['fct_invocations', 'true'],
        ['fct_user_messages', 'true'],
        ['fct_tool_calls', "record_kind <> 'listed'"],
        ['fct_feedback', 'true'],
        ['fct_install_events', 'true'],
    ],
    'llm_calls': [
        ['fct_llm_calls', "origin = 'call'"],
        ['int_llm_calls_wrapping', 'true'],
    ],
    'audit_events': [['fct_audits', 'true']],
    'quality_scores': [['fct_quality_scores', 'true']],
    'charges': [['fct_charges', 'true']],
    'provider_bills': [['fct_provider_bills', 'true']],
    'instance_samples': [['fct_instance_samples', 'true']],
    'health_samples': [['fct_health_samples', 'true']],
    'incidents': [['fct_incidents', 'true']],
    'deployments': [['fct_deployments', 'true']],
    'conversations': [['fct_conversations', 'true']],
    'tasks': [['fct_tasks', 'true']],
} -%}

with fact_rows as (
    {%- for stream_name, facts in facts_by_stream.items() %}
        {%- set last_stream = loop.last %}
        {%- for fact_name, condition in facts %}
            select
                '{{ stream_name }}' as stream_name,
                source_name,
                count(*) as row_count
            from {{ ref(fact_name) }}
            where {{ condition }}
            group by source_name
            {%- if not (last_stream and loop.last) %}
                union all
            {%- endif %}
        {%- endfor %}
    {%- endfor %}
),

rows_in_facts as (
    select
        stream_name,
        source_name,
        sum(row_count) as row_count
    from fact_rows
    group by stream_name, source_name
),

rows_that_count as (
    select
        stream_name,
        source_name,
        rows_landed - duplicate_rows - superseded_rows as row_count
    from {{ ref('fct_stream_counts') }}
    where stream_name in ('{{ facts_by_stream | join("', '") }}')
)

select
    coalesce(rows_that_count.stream_name, rows_in_facts.stream_name) as stream_name,
    coalesce(rows_that_count.source_name, rows_in_facts.source_name) as source_name,
    rows_that_count.row_count as rows_that_count,
    rows_in_facts.row_count as rows_in_facts
from rows_that_count
full join rows_in_facts
    on
        rows_that_count.stream_name = rows_in_facts.stream_name
        and rows_that_count.source_name = rows_in_facts.source_name
where coalesce(rows_that_count.row_count, 0) <> coalesce(rows_in_facts.row_count, 0)
