with landed as (
    select *
    from {{ source('raw', 'agents') }}
),

-- States of one moment are settled by content, so that the history has one row per moment.
ranked_copies as (
    select
        *,
        {{ state_rank(['source_name', 'agent_id', 'updated_at']) }} as copy_rank
    from landed
),

ranked_states as (
    select
        *,
        {{ state_rank(['source_name', 'agent_id']) }} as state_rank
    from ranked_copies
    where copy_rank = 1
),

final as (
    select
        {{ entity_key('source_name', 'agent_id') }} as agent_key,
        source_name,
        agent_id,
        agent_name,
        {{ entity_key('source_name', 'agent_type_id') }} as agent_type_key,
        agent_type_id,
        agent_type_name,
        {{ entity_key('source_name', 'publisher_id') }} as publisher_key,
        publisher_id,
        state_rank = 1 as is_current,
        updated_at,
        load_id,
        row_hash
    from ranked_states
)

select *
from final
