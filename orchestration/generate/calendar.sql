-- How many sessions each day has. Belongs here: the calendar and its seasons, made once per set.
-- Not here: what happens in a session (turns.sql).

create table days as
with calendar as (
    select
        cast(day_no as integer) as day_no,
        getvariable('first_day') + cast(day_no as integer) as day
    from
        range(cast(getvariable('last_day') - getvariable('first_day') as bigint) + 1)
            as numbers (day_no)
),

weighted as (
    select
        day_no,
        day,
        day_no / greatest(count(*) over () - 1, 1) as progress,
        -- Weekends are quiet, the weeks grow by a third over the set, each day differs a little.
        case isodow(day) when 6 then 0.45 when 7 then 0.38 else 1.0 end
        * (1 + 0.33 * day_no / count(*) over ())
        * (1 + 0.08 * bell('day', day_no)) as weight
    from calendar
),

counted as (
    select
        *,
        cast(round(getvariable('total_sessions') * weight / sum(weight) over ()) as bigint)
            as sessions
    from weighted
)

select
    day_no,
    day,
    progress,
    sessions,
    cast(sum(sessions) over (order by day_no) - sessions as bigint) as first_session
from counted;
