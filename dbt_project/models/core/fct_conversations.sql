with conversations as (
    select * from {{ ref('stg_conversations') }}
),

final as (
    select
        conversations.conversation_key,
        conversations.source_name,
        cast(conversations.created_at as date) as event_date,
        conversations.created_at,
        conversations.ended_at,
        conversations.agent_key,
        agents.agent_type_key,
        conversations.tenant_key,
        agents.publisher_key,
        conversations.conversation_id,
        conversations.status,
        conversations.status = 'completed' as is_completed,
        -- Not known to be without a person is not resolved (RO-024).
        (conversations.status = 'completed' and coalesce(not conversations.is_escalated, false))
            as is_resolved,
        coalesce(conversations.is_escalated, false) as is_escalated,
        conversations.status = 'abandoned' as is_abandoned,
        conversations.satisfaction_score,
        conversations.user_key,
        -- What held when the conversation began: a new contract does not change the past (D-23).
        cast(
            coalesce(tenants.cost_per_human_interaction_usd, benchmarks.default_usd)
            as decimal(38, 12)
        ) as human_cost_usd
    from conversations
    left join {{ ref('dim_tenants_history') }} as tenants
        on
            conversations.tenant_key = tenants.tenant_key
            and conversations.created_at >= tenants.valid_from
            and conversations.created_at < tenants.valid_to
    left join {{ ref('human_cost_benchmarks') }} as benchmarks
        on coalesce(tenants.use_case, 'unset') = benchmarks.use_case
    left join {{ ref('dim_agents_history') }} as agents
        on {{ agent_valid_at('agents', 'conversations.agent_key', 'conversations.created_at') }}
)

select * from final
