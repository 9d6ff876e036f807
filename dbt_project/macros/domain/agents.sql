{# Agents as they were. Belongs here: how a fact finds the agent's type and publisher at its own time. #}

{# The join condition to dim_agents_history: the row valid at the moment, half-open. #}
{% macro agent_valid_at(history, agent_key, at) -%}
    {{ history }}.agent_key = {{ agent_key }}
            and {{ history }}.valid_from <= {{ at }}
            and {{ history }}.valid_to > {{ at }}
{%- endmacro %}
