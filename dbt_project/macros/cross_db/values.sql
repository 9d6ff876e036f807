{# Single values: division, casts, hashes, literals, errors. #}

{#
    Binary on purpose: engines give different scales for a quotient of decimals. Ratios are for
    reading, never summed.
#}
{% macro safe_divide(numerator, denominator) -%}
    (cast({{ numerator }} as double) / nullif(cast({{ denominator }} as double), 0))
{%- endmacro %}

{% macro safe_divide_money(numerator, denominator) -%}
    cast({{ safe_divide(numerator, denominator) }} as decimal(38, 12))
{%- endmacro %}

{% macro integer_divide(dividend, divisor) -%}
    {{ adapter.dispatch('integer_divide')(dividend, divisor) }}
{%- endmacro %}

{% macro duckdb__integer_divide(dividend, divisor) -%}
    (({{ dividend }}) // ({{ divisor }}))
{%- endmacro %}

{% macro try_cast(value, type) -%}
    {{ adapter.dispatch('try_cast')(value, type) }}
{%- endmacro %}

{% macro default__try_cast(value, type) -%}
    try_cast({{ value }} as {{ type }})
{%- endmacro %}

{% macro raise_error(message) -%}
    {{ adapter.dispatch('raise_error')(message) }}
{%- endmacro %}

{% macro duckdb__raise_error(message) -%}
    error({{ message }})
{%- endmacro %}

{#
    The length in front of each part keeps ('a', 'b|c') and ('a|b', 'c') apart; NULL has no length.
#}
{% macro hash_key(values) -%}
    {%- set text = dbt.type_string() -%}
    md5(concat(
        {%- for value in values %}
        coalesce(cast(length(cast({{ value }} as {{ text }})) as {{ text }}), '-'),
        ':',
        coalesce(cast({{ value }} as {{ text }}), ''){{ "," if not loop.last }}
        {%- endfor %}
    ))
{%- endmacro %}

{% macro sql_text(text) -%}
    '{{ text | string | replace("'", "''") }}'
{%- endmacro %}
