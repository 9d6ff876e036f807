with files as (
    select * from {{ ref('stg_files') }}
),

landed as (
    select
        file_load_id,
        sum(rows_landed) as rows_landed,
        sum(rows_quarantined) as rows_quarantined
    from {{ ref('stg_loads') }}
    group by file_load_id
),

final as (
    select
        files.load_id,
        files.source_name,
        files.path,
        files.adapter,
        files.adapter_version,
        files.rows_read,
        files.rows_ignored,
        files.rows_expanded,
        cast(coalesce(landed.rows_landed, 0) as bigint) as rows_landed,
        cast(coalesce(landed.rows_quarantined, 0) as bigint) as rows_quarantined,
        files.rows_replayed,
        files.repeated_file_count,
        files.loaded_at
    from files
    left join landed on files.load_id = landed.file_load_id
)

select * from final
