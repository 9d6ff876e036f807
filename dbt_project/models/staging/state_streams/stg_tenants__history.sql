with landed as (
    select *
    from {{ source('raw', 'tenants') }}
),

-- States of one moment are settled by content, so that the history has one row per moment.
ranked_copies as (
    select
        *,
        {{ state_rank(['source_name', 'tenant_id', 'updated_at']) }} as copy_rank
    from landed
),

ranked_states as (
    select
        *,
        {{ state_rank(['source_name', 'tenant_id']) }} as state_rank
    from ranked_copies
    where copy_rank = 1
),

final as (
    select
        {{ entity_key('source_name', 'tenant_id') }} as tenant_key,
        source_name,
        tenant_id,
        tenant_name,
        plan_tier,
        timezone as time_zone,
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
        legal_hold as has_legal_hold,
        state_rank = 1 as is_current,
        updated_at,
        load_id,
        row_hash
    from ranked_states
)

select *
from final
