{#
    Fails for every row of a history that is empty (ends before it starts) or does not start exactly
    where the row before it ended. Half-open: a moment on the edge belongs to the later row.
#}
{% test validity_is_gapless(model, key, valid_from='valid_from', valid_to='valid_to') %}
with ordered as (
    select
        {{ key }},
        {{ valid_from }},
        {{ valid_to }},
        lag({{ valid_to }}) over (
            partition by {{ key }}
            order by {{ valid_from }}, {{ valid_to }}
        ) as previous_valid_to
    from {{ model }}
)

select *
from ordered
where
    {{ valid_from }} >= {{ valid_to }}
    or previous_valid_to <> {{ valid_from }}
{% endtest %}
