with landed as (
    select *
    from {{ source('raw', 'publishers') }}
),

ranked_states as (
    select
        *,
        {{ state_rank(['source_name', 'publisher_id']) }} as state_rank
    from landed
),

final as (
    select
        {{ entity_key('source_name', 'publisher_id') }} as publisher_key,
        source_name,
        publisher_id,
        publisher_name,
        updated_at,
        load_id,
        row_hash
    from ranked_states
    where state_rank = 1
)

select *
from final
