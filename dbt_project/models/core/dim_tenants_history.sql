with states as (
    select *
    from {{ ref('stg_tenants__history') }}
),

-- A state holds from its updated_at to the next one's, whatever the order of arrival.
described as (
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
        false as is_inferred,
        updated_at as valid_from,
        coalesce(
            lead(updated_at) over (partition by tenant_key order by updated_at),
            timestamp '9999-12-31 00:00:00'
        ) as valid_to
    from states
),

seen as (
    select
        source_name,
        tenant_id
    from {{ ref('stg_owners_seen') }}
    where tenant_id is not null
    union
    select
        source_name,
        tenant_id
    from states
),

first_states as (
    select
        tenant_key,
        min(updated_at) as first_updated_at
    from states
    group by tenant_key
),

-- Before its first state a tenant has no settings: a value applies from its updated_at on, so the
-- defaults hold. A tenant that no state describes has none ever.
undescribed as (
    select
        {{ entity_key('seen.source_name', 'seen.tenant_id') }} as tenant_key,
        seen.source_name,
        seen.tenant_id,
        seen.tenant_id as tenant_name,
        cast(null as {{ dbt.type_string() }}) as plan_tier,
        cast(null as {{ dbt.type_string() }}) as time_zone,
        cast(null as {{ dbt.type_string() }}) as currency,
        cast(null as {{ dbt.type_string() }}) as use_case,
        cast(null as bigint) as retention_days,
        cast(null as bigint) as monthly_call_volume,
        cast(null as decimal(38, 12)) as cost_per_human_interaction_usd,
        cast(null as decimal(38, 12)) as platform_fee_usd_month,
        cast(null as decimal(38, 12)) as average_deal_value_usd,
        cast(null as decimal(38, 12)) as receptionist_cost_usd_month,
        cast(null as decimal(18, 9)) as answer_rate,
        cast(null as decimal(18, 9)) as capture_share,
        cast(null as decimal(18, 9)) as conversion_rate,
        cast(null as decimal(18, 9)) as displaced_share,
        cast(null as boolean) as has_legal_hold,
        true as is_inferred,
        timestamp '1900-01-01 00:00:00' as valid_from,
        coalesce(first_states.first_updated_at, timestamp '9999-12-31 00:00:00') as valid_to
    from seen
    left join first_states
        on {{ entity_key('seen.source_name', 'seen.tenant_id') }} = first_states.tenant_key
),

final as (
    select
        *,
        valid_to = timestamp '9999-12-31 00:00:00' as is_current
    from described
    union all
    select
        *,
        valid_to = timestamp '9999-12-31 00:00:00' as is_current
    from undescribed
)

select *
from final
