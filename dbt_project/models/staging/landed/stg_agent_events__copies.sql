with landed as (
    select *
    from {{ source('raw', 'agent_events') }}
),

final as (
    select
        id as row_key,
        source_name,
        event_type,
        timestamp as event_at,
        agent_id,
        publisher_id,
        coalesce(invocation_id, id) as invocation_id,
        task_id,
        duration_ms,
        event_date,
        load_id,
        row_hash
    from landed
)

select *
from final
