with current_states as (
    select *
    from {{ ref('dim_agents_history') }}
    where is_current
),

final as (
    select
        current_states.agent_key,
        current_states.source_name,
        current_states.agent_id,
        current_states.agent_name,
        current_states.agent_type_key,
        current_states.agent_type_id,
        agent_types.agent_type_name,
        current_states.publisher_key,
        current_states.publisher_id,
        current_states.is_inferred
    from current_states
    inner join {{ ref('dim_agent_types') }} as agent_types
        on current_states.agent_type_key = agent_types.agent_type_key
)

select *
from final
