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

{#
    The name of a stream's key in its relation of repeated keys, none for a stream without one. Samples have one too:
    they come by the minute, however little is used, and are soon the most rows of all.
#}
{% macro name_of_repeated_key(stream_name) -%}
    {%- set names = {'instance_samples': 'row_key', 'health_samples': 'row_key'} -%}
    {%- for large_stream, key in large_append_streams().items() -%}
        {%- do names.update({large_stream: key[1]}) -%}
    {%- endfor -%}
    {{ return(names.get(stream_name)) }}
{%- endmacro %}

{#
    Streams that every day adds to. Their landed rows are counted in the relations of their copies, which
    a day adds to as well; of the others a few files hold everything.
#}
{% macro streams_of_every_day() -%}
    {{ return(
        (large_append_streams() | list)
        + ['quality_scores', 'charges', 'instance_samples', 'health_samples', 'conversations', 'tasks']
    ) }}
{%- endmacro %}

{# The landed rows of a stream: of one that every day adds to its copies, else those of the lake. #}
{% macro landed_rows(stream_name, in_lake) -%}
    {{ return(
        ref('stg_' ~ stream_name ~ '__copies') if stream_name in streams_of_every_day() else in_lake
    ) }}
{%- endmacro %}

{# The columns of such rows that tell what they are copies of, given the key of the stream. #}
{% macro landed_key(stream_name, key) -%}
    {{ return(['row_key'] if stream_name in streams_of_every_day() else key) }}
{%- endmacro %}
