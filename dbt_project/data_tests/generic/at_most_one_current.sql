{# Fails for every key with more than one row flagged as current. #}
{% test at_most_one_current(model, key, flag='is_current') %}
select
    {{ key }},
    count(*) as current_count
from {{ model }}
where {{ flag }}
group by {{ key }}
having count(*) > 1
{% endtest %}
