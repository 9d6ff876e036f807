with landed as (
    select *
    from {{ source('raw', 'charges') }}
),

final as (
    select
        charge_id as row_key,
        source_name,
        agent_id,
        publisher_id,
        event_date,
        load_id,
        row_hash
    from landed
)

select *
from final
