{# Numbers and times as text for people to read. The decimal point is a point, thousands are separated by commas. #}

{% macro format_number(value, places) -%}
    {{ adapter.dispatch('format_number')(value, places) }}
{%- endmacro %}

{% macro duckdb__format_number(value, places) -%}
    format('{:,.{{ places }}f}', cast({{ value }} as double))
{%- endmacro %}

{% macro spark__format_number(value, places) -%}
    format_number(cast({{ value }} as double), {{ places }})
{%- endmacro %}

{#- 'YYYY-MM-DD HH:MM' of a wall time. -#}
{% macro format_minute(local_timestamp) -%}
    {{ adapter.dispatch('format_minute')(local_timestamp) }}
{%- endmacro %}

{% macro duckdb__format_minute(local_timestamp) -%}
    strftime({{ local_timestamp }}, '%Y-%m-%d %H:%M')
{%- endmacro %}

{% macro spark__format_minute(local_timestamp) -%}
    date_format({{ local_timestamp }}, 'yyyy-MM-dd HH:mm')
{%- endmacro %}
