{{ config(materialized='table') }}

{#-
    Of every stream and event date: the landed rows that do not count, and why, by counting keys
    alone. Which copy counts is decided elsewhere (the staging models); a test holds that both
    agree. A key counts on the day of its earliest copy, a thing on the day of its newest state; of
    the copies of one state one is superseded with it, the others are duplicates.
-#}
with counted as (
    {%- for stream_name in (large_append_streams() | list) + (append_streams() | list) %}
        {%- set landed = landed_rows(stream_name, source('raw', stream_name)) %}
        {%- set key_columns = landed_key(stream_name, append_streams().get(stream_name)) %}
        {%- set repeated_key = name_of_repeated_key(stream_name) %}
        {%- if repeated_key %}
            {%- set is_repeated %}
                exists (
                    select 1
                    from {{ ref('stg_' ~ stream_name ~ '__repeated_keys') }} as repeated_keys
                    where
                        repeated_keys.source_name = landed.source_name
                        and repeated_keys.{{ repeated_key }} = landed.row_key
                )
            {%- endset %}
            {{ count_copies(landed, stream_name, key_columns, is_repeated) }}
        {%- else %}
            {{ count_copies(landed, stream_name, key_columns) }}
        {%- endif %}
        union all
    {%- endfor %}
    {%- for stream_name, key in state_streams().items() %}
        {%- set landed = landed_rows(stream_name, source('raw', stream_name)) %}
        {%- set key_columns = landed_key(stream_name, key) %}
        {{ count_states(landed, stream_name, key_columns) }}
        {%- if not loop.last %}
            union all
        {%- endif %}
    {%- endfor %}
),

final as (
    select
        source_name,
        stream_name,
        event_date,
        cast(sum(landed_count) - sum(state_count) as bigint) as duplicate_rows,
        cast(sum(state_count) - sum(key_count) as bigint) as superseded_rows,
        cast(sum(conflict_count) as bigint) as conflicting_rows
    from counted
    group by source_name, stream_name, event_date
)

select * from final
