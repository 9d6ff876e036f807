with streams as (
    select * from {{ ref('fct_stream_counts') }}
),

final as (
    select
        stream_key,
        source_name,
        stream_name,
        load_count,
        rows_read,
        rows_ignored,
        rows_landed,
        rows_quarantined,
        {{ safe_divide('rows_quarantined', 'rows_landed + rows_quarantined') }} as quarantine_rate,
        duplicate_rows,
        superseded_rows,
        conflicting_rows,
        rows_landed - duplicate_rows - superseded_rows as counted_rows,
        first_event_at,
        last_event_at,
        last_loaded_at
    from streams
)

select * from final
