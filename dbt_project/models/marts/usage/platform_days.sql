with tenant_days as (
    select * from {{ ref('tenant_days') }}
),

frozen_days as (
    select * from {{ ref('fct_frozen_days') }}
),

parts as (
    select
        event_date,
        0 as is_frozen,
        case when agent_messages > 0 then 1 else 0 end as active_tenants,
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
    from tenant_days

    union all

    select
        event_date,
        1 as is_frozen,
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
),

final as (
    select
        event_date,
        max(is_frozen) = 1 as has_frozen_part,
        {{ integer_sum('active_tenants') }} as active_tenants,
        {{ integer_sum('agent_messages') }} as agent_messages,
        {{ integer_sum('completed_count') }} as completed_count,
        {{ integer_sum('errored_count') }} as errored_count,
        {{ integer_sum('user_messages') }} as user_messages,
        {{ integer_sum('active_users') }} as active_users,
        {{ integer_sum('input_tokens') }} as input_tokens,
        {{ integer_sum('output_tokens') }} as output_tokens,
        {{ integer_sum('total_tokens') }} as total_tokens,
        cast(sum(cost_usd) as decimal(38, 12)) as cost_usd,
        {{ integer_sum('unpriced_usage_count') }} as unpriced_usage_count,
        {{ integer_sum('resolved_conversations') }} as resolved_conversations,
        {{ integer_sum('escalated_conversations') }} as escalated_conversations,
        {{ integer_sum('completed_tasks') }} as completed_tasks,
        {{ integer_sum('failed_tasks') }} as failed_tasks,
        {{ integer_sum('charge_count') }} as charge_count,
        {{ integer_sum('refund_count') }} as refund_count,
        cast(sum(gross_usd) as decimal(38, 12)) as gross_usd,
        cast(sum(refund_usd) as decimal(38, 12)) as refund_usd,
        cast(sum(net_usd) as decimal(38, 12)) as net_usd,
        cast(sum(fee_usd) as decimal(38, 12)) as fee_usd
    from parts
    group by event_date
)

select * from final
