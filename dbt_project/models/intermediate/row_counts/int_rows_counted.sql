{{ config(materialized='table') }}

{#-
    Of the large streams the copies that count are told among the narrow copies by what tells them in the
    staging models, whose files would all have to be opened. That facts hold as many rows is a test.
-#}
with counted as (
    {%- for stream_name, key in large_append_streams().items() %}
        {%- set event_type = 'event_type' if stream_name == 'agent_events' else 'null' %}
        select
            '{{ stream_name }}' as stream_name,
            cast({{ event_type }} as {{ dbt.type_string() }}) as event_type,
            source_name,
            load_id,
            event_date,
            count(*) as staged_rows
        from (
            with
            {{ counted_copies(
                ref('stg_' ~ stream_name ~ '__copies'),
                ref('stg_' ~ stream_name ~ '__repeated_keys'),
                'row_key', key[1], 'event_at',
            ) }}

            select *
            from counted_copies
        ) as staged
        group by
            {{ 'event_type, ' if stream_name == 'agent_events' }}source_name, load_id, event_date
        union all
    {%- endfor %}
    {%- for stream_name in append_streams() %}
        select
            '{{ stream_name }}' as stream_name,
            cast(null as {{ dbt.type_string() }}) as event_type,
            source_name,
            load_id,
            event_date,
            count(*) as staged_rows
        from {{ ref('stg_' ~ stream_name) }}
        group by source_name, load_id, event_date
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
