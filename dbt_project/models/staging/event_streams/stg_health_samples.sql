with landed as (
    select *
    from {{ ref('stg_health_samples__copies') }}
),

ranked_copies as (
    select
        *,
        {{ copy_rank(
            ['source_name', 'service', 'event_at', 'event_date'],
            'event_at',
        ) }} as copy_rank
    from landed
),

final as (
    select
        {{ hash_key(['source_name', 'service', 'event_at']) }} as health_sample_key,
        source_name,
        service,
        interval_s,
        is_up,
        requests,
        failed_requests,
        queue_depth,
        capacity_rpm,
        event_at as sampled_at,
        event_date,
        load_id,
        row_hash
    from ranked_copies
    where copy_rank = 1
)

select *
from final
