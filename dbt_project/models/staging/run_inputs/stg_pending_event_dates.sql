with written as (
    select *
    from {{ source('raw', 'pending_event_dates') }}
),

final as (
    select
        stream_name,
        event_date
    from written
)

select *
from final
