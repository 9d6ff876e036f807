{{ config(materialized='incremental', incremental_strategy='replace_dates') }}

with scores as (
    select *
    from {{ ref('stg_quality_scores') }}
    where {{ in_pending_dates('event_date') }}
),

final as (
    select
        scores.quality_score_key,
        scores.source_name,
        scores.event_date,
        scores.judged_at,
        scores.agent_key,
        agents.agent_type_key,
        scores.tenant_key,
        agents.publisher_key,
        scores.score_id,
        scores.conversation_key,
        scores.dimension,
        scores.score,
        scores.judge_model
    from scores
    left join {{ ref('dim_agents_history') }} as agents
        on {{ agent_valid_at('agents', 'scores.agent_key', 'scores.judged_at') }}
)

select * from final
