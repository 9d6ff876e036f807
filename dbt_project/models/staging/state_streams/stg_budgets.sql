with landed as (
    select *
    from {{ source('raw', 'budgets') }}
),

ranked_states as (
    select
        *,
        {{ state_rank(['source_name', 'scope_kind', 'scope_id', 'month']) }} as state_rank
    from landed
),

final as (
    select
        {{ hash_key(['source_name', 'scope_kind', 'scope_id', 'month']) }} as budget_key,
        source_name,
        scope_kind,
        scope_id,
        month as budget_month,
        amount_usd,
        updated_at,
        load_id,
        row_hash
    from ranked_states
    where state_rank = 1
)

select *
from final
