with landed as (
    select *
    from {{ source('raw', 'agents') }}
),

final as (
    select
        agent_id as row_key,
        source_name,
        agent_id,
        updated_at,
        event_date,
        load_id,
        row_hash
    from landed
)

select *
from final
