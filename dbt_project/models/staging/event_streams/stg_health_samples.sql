with
{{ counted_copies(
    ref('stg_health_samples__copies'),
    ref('stg_health_samples__repeated_keys'),
    'row_key', 'row_key', 'event_at',
) }},

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
    from counted_copies
)

select *
from final
