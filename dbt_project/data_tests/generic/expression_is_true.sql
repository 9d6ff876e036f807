{#
    Fails for every row for which the expression is false; NULL (nothing known) passes. On a column,
    prefix nothing: name it in the expression.
#}
{% test expression_is_true(model, expression, column_name=none) %}
select *
from {{ model }}
where not ({{ expression }})
{% endtest %}
