{{ config(
    materialized='incremental',
    incremental_strategy='append',
    on_schema_change='fail',
) }}

with landed as (
    select *
    from {{ source('raw', 'quality_scores') }}
    where {{ is_newly_landed('quality_scores', once=true) }}
),

final as (
    select
        score_id as row_key,
        source_name,
        score_id,
        conversation_id,
        tenant_id,
        agent_id,
        dimension,
        judge_model,
        score,
        judged_at,
        event_date,
        load_id,
        row_number,
        row_hash
    from landed
)

select *
from final
