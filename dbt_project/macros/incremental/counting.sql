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

{#
    Whether this build counts the lake itself and not the copies that days added: a full one does, and one
    whose as-of time is on a Sunday. To open every file of years each day would make a day the dearer the
    more there are; a file that lost a row is found within a week.

    The run input is named without a reference: it says how to count and nothing of what is counted, and a
    model with a reference to it would be made again whenever the time moves.
#}
{% macro is_lake_counted() -%}
    {%- if not execute or flags.FULL_REFRESH -%}
        {{ return(true) }}
    {%- endif -%}
    {%- set context = this.incorporate(path={'schema': 'raw', 'identifier': 'run_context'}) -%}
    {%- set rows = run_query(
        'select cast(max(' ~ iso_weekday('cast(as_of as date)') ~ ') as integer) from ' ~ context
    ) -%}
    {{ return(rows.columns[0].values()[0] == 7) }}
{%- endmacro %}
