with written as (
    select *
    from {{ source('raw', 'run_context') }}
),

final as (
    select
        run_id,
        as_of,
        platform_time_zone
    from written
)

select *
from final
