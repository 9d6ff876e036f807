{#
    The definitions of measures as SQL. Belongs here: how a kind of measure is written. Does not belong here: any measure
    (definitions.sql).
#}

{# Select list: every measure of the fact, over rows of it. #}
{% macro measure_columns(fact) -%}
    {%- set measures = facts_measured()[fact]['measures'] -%}
    {%- for name in measures %}
        {{ measure_sql(measures, name) }} as {{ name }}{{ "," if not loop.last }}
    {%- endfor %}
{%- endmacro %}

{# The condition that the measures of the fact share, and none where every row counts. #}
{% macro rows_measured(fact) -%}
    {%- set where = facts_measured()[fact].get('where') -%}
    {%- if where %}where {{ where }}{% endif -%}
{%- endmacro %}

{% macro measure_sql(measures, name) -%}
    {%- set measure = measures[name] -%}
    {%- set filter = ' filter (where ' ~ measure['where'] ~ ')' if 'where' in measure else '' -%}
    {%- if 'count' in measure -%}
        count({{ measure['count'] }}){{ filter }}
    {%- elif 'distinct' in measure -%}
        count(distinct {{ measure['distinct'] }}){{ filter }}
    {%- elif 'average' in measure -%}
        {{ exact_average(measure['average'], where=measure.get('where')) }}
    {%- elif 'ratio' in measure -%}
        {{ safe_divide(
            measure_sql(measures, measure['ratio'][0]) ~ (' * ' ~ measure['times'] if 'times' in measure else ''),
            measure_sql(measures, measure['ratio'][1])
        ) }}
    {%- elif measure.get('or_unknown') -%}
        cast(sum({{ measure['sum'] }}){{ filter }} as {{ measure['type'] }})
    {%- elif 'type' in measure -%}
        cast(coalesce(sum({{ measure['sum'] }}){{ filter }}, 0) as {{ measure['type'] }})
    {%- else -%}
        {{ integer_sum(measure['sum'], where=measure.get('where')) }}
    {%- endif -%}
{%- endmacro %}

{# A quotient of quotients(): `values` is the relation that has both measures, or the SQL of each by its name. #}
{% macro quotient(name, values) -%}
    {%- set definition = quotients()[name] -%}
    {%- set of = values ~ '.' ~ definition['of'] if values is string else values[definition['of']] -%}
    {%- set by = values ~ '.' ~ definition['by'] if values is string else values[definition['by']] -%}
    {{ safe_divide_money(of, by) if definition.get('money') else safe_divide(of, by) }}
{%- endmacro %}

{# A sum of totals(), in the same way. #}
{% macro total_of(name, values) -%}
    {%- set definition = totals()[name] -%}
    {%- set terms = [] -%}
    {%- for measure in definition['plus'] + definition['minus'] -%}
        {%- do terms.append(
            ('' if loop.first else ' - ' if measure in definition['minus'] else ' + ')
            ~ (values ~ '.' ~ measure if values is string else values[measure])
        ) -%}
    {%- endfor -%}
    {{ terms | join }}
{%- endmacro %}

{# Writes the definitions for the generator of the semantic layer. #}
{% macro print_measures() -%}
    {%- do print(tojson({'facts': facts_measured(), 'quotients': quotients(), 'totals': totals()})) -%}
{%- endmacro %}
