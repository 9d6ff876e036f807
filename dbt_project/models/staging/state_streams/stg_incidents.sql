with landed as (
    select *
    from {{ source('raw', 'incidents') }}
),

ranked_states as (
    select
        *,
        {{ state_rank(['source_name', 'incident_id']) }} as state_rank
    from landed
),

final as (
    select
        {{ entity_key('source_name', 'incident_id') }} as incident_key,
        source_name,
        incident_id,
        service,
        is_maintenance,
        started_at,
        ended_at,
        updated_at,
        load_id,
        row_hash
    from ranked_states
    where state_rank = 1
)

select *
from final
