with landed as (
    select *
    from {{ source('raw', 'alert_rules') }}
),

-- States of one moment are settled by content, so that the history has one row per moment.
ranked_copies as (
    select
        *,
        {{ state_rank(
            ['source_name', 'rule', 'scope_kind', 'scope_id', 'updated_at']
        ) }} as copy_rank
    from landed
),

final as (
    select
        {{ hash_key(
            ['source_name', 'rule', 'scope_kind', 'scope_id', 'updated_at']
        ) }} as alert_override_key,
        source_name,
        rule as rule_id,
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
    from ranked_copies
    where copy_rank = 1
)

select *
from final
