with written as (
    select *
    from {{ source('raw', 'quarantine') }}
),

final as (
    select
        load_id,
        source_name,
        stream_name,
        reason_code,
        row_count
    from written
)

select *
from final
