{#- Which streams feed which schema of marts; a mart is as fresh as the streams it needs. -#}
{%- set streams_of_marts = {
    'usage': ['agent_events', 'llm_calls'],
    'quality': ['agent_events', 'conversations', 'tasks', 'quality_scores'],
    'revenue': ['charges', 'agent_events', 'llm_calls'],
    'compliance': ['audit_events', 'agent_events'],
    'feedback': ['agent_events', 'instance_samples'],
    'operations': ['health_samples', 'incidents'],
} -%}

with streams as (
    select
        stream_name,
        max(max_event_at) as last_event_at,
        max(loaded_at) as last_loaded_at,
        sum(rows_landed) as row_count
    from {{ ref('stg_loads') }}
    group by stream_name
),

mart_streams as (
    {%- for mart, stream_names in streams_of_marts.items() %}
        {%- set is_last_mart = loop.last %}
        {%- for stream_name in stream_names %}
            select
                '{{ mart }}' as mart_name,
                '{{ stream_name }}' as stream_name
            {%- if not (is_last_mart and loop.last) %}
                union all
            {%- endif %}
        {%- endfor %}
    {%- endfor %}
),

marts as (
    select
        mart_streams.mart_name,
        max(streams.last_event_at) as last_event_at,
        max(streams.last_loaded_at) as last_loaded_at,
        sum(streams.row_count) as row_count
    from mart_streams
    left join streams
        on mart_streams.stream_name = streams.stream_name
    group by mart_streams.mart_name
),

final as (
    select
        'stream' as kind,
        stream_name as name, -- noqa: RF04
        last_event_at,
        last_loaded_at,
        cast(row_count as bigint) as row_count
    from streams

    union all

    select
        'mart' as kind,
        mart_name as name, -- noqa: RF04
        last_event_at,
        last_loaded_at,
        cast(coalesce(row_count, 0) as bigint) as row_count
    from marts
)

select * from final
