{#
    The incremental strategies of the project on Spark. Its adapter knows a fixed list of strategies
    and has no hook for another, so the two macros below stand in for the adapter's own of the same
    name.

    `replace_dates`: an overwrite of partitions leaves a partition in place for which there are no
    rows any more, so the pending partitions are dropped and the rows appended. A build that fails
    between the two leaves dates missing in the candidate, never in what is published; the next build
    makes everything again (warehouse/plan).
#}
{% macro dbt_spark_validate_get_incremental_strategy(raw_strategy, file_format) -%}
    {%- if raw_strategy not in ['append', 'replace_dates'] -%}
        {%- do exceptions.raise_compiler_error(
            'incremental strategy ' ~ raw_strategy ~ ': this project has append and replace_dates'
        ) -%}
    {%- endif -%}
    {{ return(raw_strategy) }}
{%- endmacro %}

{% macro dbt_spark_get_incremental_sql(
    strategy, source, target, existing, unique_key, incremental_predicates
) -%}
    {%- if strategy == 'replace_dates' -%}
        {%- set dates = pending_dates(this.name) -%}
        {%- if dates -%}
            {%- set partitions = [] -%}
            {%- for date in dates -%}
                {%- do partitions.append("partition (" ~ replaced_by() ~ " = date '" ~ date ~ "')") -%}
            {%- endfor -%}
            {%- do run_query(
                'alter table ' ~ target ~ ' drop if exists ' ~ partitions | join(', ')
            ) -%}
        {%- endif -%}
    {%- endif -%}
    {{ get_insert_into_sql(source, target) }}
{%- endmacro %}

{#- An increment keeps the contract as a full build does: the rows that are appended are of its types. -#}
{% macro spark__create_temporary_view(relation, compiled_code) -%}
    create or replace temporary view {{ relation }} as
    {% if config.get('contract') and config.get('contract').enforced and not model.resource_type == 'unit_test' -%}
        {{ get_select_subquery(compiled_code) }}
    {%- else -%}
        {{ compiled_code }}
    {%- endif %}
{%- endmacro %}
