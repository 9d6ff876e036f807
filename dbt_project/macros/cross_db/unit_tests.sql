{#
    What a unit test gives a model, and what it asks of it, where dbt's own words for it are more than an engine can
    plan: a row of sixty columns as a query of its own, and all rows joined by unions.
#}

{# dbt calls it for every input that is written as rows; nothing dispatches it. #}
{% macro get_fixture_sql(rows, column_name_to_data_types) -%}
    {{ return(adapter.dispatch('given_rows')(rows, column_name_to_data_types)) }}
{%- endmacro %}

{% macro default__given_rows(rows, column_name_to_data_types) -%}
    {{ return(dbt.get_fixture_sql(rows, column_name_to_data_types)) }}
{%- endmacro %}

{#- One text that holds all values, as of a seed. -#}
{% macro spark__given_rows(rows, column_name_to_data_types) -%}
    {%- set given = [] -%}
    {%- for row in rows -%}
        {%- for name in row if name | lower not in given -%}
            {%- do given.append(name | lower) -%}
        {%- endfor -%}
    {%- endfor -%}
    {%- set texts = [] -%}
    {%- for row in rows -%}
        {%- set by_name = {} -%}
        {%- for name, value in row.items() -%}
            {%- do by_name.update({name | lower: none if value is none else value | string}) -%}
        {%- endfor -%}
        {%- set values = [] -%}
        {%- for name in given -%}
            {%- do values.append(by_name.get(name)) -%}
        {%- endfor -%}
        {%- do texts.append(values) -%}
    {%- endfor -%}
    {%- set types = {} -%}
    {%- for column in adapter.get_columns_in_relation(this) -%}
        {%- do types.update({column.name | lower: column.data_type}) -%}
    {%- endfor -%}
    {%- for name in given if name not in types -%}
        {%- do exceptions.raise_compiler_error(
            'a unit test gives ' ~ this ~ ' the column ' ~ name ~ ', which it does not have, or it has not been built'
        ) -%}
    {%- endfor -%}
    {%- set columns = [] -%}
    {%- for name, type in types.items() -%}
        {%- set value = 'row[' ~ given.index(name) ~ ']' if name in given else 'null' -%}
        {%- do columns.append('cast(' ~ value ~ ' as ' ~ type ~ ') as ' ~ name) -%}
    {%- endfor -%}
    {{ return('select ' ~ columns | join(', ') ~ ' from ' ~ rows_of_texts(texts)) }}
{%- endmacro %}

{#- dbt asks a unit test's query for no rows first, to know its columns, and then for all: the steps are made once. -#}
{% macro spark__get_empty_subquery_sql(select_sql, select_sql_header=none) -%}
    {%- if model.resource_type == 'unit_test' -%}
        {%- set select_sql = made_in_steps(select_sql, unit_test_steps()) -%}
    {%- endif -%}
    {{ return(default__get_empty_subquery_sql(select_sql, select_sql_header)) }}
{%- endmacro %}

{% macro spark__get_unit_test_sql(main_sql, expected_fixture_sql, expected_column_names) -%}
    {%- set query = steps_of(main_sql, 'steps.' ~ unit_test_steps())['query'] -%}
    {{ return(default__get_unit_test_sql(query, expected_fixture_sql, expected_column_names)) }}
{%- endmacro %}

{% macro unit_test_steps() -%}
    {{ return('unit_test_' ~ local_md5(model.unique_id)) }}
{%- endmacro %}

{%- materialization unit, adapter='spark' -%}
    {%- set done = materialization_unit_default() -%}
    {%- do drop_steps() -%}
    {{ return(done) }}
{%- endmaterialization %}
