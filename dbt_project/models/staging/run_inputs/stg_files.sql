with written as (
    select *
    from {{ source('raw', 'files') }}
),

final as (
    select
        load_id,
        source_name,
        path,
        adapter,
        adapter_version,
        rows_read,
        rows_ignored,
        rows_expanded,
        rows_replayed,
        repeated_file_count,
        loaded_at
    from written
)

select *
from final
