with written as (
    select *
    from {{ source('raw', 'loads') }}
),

final as (
    select
        load_id,
        file_load_id,
        source_name,
        stream_name,
        path,
        adapter,
        content_sha256,
        rows_read,
        rows_ignored,
        rows_landed,
        rows_quarantined,
        is_pending,
        min_event_at,
        max_event_at,
        loaded_at
    from written
)

select *
from final
