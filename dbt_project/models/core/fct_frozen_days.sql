with frozen_days as (
    select * from {{ ref('stg_frozen_days') }}
),

final as (
    select
        removal_id || '/' || {{ format_date('event_date') }} as frozen_day_key,
        removal_id,
        event_date,
        active_tenants,
        agent_messages,
        completed_count,
        errored_count,
        user_messages,
        active_users,
        input_tokens,
        output_tokens,
        total_tokens,
        cost_usd,
        unpriced_usage_count,
        resolved_conversations,
        escalated_conversations,
        completed_tasks,
        failed_tasks,
        charge_count,
        refund_count,
        gross_usd,
        refund_usd,
        net_usd,
        fee_usd
    from frozen_days
)

select * from final
