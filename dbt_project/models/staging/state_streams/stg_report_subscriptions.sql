with landed as (
    select *
    from {{ source('raw', 'report_subscriptions') }}
),

ranked_states as (
    select
        *,
        {{ state_rank(['source_name', 'subscription_id']) }} as state_rank
    from landed
),

final as (
    select
        {{ entity_key('source_name', 'subscription_id') }} as subscription_key,
        source_name,
        subscription_id,
        scope_kind,
        scope_id,
        frequency,
        timezone as time_zone,
        formats,
        recipients,
        is_active,
        updated_at,
        load_id,
        row_hash
    from ranked_states
    where state_rank = 1
)

select *
from final
