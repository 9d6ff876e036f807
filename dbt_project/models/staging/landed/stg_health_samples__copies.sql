{{ config(
    materialized='incremental',
    incremental_strategy='append',
    on_schema_change='fail',
) }}

with landed as (
    select *
    from {{ source('raw', 'health_samples') }}
    where {{ is_newly_landed('health_samples', once=true) }}
),

final as (
    select
        {{ hash_key(['service', 'timestamp']) }} as row_key,
        source_name,
        service,
        interval_s,
        is_up,
        requests,
        failed_requests,
        queue_depth,
        capacity_rpm,
        timestamp as event_at,
        event_date,
        load_id,
        row_number,
        row_hash
    from landed
)

select *
from final
