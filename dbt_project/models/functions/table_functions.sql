{% for function in table_function_registry() %}
select
    cast({{ sql_text(function.name) }} as {{ dbt.type_string() }}) as function_name,
    cast({{ sql_text(table_function_parameters(function)) }} as {{ dbt.type_string() }}) as parameters,
    cast({{ sql_text(function.description) }} as {{ dbt.type_string() }}) as description,
    cast({{ sql_text(table_function_ddl(function)) }} as {{ dbt.type_string() }}) as ddl
{{ "union all" if not loop.last }}
{% endfor %}
