{# Database objects that engines create differently. #}

{# The statement that makes a table function with these parameters and this query. #}
{% macro create_table_function(name, parameters, query) -%}
    {{ return(adapter.dispatch('create_table_function')(name, parameters, query)) }}
{%- endmacro %}

{% macro duckdb__create_table_function(name, parameters, query) -%}
    {{ return('create or replace macro ' ~ name ~ '(' ~ parameters ~ ') as table (\n' ~ query ~ '\n)') }}
{%- endmacro %}

{#- Readers call functions in the published database, which is a DuckDB file on every target: publishing renders them. -#}
{% macro spark__create_table_function(name, parameters, query) -%}
    {{ return('') }}
{%- endmacro %}
