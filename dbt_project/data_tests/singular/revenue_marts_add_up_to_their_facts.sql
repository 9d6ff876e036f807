{%- set money = ['gross_usd', 'refund_usd', 'net_usd', 'fee_usd'] -%}
{{ marts_add_up_sql({
    'fct_charges': {
        'revenue_summary': ['charge_count', 'refund_count'] + money,
        'revenue_daily': ['charge_count', 'refund_count'] + money,
    },
    'fct_conversations': {'value_summary': ['conversations', 'resolved_conversations']},
}) }}
