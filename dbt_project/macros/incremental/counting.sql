{#
    Counting the landed rows of a stream by key, as SELECTs of stream_name, source_name, event_date,
    landed_count, state_count, key_count and conflict_count that are to be summed. Keys are grouped
    by their columns; a NULL in a key is a value like any other.
#}

{# The rows, and the keys on the day of their earliest copy. #}
{% macro count_copies(stream, stream_name, key, condition='true') -%}
    select
        '{{ stream_name }}' as stream_name,
        landed.source_name,
        landed.event_date,
        count(*) as landed_count,
        0 as state_count,
        0 as key_count,
        0 as conflict_count
    from {{ stream }} as landed
    where {{ condition }}
    group by landed.source_name, landed.event_date
    union all
    select
        '{{ stream_name }}' as stream_name,
        landed.source_name,
        min(landed.event_date) as event_date,
        0 as landed_count,
        1 as state_count,
        1 as key_count,
        count(distinct landed.row_hash) - 1 as conflict_count
    from {{ stream }} as landed
    where {{ condition }}
    group by landed.source_name, {{ key_columns_of('landed', key) }}
{%- endmacro %}

{# The rows, the states on their day, and the things on the day of their newest state. #}
{% macro count_states(stream, stream_name, key) -%}
    select
        '{{ stream_name }}' as stream_name,
        landed.source_name,
        landed.event_date,
        count(*) as landed_count,
        0 as state_count,
        0 as key_count,
        0 as conflict_count
    from {{ stream }} as landed
    group by landed.source_name, landed.event_date
    union all
    select
        '{{ stream_name }}' as stream_name,
        landed.source_name,
        min(landed.event_date) as event_date,
        0 as landed_count,
        1 as state_count,
        0 as key_count,
        count(distinct landed.row_hash) - 1 as conflict_count
    from {{ stream }} as landed
    group by landed.source_name, {{ key_columns_of('landed', key) }}, landed.updated_at
    union all
    select
        '{{ stream_name }}' as stream_name,
        landed.source_name,
        max(landed.event_date) as event_date,
        0 as landed_count,
        0 as state_count,
        1 as key_count,
        0 as conflict_count
    from {{ stream }} as landed
    group by landed.source_name, {{ key_columns_of('landed', key) }}
{%- endmacro %}

{% macro key_columns_of(relation, key) -%}
    {%- for column in key %}{{ relation }}.{{ column }}{{ ', ' if not loop.last }}{% endfor -%}
{%- endmacro %}
