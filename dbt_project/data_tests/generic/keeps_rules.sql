{#
    All rules of one table in one test: dbt spends far longer on a test node than the engine on its
    query, so a table has one node and is read once for its key and once for everything else.

    key               columns that together are unique and not NULL
    nullable_key_columns  those of them that may be NULL; NULLs count as equal
    not_null          further columns that hold a value (below core; a contract refuses NULL itself)
    accepted_values   column -> list of values; NULL passes
    ranges            list of {columns, min, max}, either bound may be left out; NULL passes
    expressions       name -> condition of a row; fails where it is false, so unknown passes
    references        column -> {to, field, where}: the value is found in the column `field` (the
                      same name when left out) of `to`, for rows that meet `where`; NULL passes
    newly_landed      the stream of which an increment tests the days that it landed on alone

    A result row names the rules that are broken together, the number of rows that break them, and
    the key of one such row. Nothing but keys is shown: other values may be personal.
#}
{% test keeps_rules(
    model,
    key,
    nullable_key_columns=[],
    not_null=[],
    accepted_values={},
    ranges=[],
    expressions={},
    references={},
    newly_landed=none
) %}
{{ config(fail_calc='cast(coalesce(sum(failing_rows), 0) as bigint)') }}
{%- set rows = rows_newly_landed(model, newly_landed) if newly_landed else model -%}
{%- set required_key_columns = key | reject('in', nullable_key_columns) | list -%}
{%- set rules = [] -%}
{%- for column in not_null -%}
    {%- do rules.append([column ~ ' is not null', column ~ ' is null']) -%}
{%- endfor -%}
{%- for column, values in accepted_values.items() -%}
    {%- set literals = [] -%}
    {%- for value in values -%}
        {%- do literals.append(sql_text(value) if value is string else value | string) -%}
    {%- endfor -%}
    {%- do rules.append([
        column ~ ' is one of its accepted values',
        column ~ ' not in (' ~ literals | join(', ') ~ ')'
    ]) -%}
{%- endfor -%}
{%- for range in ranges -%}
    {%- for column in range.columns -%}
        {%- if range.min is defined -%}
            {%- do rules.append([
                column ~ ' is at least ' ~ range.min, column ~ ' < ' ~ range.min
            ]) -%}
        {%- endif -%}
        {%- if range.max is defined -%}
            {%- do rules.append([
                column ~ ' is at most ' ~ range.max, column ~ ' > ' ~ range.max
            ]) -%}
        {%- endif -%}
    {%- endfor -%}
{%- endfor -%}
{%- for name, condition in expressions.items() -%}
    {%- do rules.append([name, 'not (' ~ condition ~ ')']) -%}
{%- endfor -%}
{%- for column, reference in references.items() -%}
    {%- set condition = ' and (' ~ reference.where ~ ')' if reference.where is defined else '' -%}
    {%- do rules.append([
        column ~ ' is in ' ~ reference.to.identifier,
        column ~ ' is not null and reference_' ~ loop.index ~ '.known_value is null' ~ condition
    ]) -%}
{%- endfor -%}

with keys as (
    select
        {{ key_as_text(key) }} as example_key,
        {% if required_key_columns -%}
        case
            when {{ required_key_columns | join(' is null or ') }} is null
                then '{{ required_key_columns | join(', ') }} not null'
            else '{{ key | join(', ') }} unique'
        end
        {%- else -%}
        '{{ key | join(', ') }} unique'
        {%- endif %} as broken_rules,
        count(*) as row_count
    from {{ rows }}
    group by {{ key | join(', ') }}
    having
        count(*) > 1
        {%- for column in required_key_columns %}
        or {{ column }} is null
        {%- endfor %}
)

select
    broken_rules,
    sum(row_count) as failing_rows,
    min(example_key) as example_key
from keys
group by broken_rules
{%- if rules %}

union all

select
    broken_rules,
    count(*) as failing_rows,
    min(example_key) as example_key
from (
    select
        {{ key_as_text(key) }} as example_key,
        {%- for rule, broken in rules %}
        {{ '|| ' if not loop.first }}case when {{ broken }} then {{ sql_text(rule ~ '; ') }} else '' end
        {%- endfor %} as broken_rules
    from {{ rows }}
    {%- for column, reference in references.items() %}
    left join (
        select distinct {{ reference.field or column }} as known_value from {{ reference.to }}
    ) as reference_{{ loop.index }}
        on reference_{{ loop.index }}.known_value = {{ column }}
    {%- endfor %}
    where
        {%- for rule, broken in rules %}
        {{ 'or ' if not loop.first }}({{ broken }})
        {%- endfor %}
) as broken_rows
group by broken_rules
{%- endif %}
{% endtest %}
