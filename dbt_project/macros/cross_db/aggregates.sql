{# Aggregates that engines name or define differently. #}

{#
    Of all `fractions` that a SELECT asks of the same values an engine makes one aggregate, which keeps and sorts them
    once. Each keeps all of them in memory, and no disk takes that over.
#}
{% macro percentile_cont(value, fraction, where=none, fractions=none) -%}
    {{ adapter.dispatch('percentile_cont')(value, fraction, where, fractions or [fraction]) }}
{%- endmacro %}

{#
    The cast comes first: on integers and decimals DuckDB rounds the interpolated value to the type
    of the column. The place of the percentile is a binary number, so that 595 comes out as
    594.9999999999991; nine places are more than a value interpolated between stored ones has.
#}
{% macro duckdb__percentile_cont(value, fraction, where, fractions) -%}
    round(
        list_extract(
            quantile_cont(cast({{ value }} as double), [{{ fractions | join(', ') }}])
            {%- if where %} filter (where {{ where }}){% endif %},
            {{ fractions.index(fraction) + 1 }}
        ),
        9
    )
{%- endmacro %}

{#- `get` counts from 0. #}
{% macro spark__percentile_cont(value, fraction, where, fractions) -%}
    round(
        get(
            percentile(cast({{ value }} as double), array({{ fractions | join(', ') }}))
            {%- if where %} filter (where {{ where }}){% endif %},
            {{ fractions.index(fraction) }}
        ),
        9
    )
{%- endmacro %}

{#
    The value at the 0-based place floor(fraction x n) of the ascending values. The fraction is written as a decimal: the
    place must not fall short by a binary hair.
#}
{% macro value_at_rank(value, fraction, where=none) -%}
    {{ adapter.dispatch('value_at_rank')(value, fraction, where) }}
{%- endmacro %}

{% macro duckdb__value_at_rank(value, fraction, where) -%}
    {%- set known = value ~ ' is not null' ~ (' and ' ~ where if where else '') -%}
    list_extract(
        list_sort(list({{ value }}) filter (where {{ known }})),
        cast(floor(cast({{ fraction }} as decimal(9, 6)) * count(*) filter (where {{ known }})) as bigint) + 1
    )
{%- endmacro %}

{#- `get` counts from 0 and gives NULL outside the list, where brackets and element_at fail. -#}
{% macro spark__value_at_rank(value, fraction, where) -%}
    {%- set known = value ~ ' is not null' ~ (' and ' ~ where if where else '') -%}
    get(
        array_sort(collect_list({{ value }}) filter (where {{ known }})),
        cast(floor(cast({{ fraction }} as decimal(9, 6)) * count(*) filter (where {{ known }})) as int)
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

{% macro spark__string_agg_ordered(value, delimiter, order_by) -%}
    listagg({{ value }}, {{ sql_text(delimiter) }}) within group (order by {{ order_by or value }})
{%- endmacro %}
