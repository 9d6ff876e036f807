{# Times of a task. Belongs here: which of a task's times stands for its end and for its spending. #}

{# When a task came to its end: a terminal task without ended_at ends at its updated_at. NULL while it is open. #}
{% macro task_terminal_at(alias) -%}
    case
        when {{ task_is_terminal(alias) }} then coalesce({{ alias }}.ended_at, {{ alias }}.updated_at)
    end
{%- endmacro %}

{% macro task_is_terminal(alias) -%}
    {{ alias }}.status in ('completed', 'failed', 'cancelled')
{%- endmacro %}

{# When a task that reports its own usage spent it: at its end, while open at its last word. #}
{% macro task_used_at(alias) -%}
    coalesce({{ task_terminal_at(alias) }}, {{ alias }}.updated_at)
{%- endmacro %}
