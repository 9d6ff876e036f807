{# Single values: division, casts, hashes, literals, errors. #}

{#
    Binary on purpose: engines give different scales for a quotient of decimals. Ratios are for
    reading, never summed.
#}
{% macro safe_divide(numerator, denominator) -%}
    (cast({{ numerator }} as double) / nullif(cast({{ denominator }} as double), 0))
{%- endmacro %}

{% macro safe_divide_money(numerator, denominator) -%}
    {{ adapter.dispatch('safe_divide_money')(numerator, denominator) }}
{%- endmacro %}

{% macro default__safe_divide_money(numerator, denominator) -%}
    cast({{ safe_divide(numerator, denominator) }} as decimal(38, 12))
{%- endmacro %}

{#- A cast reads the shortest text of a binary number there; DuckDB rounds the number itself at the twelfth place. -#}
{% macro spark__safe_divide_money(numerator, denominator) -%}
    cast(
        cast(round({{ safe_divide(numerator, denominator) }} * 1e12) as decimal(38, 0))
        * cast(0.000000000001 as decimal(12, 12))
        as decimal(38, 12)
    )
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

{#-
    The same whole numbers. A quotient of decimals is cut to its type, so the remainder is taken away first: what is left
    divides evenly. The divisor's 20 digits leave the quotient 28 before the point.
-#}
{% macro spark__exact_divide_money(amount, divisor) -%}
    {%- set dividend = 'cast(cast(abs(' ~ amount ~ ') * 1000000000000 as decimal(38, 0)) * 1000000000 as decimal(38, 0))' -%}
    {%- set whole_divisor = 'cast(cast(' ~ divisor ~ ' as decimal(38, 9)) * 1000000000 as decimal(19, 0))' -%}
    {%- set doubled = 'cast(2 * ' ~ dividend ~ ' + ' ~ whole_divisor ~ ' as decimal(38, 0))' -%}
    {%- set by = 'cast(2 * ' ~ whole_divisor ~ ' as decimal(20, 0))' -%}
    cast(
        case when {{ amount }} < 0 then -1 else 1 end
        * cast(cast({{ doubled }} - {{ doubled }} % {{ by }} as decimal(38, 0)) / {{ by }} as decimal(38, 0))
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

{% macro spark__integer_divide(dividend, divisor) -%}
    (({{ dividend }}) div ({{ divisor }}))
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

{% macro spark__raise_error(message) -%}
    raise_error({{ message }})
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

{#
    A key of fixed width that stands for a long text, where those of all answers of all time would not fit in memory: 128
    bits, of which two of a thousand million texts share one with a chance of 1 in 10^21. A cluster spreads the texts.
#}
{% macro short_key(text) -%}
    {{ adapter.dispatch('short_key')(text) }}
{%- endmacro %}

{% macro duckdb__short_key(text) -%}
    md5_number({{ text }})
{%- endmacro %}

{% macro spark__short_key(text) -%}
    {{ text }}
{%- endmacro %}

{% macro sql_text(text) -%}
    {{ adapter.dispatch('sql_text')(text) }}
{%- endmacro %}

{% macro default__sql_text(text) -%}
    '{{ text | string | replace("'", "''") }}'
{%- endmacro %}

{#- A backslash escapes what follows it, and two literals side by side are one. -#}
{% macro spark__sql_text(text) -%}
    '{{ text | string | replace("\\", "\\\\") | replace("'", "\\'") }}'
{%- endmacro %}
