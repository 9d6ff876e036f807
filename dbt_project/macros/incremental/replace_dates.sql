{#
    Incremental strategy `replace_dates`: what is pending is an explicit list of event dates, and
    exactly those dates of the target are replaced. A date whose rows are all gone becomes empty,
    which no key-based strategy does.

    A model uses it like this (the relation named by `pending` has the columns fact_name and
    event_date; it is int_pending_dates, which closes the dates that loads touched over changed
    keys):

        {{ config(materialized='incremental', incremental_strategy='replace_dates') }}
        ...
        where {{ in_pending_dates('event_date') }}

    `in_pending_dates` is true for every row in a full build, which may take one span of dates after
    the other (date_slices.sql). In an incremental build it is a literal list of dates, so that the
    reader prunes Parquet partitions before opening a file; a subquery would not.
#}
{% macro get_incremental_replace_dates_sql(arg_dict) %}
    {{ return(adapter.dispatch('get_incremental_replace_dates_sql')(arg_dict)) }}
{% endmacro %}

{% macro default__get_incremental_replace_dates_sql(arg_dict) %}
    {%- set target_relation = arg_dict['target_relation'] -%}
    {%- set columns = get_quoted_csv(arg_dict['dest_columns'] | map(attribute='name')) -%}
    delete from {{ target_relation }}
    where {{ is_one_of_dates(replaced_by(), pending_dates(this.name)) }};

    insert into {{ target_relation }} ({{ columns }})
    select {{ columns }}
    from {{ arg_dict['temp_relation'] }}
{% endmacro %}

{# The column by which the rows of this model are replaced. #}
{% macro replaced_by() -%}
    {{ return(config.get('meta', {}).get('replace_dates_column', 'event_date')) }}
{%- endmacro %}

{#
    The event dates of a fact that this run must rebuild, as ISO texts. Unit tests override it with
    a list.
#}
{% macro pending_dates(fact_name) %}
    {%- set pending = ref('int_pending_dates') -%}
    {%- if not execute -%}
        {{ return([]) }}
    {%- endif -%}
    {%- set rows = run_query(
        "select distinct cast(event_date as " ~ dbt.type_string() ~ ") from " ~ pending
        ~ " where fact_name = " ~ sql_text(fact_name) ~ " order by 1"
    ) -%}
    {{ return(rows.columns[0].values() | list) }}
{% endmacro %}

{#
    The filter of a `replace_dates` model: its slice of dates in a full build, else the literal list of its
    pending dates. A model whose rows are made of those of several dates has no slices.
#}
{% macro in_pending_dates(date_column='event_date', fact_name=none, by_slice=true) -%}
    {#
    The reference stands outside the branch because dbt learns dependencies while is_incremental()
    is false.
#}
    {%- set pending = ref('int_pending_dates') -%}
    {%- if is_incremental() -%}
        {{ is_one_of_dates(date_column, pending_dates(fact_name or this.name)) }}
    {%- else -%}
        {{ in_date_slice(date_column) if by_slice else 'true' }}
    {%- endif -%}
{%- endmacro %}

{% macro is_one_of_dates(date_column, dates) -%}
    {%- if dates | length == 0 -%}
        false
    {%- else -%}
        {{ date_column }} in (
            {%- for date in dates %}date '{{ date }}'{{ ", " if not loop.last }}{% endfor -%}
        )
    {%- endif -%}
{%- endmacro %}

{#
    The rows of a model as the build before left them, for what has to be known before the model is made again; a ref
    would be a cycle. A candidate without the model has none, of the `columns` that the reader names by type.
#}
{% macro as_last_built(model_name, columns) -%}
    {%- set relation = none -%}
    {%- if execute -%}
        {%- set node = graph.nodes['model.' ~ project_name ~ '.' ~ model_name] -%}
        {%- set relation = adapter.get_relation(
            database=node.database, schema=node.schema, identifier=node.alias
        ) -%}
    {%- endif -%}
    {%- if relation is none -%}
        (
            select
            {%- for name, type in columns.items() %}
                cast(null as {{ type }}) as {{ name }}{{ ',' if not loop.last }}
            {%- endfor %}
            where false
        )
    {%- else -%}
        {{ relation }}
    {%- endif -%}
{%- endmacro %}
