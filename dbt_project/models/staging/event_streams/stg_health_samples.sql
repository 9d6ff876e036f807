with landed as (
    select *
    from {{ source('raw', 'health_samples') }}
),

ranked_copies as (
    select
        *,
        {{ copy_rank(
            ['source_name', 'service', 'timestamp', 'event_date'],
            'timestamp',
        ) }} as copy_rank
    from landed
),

final as (
    select
        {{ hash_key(['source_name', 'service', 'timestamp']) }} as health_sample_key,
        source_name,
        service,
        interval_s,
        is_up,
        requests,
        failed_requests,
        queue_depth,
        capacity_rpm,
        timestamp as sampled_at,
        event_date,
        load_id,
        row_hash
    from ranked_copies
    where copy_rank = 1
)

select *
from final
