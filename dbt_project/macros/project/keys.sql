{# The key of an entity: source and id, because two sources may use one id. NULL when the id is NULL. #}
{% macro entity_key(source_name, id) -%}
    ({{ source_name }} || ':' || {{ id }})
{%- endmacro %}

{# The key of a user: a user is (tenant, user id). NULL for an anonymous user. #}
{% macro user_key_of(source_name, tenant_id, user_id) -%}
    ({{ source_name }} || ':' || {{ tenant_id }} || ':' || {{ user_id }})
{%- endmacro %}
