with landed as (
    select *
    from {{ source('raw', 'tasks') }}
),

final as (
    select
        task_id as row_key,
        source_name,
        task_id,
        agent_id,
        status,
        ended_at,
        updated_at,
        event_date,
        load_id,
        row_hash
    from landed
)

select *
from final
