with streams as (
    select
        stream_name,
        max(max_event_at) as last_event_at,
        max(loaded_at) as last_loaded_at,
        sum(rows_landed) as row_count
    from {{ ref('stg_loads') }}
    group by stream_name
),

mart_streams as (
    {{ mart_streams_sql() }}
),

marts as (
    select
        mart_streams.mart_name,
        max(streams.last_event_at) as last_event_at,
        max(streams.last_loaded_at) as last_loaded_at,
        sum(streams.row_count) as row_count
    from mart_streams
    left join streams
        on mart_streams.stream_name = streams.stream_name
    group by mart_streams.mart_name
),

final as (
    select
        'stream' as kind,
        stream_name as name, -- noqa: RF04
        last_event_at,
        last_loaded_at,
        cast(row_count as bigint) as row_count
    from streams

    union all

    select
        'mart' as kind,
        mart_name as name, -- noqa: RF04
        last_event_at,
        last_loaded_at,
        cast(coalesce(row_count, 0) as bigint) as row_count
    from marts
)

select * from final
