with current_states as (
    select *
    from {{ ref('dim_tenants_history') }}
    where is_current
),

final as (
    select
        tenant_key,
        source_name,
        tenant_id,
        tenant_name,
        plan_tier,
        time_zone,
        currency,
        use_case,
        retention_days,
        monthly_call_volume,
        cost_per_human_interaction_usd,
        platform_fee_usd_month,
        average_deal_value_usd,
        receptionist_cost_usd_month,
        answer_rate,
        capture_share,
        conversion_rate,
        displaced_share,
        has_legal_hold,
        is_inferred
    from current_states
)

select *
from final
