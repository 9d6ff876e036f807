with landed as (
    select *
    from {{ source('raw', 'provider_bills') }}
),

final as (
    select
        bill_id as row_key,
        source_name,
        event_date,
        load_id,
        row_hash
    from landed
)

select *
from final
