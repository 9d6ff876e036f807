with landed as (
    select *
    from {{ ref('stg_charges__copies') }}
),

ranked_copies as (
    select
        *,
        {{ copy_rank(['source_name', 'charge_id'], 'charged_at') }} as copy_rank
    from landed
),

final as (
    select
        {{ entity_key('source_name', 'charge_id') }} as charge_key,
        source_name,
        charge_id,
        {{ entity_key('source_name', 'tenant_id') }} as tenant_key,
        tenant_id,
        {{ entity_key('source_name', 'publisher_id') }} as publisher_key,
        publisher_id,
        {{ entity_key('source_name', 'agent_id') }} as agent_key,
        agent_id,
        kind,
        currency,
        amount,
        platform_fee,
        service_start,
        service_end,
        charged_at,
        event_date,
        load_id,
        row_hash
    from ranked_copies
    where copy_rank = 1
)

select *
from final
