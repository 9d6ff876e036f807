{#
    A full build makes a fact of a long history in slices: spans of event dates, one after the other in one
    transaction, each of which joins no more rows than memory holds. Where they end is a run input
    (orchestration/warehouse/date_slices.py); of a history that fits there is one slice and no filter.

    A model's query is compiled once. Its filters stand in it as `true` behind a mark, and whoever creates the
    table (create_table_as in cross_db/tables.sql) puts the dates of a slice in the place of each mark.

    Belongs here: the marks and what takes their place. Does not belong here: which dates an increment replaces
    (replace_dates.sql).
#}

{# The filter of a model that is made by slices. #}
{% macro in_date_slice(date_column) -%}
    {%- if is_sliced() -%}
        /* slice of {{ date_column }} */ true
    {%- else -%}
        true
    {%- endif -%}
{%- endmacro %}

{#
    Whether a model's query is of some dates alone, because of an increment or a slice: then what it joins them to is
    worth narrowing to their keys first.
#}
{% macro is_of_some_dates() -%}
    {{ return(is_incremental() or is_sliced()) }}
{%- endmacro %}

{% macro is_sliced() -%}
    {{ return(execute and not is_incremental() and date_slice_ends() | length > 0) }}
{%- endmacro %}

{# The query of each slice; the query itself where it has no mark. The first and the last slice are open. #}
{% macro slices_of(query) -%}
    {%- if '/* slice of ' not in query -%}
        {{ return([query]) }}
    {%- endif -%}
    {%- set queries, bounds = [], [none] + date_slice_ends() + [none] -%}
    {%- for number in range(bounds | length - 1) -%}
        {%- set filter = [] -%}
        {%- if bounds[number] -%}
            {%- do filter.append("\\1 > date '" ~ bounds[number] ~ "'") -%}
        {%- endif -%}
        {%- if bounds[number + 1] -%}
            {%- do filter.append("\\1 <= date '" ~ bounds[number + 1] ~ "'") -%}
        {%- endif -%}
        {%- do queries.append(
            modules.re.sub('/[*] slice of ([a-z_.]+) [*]/ true', filter | join(' and '), query)
        ) -%}
    {%- endfor -%}
    {{ return(queries) }}
{%- endmacro %}
