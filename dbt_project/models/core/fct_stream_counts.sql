with loads as (
    select * from {{ ref('stg_loads') }}
),

loads_by_stream as (
    select
        source_name,
        stream_name,
        count(distinct file_load_id) as load_count,
        sum(rows_landed) as rows_landed,
        sum(rows_quarantined) as rows_quarantined,
        min(min_event_at) as first_event_at,
        max(max_event_at) as last_event_at,
        max(loaded_at) as last_loaded_at
    from loads
    group by source_name, stream_name
),

streams_fed as (
    select distinct
        file_load_id,
        source_name,
        stream_name
    from loads
),

files_by_stream as (
    select
        streams_fed.source_name,
        streams_fed.stream_name,
        sum(files.rows_ignored) as rows_ignored,
        sum(files.repeated_file_count) as repeated_file_count
    from streams_fed
    inner join {{ ref('stg_files') }} as files
        on streams_fed.file_load_id = files.load_id
    group by streams_fed.source_name, streams_fed.stream_name
),

copies as (
    select
        source_name,
        stream_name,
        sum(duplicate_rows) as duplicate_rows,
        sum(superseded_rows) as superseded_rows,
        sum(conflicting_rows) as conflicting_rows
    from {{ ref('stg_stream_copies') }}
    group by source_name, stream_name
),

final as (
    select
        {{ entity_key('loads_by_stream.source_name', 'loads_by_stream.stream_name') }}
            as stream_key,
        loads_by_stream.source_name,
        loads_by_stream.stream_name,
        loads_by_stream.load_count,
        cast(loads_by_stream.rows_landed + loads_by_stream.rows_quarantined as bigint)
            as rows_read,
        cast(coalesce(files_by_stream.repeated_file_count, 0) as bigint) as repeated_file_count,
        cast(coalesce(files_by_stream.rows_ignored, 0) as bigint) as rows_ignored,
        cast(loads_by_stream.rows_landed as bigint) as rows_landed,
        cast(loads_by_stream.rows_quarantined as bigint) as rows_quarantined,
        cast(coalesce(copies.duplicate_rows, 0) as bigint) as duplicate_rows,
        cast(coalesce(copies.superseded_rows, 0) as bigint) as superseded_rows,
        cast(coalesce(copies.conflicting_rows, 0) as bigint) as conflicting_rows,
        loads_by_stream.first_event_at,
        loads_by_stream.last_event_at,
        loads_by_stream.last_loaded_at
    from loads_by_stream
    left join files_by_stream
        on
            loads_by_stream.source_name = files_by_stream.source_name
            and loads_by_stream.stream_name = files_by_stream.stream_name
    left join copies
        on
            loads_by_stream.source_name = copies.source_name
            and loads_by_stream.stream_name = copies.stream_name
)

select * from final
