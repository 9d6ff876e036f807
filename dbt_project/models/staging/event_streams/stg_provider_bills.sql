with landed as (
    select *
    from {{ source('raw', 'provider_bills') }}
),

ranked_copies as (
    select
        *,
        {{ copy_rank(['source_name', 'bill_id'], 'period_start') }} as copy_rank
    from landed
),

final as (
    select
        {{ entity_key('source_name', 'bill_id') }} as provider_bill_key,
        source_name,
        bill_id,
        provider,
        currency,
        amount,
        period_start,
        period_end,
        event_date,
        load_id,
        row_hash
    from ranked_copies
    where copy_rank = 1
)

select *
from final
