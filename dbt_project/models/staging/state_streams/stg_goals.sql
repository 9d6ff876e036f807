with landed as (
    select *
    from {{ source('raw', 'goals') }}
),

ranked_states as (
    select
        *,
        {{ state_rank(['source_name', 'scope_kind', 'scope_id', 'metric']) }} as state_rank
    from landed
),

final as (
    select
        {{ hash_key(['source_name', 'scope_kind', 'scope_id', 'metric']) }} as goal_key,
        source_name,
        scope_kind,
        scope_id,
        metric,
        target,
        updated_at,
        load_id,
        row_hash
    from ranked_states
    where state_rank = 1
)

select *
from final
