with landed as (
    select *
    from {{ source('raw', 'experiments') }}
),

ranked_states as (
    select
        *,
        {{ state_rank(['source_name', 'experiment_id']) }} as state_rank
    from landed
),

final as (
    select
        {{ entity_key('source_name', 'experiment_id') }} as experiment_key,
        source_name,
        experiment_id,
        {{ entity_key('source_name', 'agent_id') }} as agent_key,
        agent_id,
        version_a,
        version_b,
        split_a,
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
