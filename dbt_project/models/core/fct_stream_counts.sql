with loads as (
    select * from {{ ref('stg_loads') }}
),

copies as (
    select * from {{ ref('stg_stream_copies') }}
),

loads_by_stream as (
    select
        source_name,
        stream_name,
        count(*) as load_count,
        sum(rows_read) as rows_read,
        sum(rows_ignored) as rows_ignored,
        sum(rows_landed) as rows_landed,
        sum(rows_quarantined) as rows_quarantined,
        min(min_event_at) as first_event_at,
        max(max_event_at) as last_event_at,
        max(loaded_at) as last_loaded_at
    from loads
    group by source_name, stream_name
),

final as (
    select
        {{ entity_key('loads_by_stream.source_name', 'loads_by_stream.stream_name') }}
            as stream_key,
        loads_by_stream.source_name,
        loads_by_stream.stream_name,
        loads_by_stream.load_count,
        cast(loads_by_stream.rows_read as bigint) as rows_read,
        cast(coalesce(loads_by_stream.rows_ignored, 0) as bigint) as rows_ignored,
        cast(loads_by_stream.rows_landed as bigint) as rows_landed,
        cast(loads_by_stream.rows_quarantined as bigint) as rows_quarantined,
        coalesce(copies.duplicate_rows, 0) as duplicate_rows,
        coalesce(copies.superseded_rows, 0) as superseded_rows,
        coalesce(copies.conflicting_rows, 0) as conflicting_rows,
        loads_by_stream.first_event_at,
        loads_by_stream.last_event_at,
        loads_by_stream.last_loaded_at
    from loads_by_stream
    left join copies
        on
            loads_by_stream.source_name = copies.source_name
            and loads_by_stream.stream_name = copies.stream_name
)

select * from final
