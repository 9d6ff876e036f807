{# When an invocation was under way. Belongs here: rules about one invocation's own times. #}

{# Its start: the end to end time before its end. NULL when the time is not known. #}
{% macro invocation_started_at(responded_at, duration_ms) -%}
    {{ timestamp_add_seconds(responded_at, "-0.001 * " ~ duration_ms) }}
{%- endmacro %}
