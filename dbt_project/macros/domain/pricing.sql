{#
    What a model call costs by the price list. Belongs here: the formula and the choice among listed prices. Does not
    belong here: when a recorded cost wins over it (fct_llm_calls).
#}

{#
    The priced cost of a usage record in USD. Input includes cache reads and writes, output includes reasoning, so the
    subsets are taken out before the plain rate applies; a producer that reports more of a subset than of the whole gets
    nothing negative. A subset without a rate of its own costs the plain rate. NULL when no token count or no
    needed rate is known: a cost that is not known is never 0.
#}
{% macro priced_cost_usd(usage, price) -%}
    {%- set input = "cast(coalesce(" ~ usage ~ ".input_tokens, 0) as decimal(18, 0))" -%}
    {%- set output = "cast(coalesce(" ~ usage ~ ".output_tokens, 0) as decimal(18, 0))" -%}
    {%- set cache_read = "cast(coalesce(" ~ usage ~ ".cache_read_tokens, 0) as decimal(18, 0))" -%}
    {%- set cache_write = "cast(coalesce(" ~ usage ~ ".cache_write_tokens, 0) as decimal(18, 0))" -%}
    {%- set reasoning = "cast(coalesce(" ~ usage ~ ".reasoning_tokens, 0) as decimal(18, 0))" -%}
    {%- set uncached = "greatest(" ~ input ~ " - " ~ cache_read ~ " - " ~ cache_write ~ ", 0)" -%}
    {%- set spoken = "greatest(" ~ output ~ " - " ~ reasoning ~ ", 0)" -%}
    {%- set input_rate = price ~ ".input_usd_per_token" -%}
    {%- set output_rate = price ~ ".output_usd_per_token" -%}
    case
        when {{ usage }}.input_tokens is not null or {{ usage }}.output_tokens is not null
            then cast(
                {{ cost_of_tokens(uncached, input_rate) }}
                + {{ cost_of_tokens(cache_read, "coalesce(" ~ price ~ ".cache_read_usd_per_token, " ~ input_rate ~ ")") }}
                + {{ cost_of_tokens(cache_write, "coalesce(" ~ price ~ ".cache_write_usd_per_token, " ~ input_rate ~ ")") }}
                + {{ cost_of_tokens(spoken, output_rate) }}
                + {{ cost_of_tokens(reasoning, "coalesce(" ~ price ~ ".reasoning_usd_per_token, " ~ output_rate ~ ")") }}
                as decimal(38, 12)
            )
    end
{%- endmacro %}

{#-
    No tokens cost nothing whatever the rate; tokens without a rate have no known cost. The zero has the type of the
    product: with fewer places the engine would round every term, which takes longer than all the rest.
-#}
{% macro cost_of_tokens(tokens, rate) -%}
    case when {{ tokens }} = 0 then cast(0 as decimal(38, 18)) else {{ tokens }} * cast({{ rate }} as decimal(20, 18)) end
{%- endmacro %}
