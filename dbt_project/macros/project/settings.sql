{#
    A tunable of seeds/reference/settings.csv as a scalar, for example {{
    setting('session_gap_seconds') }}. It is a subquery on the seed, so that a changed setting takes
    effect without a change of code; the model that uses it depends on the seed.
#}
{% macro setting(setting_key) -%}
    (
        select settings.setting_value
        from {{ ref('settings') }} as settings
        where settings.setting_key = {{ sql_text(setting_key) }}
    )
{%- endmacro %}
