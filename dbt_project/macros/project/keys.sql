{#
    The key of an entity: source and id, because two sources may use one id. NULL when the id is
    NULL.
#}
{% macro entity_key(source_name, id) -%}
    ({{ source_name }} || ':' || {{ id }})
{%- endmacro %}

{# The producer's id in such a key. #}
{% macro id_of_key(key, source_name) -%}
    substr({{ key }}, length({{ source_name }}) + 2)
{%- endmacro %}

{# The key of a user: a user is (tenant, user id). NULL for an anonymous user. #}
{% macro user_key_of(source_name, tenant_id, user_id) -%}
    ({{ source_name }} || ':' || {{ tenant_id }} || ':' || {{ user_id }})
{%- endmacro %}

{# The key of a model as usage names it: who bills for it, and its name. NULL without a name. #}
{% macro model_key_of(model, provider) -%}
    (coalesce({{ provider }}, '') || '/' || {{ model }})
{%- endmacro %}

{# The columns of a key as one text, for people. #}
{% macro key_as_text(columns) -%}
    {%- for column in columns -%}
        {{ " || ' / ' || " if not loop.first -}}
        coalesce(cast({{ column }} as {{ dbt.type_string() }}), 'NULL')
    {%- endfor -%}
{%- endmacro %}
