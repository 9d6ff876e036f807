with loads as (
    select * from {{ ref('stg_loads') }}
),

loads_by_file as (
    select
        file_load_id,
        source_name,
        stream_name,
        sum(rows_landed) as rows_landed,
        sum(rows_quarantined) as rows_quarantined
    from loads
    group by file_load_id, source_name, stream_name
),

-- Rows of a load that no entry names are shown under it, so that they are missed nowhere.
rows_in_lake as (
    select
        coalesce(loads.file_load_id, landed.load_id) as file_load_id,
        landed.source_name,
        landed.stream_name,
        sum(landed.landed_rows) as lake_rows,
        sum(landed.superseded_rows) as superseded_rows
    from {{ ref('stg_landed_counts') }} as landed
    left join loads
        on
            landed.load_id = loads.load_id
            and landed.stream_name = loads.stream_name
    group by
        coalesce(loads.file_load_id, landed.load_id), landed.source_name, landed.stream_name
),

rows_staged as (
    select
        coalesce(loads.file_load_id, staged.load_id) as file_load_id,
        staged.stream_name,
        sum(staged.staged_rows) as counted_rows
    from {{ ref('int_rows_counted') }} as staged
    left join loads
        on
            staged.load_id = loads.load_id
            and staged.stream_name = loads.stream_name
    group by coalesce(loads.file_load_id, staged.load_id), staged.stream_name
),

united as (
    select
        coalesce(loads_by_file.file_load_id, rows_in_lake.file_load_id) as file_load_id,
        coalesce(loads_by_file.source_name, rows_in_lake.source_name) as source_name,
        coalesce(loads_by_file.stream_name, rows_in_lake.stream_name) as stream_name,
        loads_by_file.rows_landed,
        loads_by_file.rows_quarantined,
        rows_in_lake.lake_rows,
        rows_in_lake.superseded_rows
    from loads_by_file
    full join rows_in_lake
        on
            loads_by_file.file_load_id = rows_in_lake.file_load_id
            and loads_by_file.stream_name = rows_in_lake.stream_name
),

final as (
    select
        united.file_load_id || ':' || united.stream_name as file_stream_key,
        united.file_load_id,
        united.source_name,
        united.stream_name,
        cast(coalesce(united.rows_landed, 0) as bigint) as rows_landed,
        cast(coalesce(united.rows_quarantined, 0) as bigint) as rows_quarantined,
        cast(coalesce(united.lake_rows, 0) as bigint) as rows_in_lake,
        cast(coalesce(rows_staged.counted_rows, 0) as bigint) as counted_rows,
        cast(
            coalesce(united.lake_rows, 0) - coalesce(united.superseded_rows, 0)
            - coalesce(rows_staged.counted_rows, 0) as bigint
        ) as duplicate_rows,
        cast(coalesce(united.superseded_rows, 0) as bigint) as superseded_rows
    from united
    left join rows_staged
        on
            united.file_load_id = rows_staged.file_load_id
            and united.stream_name = rows_staged.stream_name
)

select * from final
