{#
    One row in, several rows out: lists, maps, spans of dates. Each macro is a join to write after a
    from clause; the row's own columns are visible in the arguments. And all columns of a relation
    with some replaced.
#}

{# Select list: every column of the relation, those named in `expressions` by another value. #}
{% macro all_columns_replacing(alias, expressions) -%}
    {{ adapter.dispatch('all_columns_replacing')(alias, expressions) }}
{%- endmacro %}

{% macro duckdb__all_columns_replacing(alias, expressions) -%}
    {{ alias }}.* replace (
        {%- for column, expression in expressions.items() %}
        {{ expression }} as {{ column }}{{ "," if not loop.last }}
        {%- endfor %}
    )
{%- endmacro %}

{% macro join_dates(start_date, end_date, alias, column='date_day') -%}
    {{ adapter.dispatch('join_dates')(start_date, end_date, alias, column) }}
{%- endmacro %}

{#- The span is half-open; generate_series includes its end. -#}
{% macro duckdb__join_dates(start_date, end_date, alias, column) -%}
    cross join lateral (
        select cast(unnest(generate_series(
            cast({{ start_date }} as timestamp),
            cast({{ end_date }} as timestamp) - to_days(1),
            to_days(1)
        )) as date) as {{ column }}
    ) as {{ alias }}
{%- endmacro %}

{% macro join_numbers(first_number, last_number, alias, column='number') -%}
    {{ adapter.dispatch('join_numbers')(first_number, last_number, alias, column) }}
{%- endmacro %}

{% macro duckdb__join_numbers(first_number, last_number, alias, column) -%}
    cross join lateral (
        select unnest(generate_series(
            cast({{ first_number }} as bigint),
            cast({{ last_number }} as bigint)
        )) as {{ column }}
    ) as {{ alias }}
{%- endmacro %}

{% macro join_list(list, alias, column, position=none) -%}
    {{ adapter.dispatch('join_list')(list, alias, column, position) }}
{%- endmacro %}

{% macro duckdb__join_list(list, alias, column, position) -%}
    cross join lateral (
        select
            unnest({{ list }}) as {{ column }}
            {%- if position %},
            generate_subscripts({{ list }}, 1) as {{ position }}
            {%- endif %}
    ) as {{ alias }}
{%- endmacro %}

{% macro join_map(map, alias, key_column, value_column) -%}
    {{ adapter.dispatch('join_map')(map, alias, key_column, value_column) }}
{%- endmacro %}

{% macro duckdb__join_map(map, alias, key_column, value_column) -%}
    cross join lateral (
        select
            unnest(map_keys({{ map }})) as {{ key_column }},
            unnest(map_values({{ map }})) as {{ value_column }}
    ) as {{ alias }}
{%- endmacro %}

{% macro list_length(list) -%}
    {{ adapter.dispatch('list_length')(list) }}
{%- endmacro %}

{% macro duckdb__list_length(list) -%}
    coalesce(len({{ list }}), 0)
{%- endmacro %}

{#
    Query of one row per row of `relation` and column of it but `key`: the key, metric_name, and metric_value as text.
#}
{% macro values_by_name(relation, key) -%}
    {{ adapter.dispatch('values_by_name')(relation, key) }}
{%- endmacro %}

{% macro duckdb__values_by_name(relation, key) -%}
    select
        texts.{{ key }},
        texts.metric_name,
        texts.metric_value
    from (
        select
            wide.{{ key }},
            cast(columns(wide.* exclude ({{ key }})) as varchar)
        from {{ relation }} as wide
    ) unpivot include nulls (metric_value for metric_name in (columns(* exclude ({{ key }})))) as texts
{%- endmacro %}
