{#
    The key of every stream by how its copies are told apart: the first of equal keys counts in an
    append stream, the newest state in a state stream. Of large append streams only keys that landed
    more than once are looked at; the second name is the key's in their relations of repeated keys.
    A test compares this with the contract (tests/contracts).
#}
{% macro large_append_streams() -%}
    {{ return({
        'agent_events': ['id', 'event_id'],
        'llm_calls': ['llm_call_id', 'llm_call_id'],
        'audit_events': ['audit_id', 'audit_id'],
    }) }}
{%- endmacro %}

{% macro append_streams() -%}
    {{ return({
        'quality_scores': ['score_id'],
        'charges': ['charge_id'],
        'provider_bills': ['bill_id'],
        'instance_samples': ['agent_type_id', 'tenant_id', 'timestamp'],
        'health_samples': ['service', 'timestamp'],
        'deployments': ['deployment_id'],
    }) }}
{%- endmacro %}

{% macro state_streams() -%}
    {{ return({
        'incidents': ['incident_id'],
        'conversations': ['conversation_id'],
        'tasks': ['task_id'],
        'agents': ['agent_id'],
        'publishers': ['publisher_id'],
        'tenants': ['tenant_id'],
        'budgets': ['scope_kind', 'scope_id', 'month'],
        'goals': ['scope_kind', 'scope_id', 'metric'],
        'experiments': ['experiment_id'],
        'report_subscriptions': ['subscription_id'],
        'alert_rules': ['rule', 'scope_kind', 'scope_id'],
    }) }}
{%- endmacro %}
