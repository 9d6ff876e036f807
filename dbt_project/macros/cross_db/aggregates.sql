{# Aggregates that engines name or define differently. #}

{% macro percentile_cont(value, fraction, where=none) -%}
    {{ adapter.dispatch('percentile_cont')(value, fraction, where) }}
{%- endmacro %}

{#
    The cast comes first: on integers and decimals DuckDB rounds the interpolated value to the type
    of the column.
#}
{% macro duckdb__percentile_cont(value, fraction, where) -%}
    quantile_cont(cast({{ value }} as double), {{ fraction }})
    {%- if where %} filter (where {{ where }}){% endif %}
{%- endmacro %}

{% macro median(value, where=none) -%}
    {{ percentile_cont(value, 0.5, where) }}
{%- endmacro %}

{% macro string_agg_ordered(value, delimiter, order_by=none) -%}
    {{ adapter.dispatch('string_agg_ordered')(value, delimiter, order_by) }}
{%- endmacro %}

{% macro duckdb__string_agg_ordered(value, delimiter, order_by) -%}
    string_agg({{ value }}, {{ sql_text(delimiter) }} order by {{ order_by or value }})
{%- endmacro %}
