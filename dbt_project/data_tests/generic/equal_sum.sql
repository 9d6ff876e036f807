{#
    Fails when the sum of an expression over this model differs from the sum of another expression
    over another model, in total or within any group of `group_by` (columns that both have). For
    parts that must add up to their total.
#}
{% test equal_sum(
    model,
    expression,
    compare_model,
    compare_expression,
    group_by=[],
    where="true",
    compare_where="true"
) %}
with these as (
    select
        {% for column in group_by %}{{ column }}, {% endfor -%}
        coalesce(sum({{ expression }}), 0) as total
    from {{ model }}
    where {{ where }}
    {% if group_by %}group by {{ group_by | join(', ') }}{% endif %}
),

those as (
    select
        {% for column in group_by %}{{ column }}, {% endfor -%}
        coalesce(sum({{ compare_expression }}), 0) as total
    from {{ compare_model }}
    where {{ compare_where }}
    {% if group_by %}group by {{ group_by | join(', ') }}{% endif %}
)

select
    these.total as this_total,
    those.total as other_total
    {%- for column in group_by %},
    coalesce(these.{{ column }}, those.{{ column }}) as {{ column }}
    {%- endfor %}
from these
full join those
    on true
    {%- for column in group_by %}
    and these.{{ column }} is not distinct from those.{{ column }}
    {%- endfor %}
where coalesce(these.total, 0) <> coalesce(those.total, 0)
{% endtest %}
