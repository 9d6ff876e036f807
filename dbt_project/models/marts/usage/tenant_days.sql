{#-
    Only what adds up over tenants and days, so that a day whose rows are gone can be kept as a sum. Facts are counted on
    the day (UTC) by which retention removes them.
-#}
{%- set counted = {
    'fct_invocations': ['agent_messages', 'completed_count', 'errored_count'],
    'fct_user_messages': ['user_messages', 'active_users'],
    'fct_llm_calls': ['input_tokens', 'output_tokens', 'total_tokens', 'cost_usd', 'unpriced_usage_count'],
    'fct_conversations': ['resolved_conversations', 'escalated_conversations'],
    'fct_tasks': ['completed_tasks', 'failed_tasks'],
    'fct_charges': ['charge_count', 'refund_count', 'gross_usd', 'refund_usd', 'net_usd', 'fee_usd'],
} -%}
with
{% for fact, measures in counted.items() -%}
    {{ fact }} as (
        select
            source_name,
            tenant_key,
            event_date,
        {%- for measure in measures %}
            {{ measure_sql(facts_measured()[fact]['measures'], measure) }}
                as {{ measure }}{{ "," if not loop.last }}
        {%- endfor %}
        from {{ ref(fact) }}
        {{ rows_measured(fact) }}
        group by source_name, tenant_key, event_date
    ),

{% endfor -%}
days as (
    {%- for fact in counted %}
        select
            source_name,
            tenant_key,
            event_date
        from {{ fact }}
        {{ "union" if not loop.last }}
    {%- endfor %}
),

final as (
    select
        days.tenant_key || '/' || {{ format_date('days.event_date') }} as tenant_day_key,
        days.source_name,
        days.tenant_key,
        days.event_date,
    {%- for fact, measures in counted.items() %}
        {%- set is_last_fact = loop.last %}
    {%- for measure in measures %}
        {%- if measure == 'cost_usd' %}
            {{ fact }}.{{ measure }}
        {%- else %}
            coalesce({{ fact }}.{{ measure }}, 0) as {{ measure }}
        {%- endif %}{{ "," if not (is_last_fact and loop.last) }}
    {%- endfor %}
    {%- endfor %}
    from
        days
    {%- for fact in counted %}
    left join {{ fact }}
        on
            days.tenant_key = {{ fact }}.tenant_key
            and days.event_date = {{ fact }}.event_date
    {%- endfor %}
    where days.tenant_key is not null
)

select * from final
