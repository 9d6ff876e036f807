with landed as (
    select *
    from {{ source('raw', 'deployments') }}
),

ranked_copies as (
    select
        *,
        {{ copy_rank(['source_name', 'deployment_id'], 'deployed_at') }} as copy_rank
    from landed
),

final as (
    select
        {{ entity_key('source_name', 'deployment_id') }} as deployment_key,
        source_name,
        deployment_id,
        {{ entity_key('source_name', 'agent_id') }} as agent_key,
        agent_id,
        agent_version,
        note,
        deployed_at,
        event_date,
        load_id,
        row_hash
    from ranked_copies
    where copy_rank = 1
)

select *
from final
