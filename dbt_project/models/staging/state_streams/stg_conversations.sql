with landed as (
    select *
    from {{ ref('stg_conversations__copies') }}
),

ranked_states as (
    select
        *,
        {{ state_rank(['source_name', 'conversation_id']) }} as state_rank
    from landed
),

final as (
    select
        {{ entity_key('source_name', 'conversation_id') }} as conversation_key,
        source_name,
        conversation_id,
        {{ entity_key('source_name', 'tenant_id') }} as tenant_key,
        tenant_id,
        {{ entity_key('source_name', 'agent_id') }} as agent_key,
        agent_id,
        {{ user_key_of('source_name', 'tenant_id', 'user_id') }} as user_key,
        user_id,
        status,
        satisfaction_score,
        escalated as is_escalated,
        created_at,
        ended_at,
        updated_at,
        load_id,
        row_hash
    from ranked_states
    where state_rank = 1
)

select *
from final
