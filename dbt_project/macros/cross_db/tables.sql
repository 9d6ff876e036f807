{#
    How tables come to be where dbt's own macros for an engine do not do what the project states of
    its tables: contracts, seeds, schemas, partitions.
#}

{# The engine's name of a type as contracts, seeds and unit tests spell it. #}
{% macro type_named(type) -%}
    {{ return(adapter.dispatch('type_named')(type)) }}
{%- endmacro %}

{% macro default__type_named(type) -%}
    {{ return(type) }}
{%- endmacro %}

{#- A varchar has a length there, and there is no other text of any length than string. -#}
{% macro spark__type_named(type) -%}
    {{ return('string' if type | lower | trim == 'varchar' else type) }}
{%- endmacro %}

{% macro spark__cast(field, type) -%}
    cast({{ field }} as {{ type_named(type) }})
{%- endmacro %}

{#
    The columns of a contract, in its order and of its types. Parquet tables refuse no NULL by themselves, so the
    query does. Types of expressions differ between engines (an hour is an int here, a bigint there), so the contract
    makes them what it says; dbt has compared the names before.
#}
{% macro spark__get_select_subquery(sql) %}
    select
    {%- for name, column in model['columns'].items() %}
        {%- set value = 'model_subq.' ~ name -%}
        {%- if column.constraints | selectattr('type', 'equalto', 'not_null') | list -%}
            {%- set message = sql_text(this.identifier ~ '.' ~ name ~ ' is NULL; its contract says not_null') -%}
            {%- set value = 'coalesce(' ~ value ~ ', ' ~ raise_error(message) ~ ')' -%}
        {%- endif %}
        cast({{ value }} as {{ type_named(column.data_type) }}) as {{ name }}{{ ',' if not loop.last }}
    {%- endfor %}
    from (
        {{ sql }}
    ) as model_subq
{%- endmacro %}

{#- Nothing is left to say once the table stands; dbt would alter its columns, which a table of Parquet refuses. -#}
{% macro spark__persist_constraints(relation, model) -%}
{%- endmacro %}

{#-
    The query above makes the columns of the contract, or fails over one that is not there. dbt would ask for the columns of
    the model's query first, for which the cluster analyses it twice: more work than to make a small table of it.
-#}
{% macro spark__get_assert_columns_equivalent(sql) -%}
{%- endmacro %}

{#- Tables lie below the deployment, where publishing finds their files: <home>/warehouse/spark/<schema>/<table>. -#}
{% macro spark__create_schema(relation) -%}
    {%- call statement('create_schema') -%}
        create schema if not exists {{ relation.without_identifier() }}
        location {{ sql_text(spark_warehouse() ~ '/' ~ relation.schema) }}
    {%- endcall -%}
{% endmacro %}

{% macro spark_warehouse() -%}
    {{ return(env_var('AGENTMART_HOME', '../data') ~ '/warehouse/spark') }}
{%- endmacro %}

{#- What is replaced by date is a folder per date. -#}
{% macro spark__partition_cols(label, required=false) -%}
    {%- if config.get('incremental_strategy') == 'replace_dates' -%}
        {{ label }} ({{ replaced_by() }})
    {%- endif -%}
{%- endmacro %}

{#
    A seed with its rows. dbt's own macro binds values as text without escaping it, and a missing one as the text None; and a
    statement of values takes the cluster 2 ms a value to read, one text that holds them all next to nothing.
-#}
{% macro spark__create_csv_table(model, agate_table) -%}
    {%- set types = model['config'].get('column_types', {}) -%}
    {%- set columns = [] -%}
    {%- for name in agate_table.column_names -%}
        {%- set type = type_named(types.get(name, adapter.convert_type(agate_table, loop.index0))) -%}
        {%- do columns.append('cast(row[' ~ loop.index0 ~ '] as ' ~ type ~ ') as ' ~ name) -%}
    {%- endfor -%}
    {%- set rows = [] -%}
    {%- for row in agate_table.rows -%}
        {%- set values = [] -%}
        {%- for value in row -%}
            {%- do values.append(none if value is none else value | string) -%}
        {%- endfor -%}
        {%- do rows.append(values) -%}
    {%- endfor -%}
    {%- set statement = 'create table ' ~ this ~ ' using parquet as select ' ~ columns | join(', ')
        ~ ' from ' ~ rows_of_texts(rows) -%}
    {%- do adapter.add_query(statement, abridge_sql_log=True) -%}
    {{ return(statement) }}
{%- endmacro %}

{#- A relation of lists named `row` from lists of texts, Spark's alone. -#}
{% macro rows_of_texts(rows) -%}
    {{ return("(select explode(from_json(" ~ sql_text(tojson(rows)) ~ ", 'array<array<string>>')) as row) as texts") }}
{%- endmacro %}

{#- They are there already. -#}
{% macro spark__load_csv_rows(model, agate_table) -%}
    {{ return('') }}
{%- endmacro %}

{#
    The last dates, as ISO texts, of the slices in which a full build makes its facts (incremental/date_slices.sql), but for
    the last slice. A cluster spreads its work by itself.
#}
{% macro date_slice_ends() -%}
    {{ return(adapter.dispatch('date_slice_ends')()) }}
{%- endmacro %}

{% macro default__date_slice_ends() -%}
    {{ return([]) }}
{%- endmacro %}

{% macro duckdb__date_slice_ends() -%}
    {%- set slices = env_var('AGENTMART_HOME', '../data') ~ '/warehouse/inputs/date_slices.parquet' -%}
    {%- set rows = run_query(
        "select cast(last_date as varchar) from read_parquet(" ~ sql_text(slices) ~ ") order by last_date"
    ) -%}
    {{ return(rows.columns[0].values() | list) }}
{%- endmacro %}

{#- dbt's own, and an insert for each further slice. -#}
{% macro duckdb__create_table_as(
    temporary, relation, compiled_code, language='sql', partitioned_by=none, sorted_by=none
) -%}
    {%- set queries = slices_of(compiled_code) -%}
    {{ dbt.duckdb__create_table_as(temporary, relation, queries[0], language, partitioned_by, sorted_by) }}
    {%- for query in queries[1:] %}
    {%- if config.get('contract').enforced %}
    insert into {{ relation }} {{ get_column_names() }} (
        {{ get_select_subquery(query) }}
    );
    {%- else %}
    insert into {{ relation }} (
        {{ query }}
    );
    {%- endif %}
    {%- endfor %}
{%- endmacro %}
