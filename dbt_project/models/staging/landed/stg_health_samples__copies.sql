with landed as (
    select *
    from {{ source('raw', 'health_samples') }}
),

final as (
    select
        {{ hash_key(['service', 'timestamp']) }} as row_key,
        source_name,
        event_date,
        load_id,
        row_hash
    from landed
)

select *
from final
