with landed as (
    select *
    from {{ source('raw', 'alert_rules') }}
),

ranked_states as (
    select
        *,
        {{ state_rank(['source_name', 'rule', 'scope_kind', 'scope_id']) }} as state_rank
    from landed
),

final as (
    select
        {{ hash_key(['source_name', 'rule', 'scope_kind', 'scope_id']) }} as alert_rule_key,
        source_name,
        rule,
        scope_kind,
        scope_id,
        channels,
        threshold,
        window_minutes,
        min_samples,
        is_active,
        muted_until,
        updated_at,
        load_id,
        row_hash
    from ranked_states
    where state_rank = 1
)

select *
from final
