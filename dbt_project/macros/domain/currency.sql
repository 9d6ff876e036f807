{# Money of other currencies in USD. Belongs here: the conversion. The rates are seeds/reference/fx_rates.csv. #}

{# An amount in USD; NULL where no rate is known (`rate` is USD per unit, NULL when there is none). #}
{% macro in_usd(amount, rate) -%}
    cast({{ amount }} * cast({{ rate }} as decimal(18, 9)) as decimal(38, 12))
{%- endmacro %}
