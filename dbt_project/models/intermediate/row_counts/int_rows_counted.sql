{{ config(materialized='table') }}

with counted as (
    {%- for stream_name in (large_append_streams() | list) + (append_streams() | list) %}
        {%- set event_type = 'event_type' if stream_name == 'agent_events' else 'null' %}
        select
            '{{ stream_name }}' as stream_name,
            cast({{ event_type }} as {{ dbt.type_string() }}) as event_type,
            source_name,
            load_id,
            event_date,
            count(*) as staged_rows
        from {{ ref('stg_' ~ stream_name) }}
        group by
            {{ 'event_type, ' if stream_name == 'agent_events' }}source_name, load_id, event_date
        union all
    {%- endfor %}
    {%- for stream_name in state_streams() %}
        select
            '{{ stream_name }}' as stream_name,
            cast(null as {{ dbt.type_string() }}) as event_type,
            source_name,
            load_id,
            cast(updated_at as date) as event_date,
            count(*) as staged_rows
        from {{ ref('stg_' ~ stream_name) }}
        group by source_name, load_id, cast(updated_at as date)
        {%- if not loop.last %}
            union all
        {%- endif %}
    {%- endfor %}
),

final as (
    select
        source_name,
        stream_name,
        event_type,
        load_id,
        event_date,
        staged_rows
    from counted
)

select * from final
