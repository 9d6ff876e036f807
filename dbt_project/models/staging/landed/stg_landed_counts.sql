{{ config(materialized='table') }}

{%- set counts_lake = is_lake_counted() %}

with counted as (
    {%- for stream_name in (large_append_streams() | list) + (append_streams() | list) %}
        {%- set in_lake = source('raw', stream_name) %}
        {%- set as_copied = landed_rows(stream_name, in_lake) %}
        select
            '{{ stream_name }}' as stream_name,
            source_name,
            load_id,
            event_date,
            count(*) as landed_rows,
            0 as superseded_rows
        from {{ in_lake if counts_lake else as_copied }}
        group by source_name, load_id, event_date
        union all
    {%- endfor %}
    {%- for stream_name, key in state_streams().items() %}
        {%- set in_lake = source('raw', stream_name) %}
        {%- set as_copied = landed_rows(stream_name, in_lake) %}
        {%- set thing = ['source_name'] + (key if counts_lake else landed_key(stream_name, key)) %}
        select
            '{{ stream_name }}' as stream_name,
            source_name,
            load_id,
            event_date,
            count(*) as landed_rows,
            sum(case when is_superseded then 1 else 0 end) as superseded_rows
        from (
            select
                source_name,
                load_id,
                event_date,
                {{ state_rank(thing) }} > 1
                and {{ state_rank(thing + ['updated_at']) }} = 1 as is_superseded
            from {{ in_lake if counts_lake else as_copied }}
        ) as ranked_states
        group by source_name, load_id, event_date
        {%- if not loop.last %}
            union all
        {%- endif %}
    {%- endfor %}
),

final as (
    select
        source_name,
        stream_name,
        load_id,
        event_date,
        landed_rows,
        cast(superseded_rows as bigint) as superseded_rows
    from counted
)

select * from final
