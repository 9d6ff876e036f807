{{ config(materialized='incremental', incremental_strategy='replace_dates') }}

with samples as (
    select *
    from {{ ref('stg_health_samples') }}
    where {{ in_pending_dates('event_date') }}
),

final as (
    select
        samples.health_sample_key,
        samples.source_name,
        samples.event_date,
        samples.sampled_at,
        samples.service,
        samples.interval_s,
        samples.is_up,
        samples.requests,
        samples.failed_requests,
        samples.queue_depth,
        samples.capacity_rpm
    from samples
)

select * from final
