{# Aggregates that engines name or define differently. #}

{% macro percentile_cont(value, fraction, where=none) -%}
    {{ adapter.dispatch('percentile_cont')(value, fraction, where) }}
{%- endmacro %}

{#
    The cast comes first: on integers and decimals DuckDB rounds the interpolated value to the type
    of the column. The place of the percentile is a binary number, so that 595 comes out as
    594.9999999999991; nine places are more than a value interpolated between stored ones has.
#}
{% macro duckdb__percentile_cont(value, fraction, where) -%}
    round(
        quantile_cont(cast({{ value }} as double), {{ fraction }})
        {%- if where %} filter (where {{ where }}){% endif %},
        9
    )
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
