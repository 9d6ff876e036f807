with accounts as (
    select
        source_name,
        stream_name,
        event_date,
        landed_rows,
        0 as staged_rows,
        0 as copy_rows
    from {{ ref('stg_landed_counts') }}
    union all
    select
        source_name,
        stream_name,
        event_date,
        0 as landed_rows,
        staged_rows,
        0 as copy_rows
    from {{ ref('int_rows_counted') }}
    union all
    select
        source_name,
        stream_name,
        event_date,
        0 as landed_rows,
        0 as staged_rows,
        duplicate_rows + superseded_rows as copy_rows
    from {{ ref('stg_stream_copies') }}
)

select
    source_name,
    stream_name,
    event_date,
    sum(landed_rows) as landed_rows,
    sum(staged_rows) as staged_rows,
    sum(copy_rows) as copy_rows
from accounts
group by source_name, stream_name, event_date
having sum(landed_rows) <> sum(staged_rows) + sum(copy_rows)
