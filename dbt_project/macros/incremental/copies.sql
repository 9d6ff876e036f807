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
    Large append streams: the CTE `counted_copies` over a raw stream. A window over the whole stream
    would sort every wide row at each reading and keep filters from the files. Here the copies of
    keys that landed more than once, a few, are ranked in a relation of their own, and the stream is
    read once, past a lookup in it: a filter on event_date or any other column reaches the Parquet
    files. Only where one raw row holds the key of the copy that counts more than once, which is
    nearly never, does its place not tell it apart; then the stream is read again for such rows.
#}
{% macro counted_copies(stream, repeated_keys, key_column, key_name, event_time='timestamp') -%}
told_copies as (
    select landed.*
    from {{ stream }} as landed
    left join ({{ counted_repeats(repeated_keys, key_name) }}) as counted_repeats
        on
            landed.source_name = counted_repeats.source_name
            and landed.{{ key_column }} = counted_repeats.{{ key_name }}
    where
        counted_repeats.{{ key_name }} is null
        or (
            counted_repeats.copy_count = 1
            and landed.load_id = counted_repeats.load_id
            and landed.row_number = counted_repeats.row_number
        )
),

ranked_copies as (
    select
        landed.*,
        row_number() over (
            partition by landed.source_name, landed.{{ key_column }}
            order by landed.event_date asc, landed.{{ event_time }} asc, landed.row_hash asc
        ) as copy_rank
    from {{ stream }} as landed
    inner join ({{ counted_repeats(repeated_keys, key_name) }}) as counted_repeats
        on
            landed.source_name = counted_repeats.source_name
            and landed.{{ key_column }} = counted_repeats.{{ key_name }}
            and landed.load_id = counted_repeats.load_id
            and landed.row_number = counted_repeats.row_number
    where counted_repeats.copy_count > 1
),

counted_copies as (
    select *, 1 as copy_rank
    from told_copies
    union all
    select *
    from ranked_copies
    where copy_rank = 1
)
{%- endmacro %}

{#
    Of each repeated key the copy that counts. Each reader writes it out: below a CTE that is read
    twice, an engine takes every column from the files (1.9 instead of 0.8 s for ten of a million).
#}
{% macro counted_repeats(repeated_keys, key_name) -%}
    select
        source_name,
        {{ key_name }},
        load_id,
        row_number,
        copy_count
    from (
        select
            source_name,
            {{ key_name }},
            load_id,
            row_number,
            copy_count,
            row_number() over (
                partition by source_name, {{ key_name }}
                order by
                    event_date asc,
                    event_at asc,
                    row_hash asc,
                    load_id asc,
                    row_number asc,
                    copy_count desc
            ) as copy_rank
        from {{ repeated_keys }}
    ) as ranked_repeats
    where copy_rank = 1
{%- endmacro %}

{#
    The body of the relation of repeated keys: one row per landed copy of a key that landed more than
    once, found among the narrow copies of the stream. Incremental: only the keys of loads that no
    publication holds yet are looked up, and what is not listed yet is appended.
#}
{% macro repeated_keys(copies, loads, key_name) -%}
with
{%- if is_incremental() %}
arrived as (
    select distinct
        landed.source_name,
        landed.row_key
    from {{ copies }} as landed
    where landed.load_id in (select loads.load_id from {{ loads }} as loads where loads.is_pending)
),
{% endif %}
repeated as (
    select
        landed.source_name,
        landed.row_key
    from {{ copies }} as landed
    {%- if is_incremental() %}
    inner join arrived
        on
            landed.source_name = arrived.source_name
            and landed.row_key = arrived.row_key
    {%- endif %}
    group by landed.source_name, landed.row_key
    having count(*) > 1
)

select
    landed.source_name,
    landed.row_key as {{ key_name }},
    landed.event_date,
    landed.event_at,
    landed.row_hash,
    landed.load_id,
    landed.row_number,
    count(*) over (
        partition by landed.source_name, landed.row_key, landed.load_id, landed.row_number
    ) as copy_count
from {{ copies }} as landed
inner join repeated
    on
        landed.source_name = repeated.source_name
        and landed.row_key = repeated.row_key
{%- if is_incremental() %}
except
select
    source_name,
    {{ key_name }},
    event_date,
    event_at,
    row_hash,
    load_id,
    row_number,
    copy_count
from {{ this }}
{%- endif %}
{%- endmacro %}
