with written as (
    select *
    from {{ source('raw', 'rebuilt_days') }}
),

final as (
    select event_date
    from written
)

select *
from final
