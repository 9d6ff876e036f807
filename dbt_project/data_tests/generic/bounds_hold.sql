{#
    Fails for every measured value of a check that lies outside its bounds with this severity. The model has one row per
    check, subject and severity, judged already; a result row says what was measured, in the shape that rules which are
    not kept are worded by.
#}
{% test bounds_hold(model, check_name, of_severity) %}
select
    subject
    || ' has ' || {{ measured_text('measured_value') }}
    || coalesce(' on ' || {{ format_date('subject_date') }}, '')
    || ', not ' || coalesce({{ measured_text('lowest_value') }} || ' to ', 'at most ')
    || {{ measured_text('highest_value') }} || ' ' || unit as broken_rules,
    1 as failing_rows,
    coalesce(source_name || '.', '') || subject as example_key
from {{ model }}
where
    check_name = '{{ check_name }}'
    and severity = '{{ of_severity }}'
    and not is_passed
{% endtest %}
