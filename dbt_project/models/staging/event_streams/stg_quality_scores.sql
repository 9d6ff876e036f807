with landed as (
    select *
    from {{ ref('stg_quality_scores__copies') }}
),

ranked_copies as (
    select
        *,
        {{ copy_rank(['source_name', 'score_id'], 'judged_at') }} as copy_rank
    from landed
),

final as (
    select
        {{ entity_key('source_name', 'score_id') }} as quality_score_key,
        source_name,
        score_id,
        {{ entity_key('source_name', 'conversation_id') }} as conversation_key,
        conversation_id,
        {{ entity_key('source_name', 'tenant_id') }} as tenant_key,
        tenant_id,
        {{ entity_key('source_name', 'agent_id') }} as agent_key,
        agent_id,
        dimension,
        judge_model,
        score,
        judged_at,
        event_date,
        load_id,
        row_hash
    from ranked_copies
    where copy_rank = 1
)

select *
from final
