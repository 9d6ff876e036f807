with landed as (
    select *
    from {{ ref('stg_tasks__copies') }}
),

ranked_states as (
    select
        *,
        {{ state_rank(['source_name', 'task_id']) }} as state_rank
    from landed
),

final as (
    select
        {{ entity_key('source_name', 'task_id') }} as task_key,
        source_name,
        task_id,
        {{ entity_key('source_name', 'tenant_id') }} as tenant_key,
        tenant_id,
        {{ entity_key('source_name', 'agent_id') }} as agent_key,
        agent_id,
        {{ user_key_of('source_name', 'tenant_id', 'user_id') }} as user_key,
        user_id,
        team_id,
        project_id,
        status,
        model,
        attempts,
        steps,
        api_calls,
        input_tokens,
        output_tokens,
        cost_usd,
        created_at,
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
