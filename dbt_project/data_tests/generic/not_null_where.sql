{# Fails for every NULL in a column that must hold a value for the rows that meet the condition. #}
{% test not_null_where(model, column_name, condition) %}
select *
from {{ model }}
where
    {{ column_name }} is null
    and ({{ condition }})
{% endtest %}
