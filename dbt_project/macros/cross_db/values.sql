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

{#
    A quotient of decimals without a binary step: money in another currency has the same digits
    whatever the engine, and an amount that came from a currency goes back to it unchanged. To 12
    places, half away from zero; the divisor has at most 9.
#}
{% macro exact_divide_money(amount, divisor) -%}
    {{ adapter.dispatch('exact_divide_money')(amount, divisor) }}
{%- endmacro %}

{#- Whole numbers of 10^-12, and of 10^-9: this engine divides decimals as binary numbers. -#}
{% macro duckdb__exact_divide_money(amount, divisor) -%}
    {%- set dividend = 'cast(abs(' ~ amount ~ ') * 1000000000000 as hugeint) * 1000000000' -%}
    {%- set whole_divisor = 'cast(cast(' ~ divisor ~ ' as decimal(38, 9)) * 1000000000 as hugeint)' -%}
    cast(
        sign({{ amount }})
        * cast((2 * {{ dividend }} + {{ whole_divisor }}) // (2 * {{ whole_divisor }}) as decimal(38, 0))
        * cast(0.000000000001 as decimal(12, 12))
        as decimal(38, 12)
    )
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
