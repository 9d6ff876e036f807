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
        loaded_at
    from written
)

select *
from final
