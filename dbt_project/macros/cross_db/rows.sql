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

{#- The replaced columns come last: whoever reads the result names its columns. -#}
{% macro spark__all_columns_replacing(alias, expressions) -%}
    {{ alias }}.* except ({{ expressions | join(', ') }})
    {%- for column, expression in expressions.items() %},
    {{ expression }} as {{ column }}
    {%- endfor %}
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

{#- A sequence whose end lies before its start counts down, so an empty span is told apart. -#}
{% macro spark__join_dates(start_date, end_date, alias, column) -%}
    cross join lateral explode(
        case
            when cast({{ start_date }} as date) < cast({{ end_date }} as date)
                then sequence(cast({{ start_date }} as date), date_add(cast({{ end_date }} as date), -1))
        end
    ) as {{ alias }} ({{ column }})
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

{% macro spark__join_numbers(first_number, last_number, alias, column) -%}
    cross join lateral explode(
        case
            when cast({{ first_number }} as bigint) <= cast({{ last_number }} as bigint)
                then sequence(cast({{ first_number }} as bigint), cast({{ last_number }} as bigint))
        end
    ) as {{ alias }} ({{ column }})
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

{% macro spark__join_list(list, alias, column, position) -%}
    {%- if position -%}
    cross join lateral inline(
        transform({{ list }}, (one, place) -> named_struct('element', one, 'place', place + 1))
    ) as {{ alias }} ({{ column }}, {{ position }})
    {%- else -%}
    cross join lateral explode({{ list }}) as {{ alias }} ({{ column }})
    {%- endif -%}
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

{% macro spark__join_map(map, alias, key_column, value_column) -%}
    cross join lateral explode({{ map }}) as {{ alias }} ({{ key_column }}, {{ value_column }})
{%- endmacro %}

{% macro list_length(list) -%}
    {{ adapter.dispatch('list_length')(list) }}
{%- endmacro %}

{% macro duckdb__list_length(list) -%}
    coalesce(len({{ list }}), 0)
{%- endmacro %}

{% macro spark__list_length(list) -%}
    coalesce(array_size({{ list }}), 0)
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

{#- UNPIVOT wants every column named; a row as JSON knows its own, and its numbers keep their digits as text. -#}
{% macro spark__values_by_name(relation, key) -%}
    select
        named.{{ key }},
        texts.metric_name,
        texts.metric_value
    from (
        select
            wide.{{ key }},
            from_json(
                to_json(struct(wide.*), map('ignoreNullFields', 'false')), 'map<string, string>'
            ) as value_by_name
        from {{ relation }} as wide
    ) as named
    cross join lateral explode(named.value_by_name) as texts (metric_name, metric_value)
    where texts.metric_name <> '{{ key }}'
{%- endmacro %}

{#
    The CTE `name` of a `with recursive`: the rows of the query `start`, and whatever is reached from a row of it through
    the relation `link` (a name, aliased or not) under the condition `linked`; each row once. `columns` names the columns
    of `start`, `next` maps them to their values in a row that is reached.
#}
{% macro reachable(name, columns, start, link, linked, next) -%}
    {{ adapter.dispatch('reachable')(name, columns, start, link, linked, next) }}
{%- endmacro %}

{% macro duckdb__reachable(name, columns, start, link, linked, next) -%}
{{ name }} as (
    ({{ start }})
    union
    select
        {%- for column in columns %}
        {{ next[column] }} as {{ column }}{{ "," if not loop.last }}
        {%- endfor %}
    from {{ name }}
    inner join {{ link }} on {{ linked }}
)
{%- endmacro %}

{#-
    A recursion adds rows there and never leaves out one that it has met, so a circle would not end: it goes 64 steps, more
    than calls or spans lie within each other, and below the 100 at which the engine refuses to go on.
-#}
{% macro spark__reachable(name, columns, start, link, linked, next) -%}
{{ name }}_by_step ({{ columns | join(', ') }}, step) as (
    select
        {{ columns | join(', ') }},
        0 as step
    from ({{ start }}) as begun
    union all
    select
        {%- for column in columns %}
        {{ next[column] }} as {{ column }},
        {%- endfor %}
        {{ name }}.step + 1 as step
    from {{ name }}_by_step as {{ name }}
    inner join {{ link }} on {{ linked }}
    where {{ name }}.step < 64
),

{{ name }} as (
    select distinct {{ columns | join(', ') }}
    from {{ name }}_by_step
)
{%- endmacro %}
