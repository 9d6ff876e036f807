{#
    Which copy of a row counts. A producer may deliver one thing late, twice or split; content
    settles it, never arrival: append streams take the earliest event time, then the smallest row
    hash; state streams the greatest updated_at, then the greatest row hash. load_id and row_number
    only order identical copies, so that reruns pick the same one.
#}

{# 1 for the copy of an append row that counts. Small streams: one window over the whole stream. #}
{% macro copy_rank(key_columns, event_time) -%}
    row_number() over (
        partition by {{ key_columns | join(', ') }}
        order by {{ event_time }} asc, row_hash asc, load_id asc, row_number asc
    )
{%- endmacro %}

{# 1 for the current state of a thing, 2 for the state before it, ... #}
{% macro state_rank(key_columns) -%}
    row_number() over (
        partition by {{ key_columns | join(', ') }}
        order by updated_at desc, row_hash desc, load_id asc, row_number asc
    )
{%- endmacro %}

{#
    Large append streams: CTEs `single_copies`, `ranked_copies` and `counted_copies` over a raw
    stream. A window over the whole stream would sort every wide row at each reading and keep
    filters from the files. Here rows whose key landed once, nearly all, are streamed past a lookup
    in the small relation of repeated keys, and only the others are ranked, on the one day that
    holds their earliest copy. A filter on event_date or any other column reaches the Parquet files.
    The stream is named twice rather than shared through a CTE, which an engine would materialise
    with all its columns.
#}
{% macro counted_copies(stream, repeated_keys, key_column, key_name, event_time) -%}
single_copies as (
    select landed.*
    from {{ stream }} as landed
    left join {{ repeated_keys }} as repeated_keys
        on
            landed.source_name = repeated_keys.source_name
            and landed.{{ key_column }} = repeated_keys.{{ key_name }}
    where repeated_keys.{{ key_name }} is null
),

ranked_copies as (
    select
        landed.*,
        {{ copy_rank(
            ['landed.source_name', 'landed.' ~ key_column, 'landed.event_date'],
            'landed.' ~ event_time
        ) }} as copy_rank
    from {{ stream }} as landed
    inner join (
        select
            source_name,
            {{ key_name }},
            min(first_event_date) as first_event_date
        from {{ repeated_keys }}
        group by source_name, {{ key_name }}
    ) as first_days
        on
            landed.source_name = first_days.source_name
            and landed.{{ key_column }} = first_days.{{ key_name }}
            and landed.event_date = first_days.first_event_date
),

counted_copies as (
    select *, 1 as copy_rank
    from single_copies
    union all
    select *
    from ranked_copies
    where copy_rank = 1
)
{%- endmacro %}

{#
    The body of the relation of repeated keys: one row per key that landed more than once and event
    date it landed on. Full: one pass over the keys. Incremental: only the keys of loads that no
    publication holds yet are looked up, and what is not listed yet is appended; readers take the
    least first_event_date, so a key that is listed again because an earlier day appeared needs no
    correction.
#}
{% macro repeated_keys(relation, loads, key_column, key_name) -%}
with
{%- if is_incremental() %}
arrived as (
    select distinct
        landed.source_name,
        landed.{{ key_column }} as {{ key_name }}
    from {{ relation }} as landed
    where landed.load_id in (select loads.load_id from {{ loads }} as loads where loads.is_pending)
),
{% endif %}
counted as (
    select
        landed.source_name,
        landed.{{ key_column }} as {{ key_name }},
        landed.event_date,
        count(*) as copy_count
    from {{ relation }} as landed
    {%- if is_incremental() %}
    inner join arrived
        on
            landed.source_name = arrived.source_name
            and landed.{{ key_column }} = arrived.{{ key_name }}
    {%- endif %}
    group by landed.source_name, landed.{{ key_column }}, landed.event_date
),

summed as (
    select
        source_name,
        {{ key_name }},
        event_date,
        min(event_date) over (partition by source_name, {{ key_name }}) as first_event_date,
        sum(copy_count) over (partition by source_name, {{ key_name }}) as total_copy_count
    from counted
)

select
    source_name,
    {{ key_name }},
    event_date,
    first_event_date
from summed
where total_copy_count > 1
{%- if is_incremental() %}
except
select
    source_name,
    {{ key_name }},
    event_date,
    first_event_date
from {{ this }}
{%- endif %}
{%- endmacro %}
