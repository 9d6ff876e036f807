with landed as (
    select *
    from {{ source('raw', 'quality_scores') }}
),

final as (
    select
        score_id as row_key,
        source_name,
        agent_id,
        event_date,
        load_id,
        row_hash
    from landed
)

select *
from final
