{#
    Schemas are named by the folder alone (`core`, `usage`), without the target's schema in front:
    readers of the published database type them, and one deployment has one warehouse.
#}
{% macro generate_schema_name(custom_schema_name, node) -%}
    {{ (custom_schema_name or target.schema) | trim }}
{%- endmacro %}
