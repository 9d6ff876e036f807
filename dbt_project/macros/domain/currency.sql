{#
    Money of other currencies in USD, and of USD in others. Belongs here: the conversion, and which
    columns of which facts are money. The rates are seeds/reference/fx_rates.csv.

    Facts hold USD. Another currency is asked for with a table function, and every amount is then
    converted at the rate of its own UTC day or the last one before it (D-55). An amount before the
    first rate of the currency is unknown in it.
#}

{# An amount in USD; NULL where no rate is known (`rate` is USD per unit, NULL when there is none). #}
{% macro in_usd(amount, rate) -%}
    cast({{ amount }} * cast({{ rate }} as decimal(18, 9)) as decimal(38, 12))
{%- endmacro %}

{#
    An amount of USD in the currency that a table function is asked for. `currency` is the
    function's parameter: its name stands for its value, so that USD costs no conversion.
#}
{% macro in_requested_currency(amount_usd, rate) -%}
    case when currency = 'USD' then {{ amount_usd }} else {{ exact_divide_money(amount_usd, rate) }} end
{%- endmacro %}

{# The columns that hold USD, by fact. #}
{% macro money_columns(fact) -%}
    {{ return({
        'fct_llm_calls': ['cost_usd', 'recorded_cost_usd', 'priced_cost_usd'],
        'fct_conversations': ['human_cost_usd'],
        'fct_charges': ['amount_usd', 'platform_fee_usd', 'gross_usd', 'refund_usd', 'net_usd', 'fee_usd'],
    }.get(fact, [])) }}
{%- endmacro %}

{#
    The fact as the windows want to read it: in the requested currency where the windows are those
    of a request, else as it is. Anything but a fact with money is left alone, unless the columns
    that hold USD are named, and the date that the rate is of.
#}
{% macro in_currency_of_windows(relation, windows, columns=none, date_column='event_date') -%}
    {%- if columns is none -%}
        {%- set columns = [] if relation is string else money_columns(relation.identifier) -%}
    {%- endif -%}
    {%- if columns and windows == 'requested_windows' -%}
        {%- set converted = {} -%}
        {%- for column in columns -%}
            {%- do converted.update({
                column: in_requested_currency('amounts.' ~ column, 'requested_rates.usd_per_unit')
            }) -%}
        {%- endfor -%}
    (
        select {{ all_columns_replacing('amounts', converted) }}
        from {{ relation }} as amounts
        left join requested_rates
            on amounts.{{ date_column }} = requested_rates.rate_date
    )
    {%- else -%}
    {{ relation }}
    {%- endif -%}
{%- endmacro %}
