with run_context as (
    select * from {{ ref('stg_run_context') }}
),

loads as (
    select * from {{ ref('stg_loads') }}
),

mart_streams as (
    {{ mart_streams_sql() }}
),

-- How old the newest event of each mart is; a mart that never had one is not late.
mart_ages as (
    select
        'freshness' as check_name,
        cast(null as {{ dbt.type_string() }}) as source_name,
        mart_streams.mart_name as subject,
        cast(null as date) as subject_date,
        {{ seconds_between('max(loads.max_event_at)', 'max(run_context.as_of)') }}
        / cast(3600 as double) as measured,
        cast(null as double) as centre,
        cast(null as double) as spread,
        1 as sample_size
    from mart_streams
    inner join loads
        on mart_streams.stream_name = loads.stream_name
    cross join run_context
    group by mart_streams.mart_name
    having max(loads.max_event_at) is not null
),

judged_days as (
    select
        {{ date_add_days(
            'cast(' ~ timestamp_add_seconds(
                'run_context.as_of', '-3600 * cast(' ~ setting('check_volume_grace_hours') ~ ' as bigint)'
            ) ~ ' as date)', -1
        ) }} as judged_day,
        cast({{ setting('check_volume_weeks') }} as bigint) as weeks
    from run_context
),

day_counts as (
    select
        source_name,
        stream_name,
        event_date,
        sum(staged_rows) as row_count
    from {{ ref('int_rows_counted') }}
    where
        stream_name in (
            {%- for stream_name in (large_append_streams() | list) + (append_streams() | list) %}
                '{{ stream_name }}'{{ "," if not loop.last }}
            {%- endfor %}
        )
    group by source_name, stream_name, event_date
),

first_days as (
    select
        source_name,
        stream_name,
        min(event_date) as first_day
    from day_counts
    group by source_name, stream_name
),

-- The judged day is week 0. A day without rows counts as one of 0 once the stream has begun.
weekdays as (
    select
        first_days.source_name,
        first_days.stream_name,
        judged_days.judged_day,
        past_weeks.week_number,
        coalesce(day_counts.row_count, 0) as row_count,
        sqrt(cast(coalesce(day_counts.row_count, 0) as double)) as root
    from first_days
    cross join judged_days
    {{ join_numbers(0, 'judged_days.weeks', 'past_weeks', column='week_number') }}
    left join day_counts
        on
            first_days.source_name = day_counts.source_name
            and first_days.stream_name = day_counts.stream_name
            and day_counts.event_date
            = {{ date_add_days('judged_days.judged_day', '-7 * past_weeks.week_number') }}
    where
        first_days.first_day
        <= {{ date_add_days('judged_days.judged_day', '-7 * past_weeks.week_number') }}
),

centres as (
    select
        source_name,
        stream_name,
        {{ median('root') }} as centre,
        count(*) as sample_size
    from weekdays
    where week_number > 0
    group by source_name, stream_name
),

spreads as (
    select
        weekdays.source_name,
        weekdays.stream_name,
        {{ median('abs(weekdays.root - centres.centre)') }} as spread
    from weekdays
    inner join centres
        on
            weekdays.source_name = centres.source_name
            and weekdays.stream_name = centres.stream_name
    where weekdays.week_number > 0
    group by weekdays.source_name, weekdays.stream_name
),

-- The root of a count varies by one half by chance, whatever the count: a day of few rows may hold
-- none, a day of many may not.
day_volumes as (
    select
        'volume' as check_name,
        weekdays.source_name,
        weekdays.stream_name as subject,
        weekdays.judged_day as subject_date,
        cast(weekdays.row_count as double) as measured,
        centres.centre,
        greatest(
            0.5,
            1.4826 * spreads.spread,
            cast({{ setting('check_volume_min_spread') }} as double) * centres.centre
        ) as spread,
        coalesce(centres.sample_size, 0) as sample_size
    from weekdays
    left join centres
        on
            weekdays.source_name = centres.source_name
            and weekdays.stream_name = centres.stream_name
    left join spreads
        on
            weekdays.source_name = spreads.source_name
            and weekdays.stream_name = spreads.stream_name
    where weekdays.week_number = 0
),

-- Rows that were refused and landed later count from the day their file came. What no publication
-- holds yet counts however old it is, so that a refusal to publish does not end by waiting.
recent_loads as (
    select
        loads.source_name,
        loads.stream_name,
        loads.rows_landed,
        loads.rows_quarantined,
        loads.is_pending,
        min(loads.loaded_at) over (partition by loads.file_load_id) as file_loaded_at,
        min(case when loads.is_pending then 1 else 0 end) over () = 0 as has_published_loads
    from loads
),

refusals as (
    select
        'quarantine_rate' as check_name,
        recent_loads.source_name,
        recent_loads.stream_name as subject,
        cast(null as date) as subject_date,
        {{ safe_divide(
            'sum(recent_loads.rows_quarantined)',
            'sum(recent_loads.rows_landed + recent_loads.rows_quarantined)'
        ) }} as measured,
        cast(null as double) as centre,
        cast(null as double) as spread,
        sum(recent_loads.rows_landed + recent_loads.rows_quarantined) as sample_size
    from recent_loads
    cross join run_context
    where
        recent_loads.file_loaded_at >= {{ timestamp_add_seconds(
            'run_context.as_of', '-3600 * cast(' ~ setting('check_quarantine_hours') ~ ' as bigint)'
        ) }}
        or (recent_loads.is_pending and recent_loads.has_published_loads)
    group by recent_loads.source_name, recent_loads.stream_name
    having sum(recent_loads.rows_landed + recent_loads.rows_quarantined) > 0
),

measured_values as (
    select * from mart_ages
    union all
    select * from day_volumes
    union all
    select * from refusals
),

bounded as (
    select
        measured_values.*,
        bounds.severity,
        bounds.unit,
        cast(bounds.bound as double) as bound,
        bounds.minimum_sample,
        row_number() over (
            partition by
                measured_values.check_name,
                measured_values.source_name,
                measured_values.subject,
                bounds.severity
            order by case when bounds.subject = '*' then 1 else 0 end
        ) as place
    from measured_values
    inner join {{ ref('check_bounds') }} as bounds
        on
            measured_values.check_name = bounds.check_name
            and bounds.subject in (measured_values.subject, '*')
),

limits as (
    select
        *,
        case
            when check_name = 'volume' then power(greatest(0, centre - bound * spread), 2)
        end as lowest,
        case
            when check_name = 'volume' then power(centre + bound * spread, 2)
            else bound
        end as highest
    from bounded
    where place = 1
),

final as (
    select
        check_name || ':' || coalesce(source_name || '.', '') || subject || ':' || severity
            as check_key,
        check_name,
        severity,
        source_name,
        subject,
        subject_date,
        cast(round(measured, 6) as decimal(18, 6)) as measured_value,
        cast(round(lowest, 6) as decimal(18, 6)) as lowest_value,
        cast(round(highest, 6) as decimal(18, 6)) as highest_value,
        case when check_name = 'volume' then 'rows' else unit end as unit,
        cast(sample_size as bigint) as sample_size,
        sample_size >= minimum_sample as is_judged,
        case
            when sample_size >= minimum_sample
                then measured <= highest and measured >= coalesce(lowest, measured)
        end as is_passed
    from limits
)

select * from final
