with calendar as (
    select days.date_day
    from (
        select
            cast('{{ var("calendar_start") }}' as date) as first_day,
            cast('{{ var("calendar_end") }}' as date) as end_day
    ) as span
    {{ join_dates('span.first_day', 'span.end_day', 'days') }}
),

final as (
    select
        date_day,
        cast(extract(year from date_day) as integer) as calendar_year,
        cast(extract(quarter from date_day) as integer) as quarter_number,
        cast(extract(month from date_day) as integer) as month_number,
        cast(extract(day from date_day) as integer) as day_of_month,
        {{ format_month('date_day') }} as month_label,
        {{ date_of_trunc('month', 'date_day') }} as month_start_date,
        cast({{ iso_year('date_day') }} as integer) as iso_year,
        cast({{ iso_week('date_day') }} as integer) as iso_week,
        {{ date_of_trunc('week', 'date_day') }} as week_start_date,
        cast({{ iso_weekday('date_day') }} as integer) as iso_weekday,
        {{ iso_weekday('date_day') }} >= 6 as is_weekend
    from calendar
)

select *
from final
