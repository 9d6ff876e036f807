{#
    Which days of a series are out of the ordinary, from what the series was on the same weekdays before.

    A series is one metric of one scope by consecutive local days. What a day was to be is told from the days before it
    alone, so that every day of the past has an error of one and the same rule; how far errors of that rule went is then
    the scale that a day's own error is held against.

      expected  Amounts and durations: the usual share of the weekday (the median over the weeks before of the day
                against the mean of the seven days before it) times the level of the last seven days (the median of day
                divided by its usual share, weighted by the share). The share holds the weekday pattern, the level
                growth and shifts; neither is moved by single wild days, and a shift is the new level four days later.
                Rates and means: the median of the weekly rates, weighted by their observations. A rate divides the
                weekday pattern out, and the errors of a single weekday would be too few to tell it from.
      error     On a scale on which chance alone has a standard deviation of 1: twice the square root of the count for
                amounts (F. J. Anscombe, The transformation of Poisson, binomial and negative-binomial data, Biometrika
                35 (1948) 246-254), his arc sine for rates, standard errors for means; the logarithm for durations.
      spread    The larger of 1.4826 times the median of absolute errors and their 90 % quantile divided by 1.645: both
                are the standard deviation of normal errors, one wild day moves neither, and the second widens where
                errors have long tails. Never less than what chance alone explains: the sampling error of the counts, of
                the rate or of the mean, and for durations `anomaly_min_spread`.
      limit     Quantile of Student's t with `anomaly_freedom_share` degrees of freedom for each error of the past that
                the spread is estimated from (tests/benchmarks/anomalies measures what rate of false alarms it keeps).

    Hours are judged likewise for bursts of errors (scored_hours_sql).

    Belongs here: the statistics. Does not belong here: where a series comes from, and what an anomaly means
    (marts/anomalies.sql).
#}

{# Twice the arc sine of the root of a share, Anscombe's with 3/8: times sqrt(count + 1/2) it has a deviation of 1. #}
{% macro angle_of_share(successes, count) -%}
    (2 * asin(sqrt(greatest(0, least(1, ({{ successes }} + 0.375) / ({{ count }} + 0.75))))))
{%- endmacro %}

{# The share that has this angle, as a rate. #}
{% macro share_of_angle(angle, count) -%}
    greatest(0, least(1, (power(sin(greatest(0, least(pi(), {{ angle }})) / 2), 2) * ({{ count }} + 0.75) - 0.375) / {{ count }}))
{%- endmacro %}

{#
    One row per series and asked day, with NULL scores and a reason where it cannot be told. `series` has, without gaps
    from its first day on: window_key and metric, its key; kind (amount, duration, rate, mean); date_day; total, an exact
    number (NULL where unknown), the sum of the day, for a duration its percentile; observations, what the total is the
    sum of; square_total, the sum of squares, of means alone; min_observations, from how many on a day is measured;
    is_asked.
#}
{% macro scored_days_sql(series) -%}
    {%- set last_week = 'over (partition by series.window_key, series.metric order by series.date_day'
        ~ ' rows between 7 preceding and 1 preceding)' -%}
    with limits as (
        select
            cast({{ setting('anomaly_weeks') }} as bigint) as weeks,
            cast({{ setting('anomaly_rate_weeks') }} as bigint) as rate_weeks,
            cast({{ setting('anomaly_min_history_days') }} as bigint) as min_history_days,
            cast({{ setting('anomaly_min_errors') }} as bigint) as min_errors,
            cast({{ setting('anomaly_z') }} as double) as z,
            cast({{ setting('anomaly_freedom_share') }} as double) as freedom_share,
            cast({{ setting('anomaly_min_spread') }} as double) as min_spread
    ),

    {# Sums of the seven days before each, every weekday once: exact, so that no order of rows changes a digit. -#}
    days as (
        select
            series.*,
            cast(series.total as double) as known_total,
            row_number() over (partition by series.window_key, series.metric order by series.date_day) as day_number,
            cast(sum(series.total) {{ last_week }} as double) as week_total,
            count(series.total) {{ last_week }} as week_days,
            cast(sum(case when series.total is not null then series.observations end) {{ last_week }} as double)
                as week_observations,
            cast(sum(series.square_total) {{ last_week }} as double) as week_square_total
        from {{ series }} as series
    ),

    shares as (
        select
            days.window_key,
            days.metric,
            days.day_number,
            days.known_total * days.week_days / days.week_total as share
        from days
        where
            days.kind in ('amount', 'duration')
            and days.week_days >= 4
            and days.week_total > 0
            and days.known_total is not null
    ),

    usual_shares as (
        select
            days.window_key,
            days.metric,
            days.day_number,
            {{ median('shares.share') }} as usual_share
        from days
        cross join limits
        {{ join_numbers(1, 'limits.weeks', 'steps', 'weeks_back') }}
        inner join shares
            on days.window_key = shares.window_key
            and days.metric = shares.metric
            and days.day_number - 7 * steps.weeks_back = shares.day_number
        group by days.window_key, days.metric, days.day_number
        having count(*) >= 2
    ),

    {# What the level may be and how much each says: days by their usual share, weeks by their observations. -#}
    level_candidates as (
        select
            days.window_key,
            days.metric,
            days.day_number,
            past.known_total / usual_shares.usual_share as candidate,
            cast(round(usual_shares.usual_share, 6) as decimal(38, 6)) as weight,
            steps.days_back as place
        from days
        {{ join_numbers(1, 7, 'steps', 'days_back') }}
        inner join days as past
            on days.window_key = past.window_key
            and days.metric = past.metric
            and days.day_number - steps.days_back = past.day_number
        inner join usual_shares
            on past.window_key = usual_shares.window_key
            and past.metric = usual_shares.metric
            and past.day_number = usual_shares.day_number
        where past.known_total is not null and usual_shares.usual_share > 0

        union all

        select
            days.window_key,
            days.metric,
            days.day_number,
            past.week_total / past.week_observations,
            cast(past.week_observations as decimal(38, 6)),
            steps.weeks_back
        from days
        cross join limits
        {{ join_numbers(0, 'limits.rate_weeks - 1', 'steps', 'weeks_back') }}
        inner join days as past
            on days.window_key = past.window_key
            and days.metric = past.metric
            and days.day_number - 7 * steps.weeks_back = past.day_number
        where days.kind in ('rate', 'mean') and past.week_observations > 0
    ),

    weighed as (
        select
            level_candidates.*,
            sum(level_candidates.weight) over (
                partition by level_candidates.window_key, level_candidates.metric, level_candidates.day_number
                order by level_candidates.candidate, level_candidates.place
                rows between unbounded preceding and current row
            ) as weight_up_to,
            sum(level_candidates.weight) over (
                partition by level_candidates.window_key, level_candidates.metric, level_candidates.day_number
            ) as weight_in_all
        from level_candidates
    ),

    day_levels as (
        select
            weighed.window_key,
            weighed.metric,
            weighed.day_number,
            count(*) as candidate_count,
            (
                min(weighed.candidate) filter (where 2 * weighed.weight_up_to >= weighed.weight_in_all)
                + min(weighed.candidate) filter (where 2 * weighed.weight_up_to > weighed.weight_in_all)
            ) / 2 as day_level
        from weighed
        group by weighed.window_key, weighed.metric, weighed.day_number
    ),

    {# What one observation comes to, and how observations vary: medians of weeks, of which one may be wild. -#}
    observed as (
        select
            days.window_key,
            days.metric,
            days.day_number,
            {{ median('past.week_total / past.week_observations') }} as unit_size,
            sum(past.week_observations) filter (where steps.weeks_back < limits.rate_weeks) as level_observations,
            {{ median(
                'past.week_square_total / past.week_observations - power(past.week_total / past.week_observations, 2)'
            ) }} as variance
        from days
        cross join limits
        {{ join_numbers(0, 'limits.weeks - 1', 'steps', 'weeks_back') }}
        inner join days as past
            on days.window_key = past.window_key
            and days.metric = past.metric
            and days.day_number - 7 * steps.weeks_back = past.day_number
        where past.week_observations > 0
        group by days.window_key, days.metric, days.day_number
    ),

    expectations as (
        select
            days.window_key,
            days.metric,
            days.kind,
            days.date_day,
            days.day_number,
            days.is_asked,
            days.known_total,
            cast(days.observations as double) as observations,
            case days.kind
                when 'rate' then day_levels.day_level * days.observations
                when 'mean' then day_levels.day_level
                else day_levels.day_level * usual_shares.usual_share
            end as expected_total,
            day_levels.day_level,
            case when days.kind = 'amount' and observed.unit_size > 0 then observed.unit_size end as unit_size,
            case when observed.variance > 0 then sqrt(observed.variance) end as deviation,
            observed.level_observations,
            limits.min_spread
        from days
        cross join limits
        inner join day_levels
            on days.window_key = day_levels.window_key
            and days.metric = day_levels.metric
            and days.day_number = day_levels.day_number
        left join usual_shares
            on days.window_key = usual_shares.window_key
            and days.metric = usual_shares.metric
            and days.day_number = usual_shares.day_number
        left join observed
            on days.window_key = observed.window_key
            and days.metric = observed.metric
            and days.day_number = observed.day_number
        where
            days.known_total is not null
            and days.observations >= days.min_observations
            and day_levels.candidate_count >= case when days.kind in ('rate', 'mean') then 2 else 4 end
    ),

    {#
        The error, how the spread of errors grows with the size of the day, and what chance alone spreads it by. The
        spread of a count grows by its root if chance alone is behind it, which the scale of errors takes out; if days as
        a whole differ, by another root. The cube root lies between. A 95th percentile of 200 answers varies by its
        sample about as much as by all else.
    -#}
    errors as (
        select
            expectations.*,
            case expectations.kind
                when 'amount' then
                    2 * sqrt(expectations.known_total / expectations.unit_size + 0.375)
                    - 2 * sqrt(expectations.expected_total / expectations.unit_size + 0.375)
                when 'duration' then
                    ln(nullif(expectations.known_total, 0) / nullif(expectations.expected_total, 0))
                when 'rate' then
                    sqrt(expectations.observations + 0.5) * (
                        {{ angle_of_share('expectations.known_total', 'expectations.observations') }}
                        - {{ angle_of_share('expectations.expected_total', 'expectations.observations') }}
                    )
                when 'mean' then
                    (expectations.known_total / expectations.observations - expectations.day_level)
                    * sqrt(expectations.observations) / expectations.deviation
            end as error,
            case expectations.kind
                when 'amount' then power(1 + expectations.expected_total / expectations.unit_size, 1.0 / 3)
                when 'duration' then sqrt(1 + 200 / expectations.observations)
                when 'rate' then power(1 + expectations.expected_total, 1.0 / 3)
                else 1
            end as size_factor,
            case expectations.kind
                when 'amount' then 1
                when 'duration' then expectations.min_spread
                else sqrt(1 + pi() / 2 * expectations.observations / expectations.level_observations)
            end as chance_spread
        from expectations
    ),

    past_errors as (
        select
            errors.window_key,
            errors.metric,
            errors.day_number,
            count(*) as error_count,
            1.4826 * {{ median('abs(past.error / past.size_factor)') }} as middle_spread,
            {{ percentile_cont('past.error / past.size_factor', 0.95) }} / 1.645 as upper_spread,
            -{{ percentile_cont('past.error / past.size_factor', 0.05) }} / 1.645 as lower_spread
        from errors
        cross join limits
        {{ join_numbers(1, '7 * limits.weeks', 'steps', 'days_back') }}
        inner join errors as past
            on errors.window_key = past.window_key
            and errors.metric = past.metric
            and errors.day_number - steps.days_back = past.day_number
        where errors.is_asked and past.error is not null
        group by errors.window_key, errors.metric, errors.day_number
    ),

    scored as (
        select
            errors.*,
            past_errors.error_count,
            {%- for side in ['upper', 'lower'] %}
            greatest(
                errors.chance_spread,
                errors.size_factor * past_errors.middle_spread,
                errors.size_factor * past_errors.{{ side }}_spread
            ) as {{ side }}_spread,
            {%- endfor %}
            {{ t_quantile('limits.z', '(limits.freedom_share * past_errors.error_count)') }} as score_limit
        from errors
        cross join limits
        inner join past_errors
            on errors.window_key = past_errors.window_key
            and errors.metric = past_errors.metric
            and errors.day_number = past_errors.day_number
        where
            errors.error is not null
            and past_errors.error_count >= limits.min_errors
            and errors.day_number > limits.min_history_days
    ),

    bounds as (
        select
            scored.*,
            scored.score_limit * scored.upper_spread as widest_above,
            scored.score_limit * scored.lower_spread as widest_below,
            {{ angle_of_share('scored.expected_total', 'scored.observations') }} as expected_angle
        from scored
    )

    select
        days.window_key,
        days.metric,
        days.date_day,
        case when days.kind in ('rate', 'mean') then {{ safe_divide('days.known_total', 'days.observations') }}
            else days.known_total
        end as metric_value,
        days.observations,
        case when bounds.kind in ('rate', 'mean') then bounds.day_level else bounds.expected_total end as expected_value,
        {%- for end, (sign, widest) in {'low': ('-', 'widest_below'), 'high': ('+', 'widest_above')}.items() %}
        case bounds.kind
            when 'amount' then
                bounds.unit_size * greatest(
                    0,
                    power(
                        greatest(
                            0,
                            sqrt(bounds.expected_total / bounds.unit_size + 0.375) {{ sign }} bounds.{{ widest }} / 2
                        ),
                        2
                    ) - 0.375
                )
            when 'duration' then bounds.expected_total * exp({{ sign }} bounds.{{ widest }})
            when 'rate' then {{ share_of_angle(
                'bounds.expected_angle ' ~ sign ~ ' bounds.' ~ widest ~ ' / sqrt(bounds.observations + 0.5)',
                'bounds.observations'
            ) }}
            when 'mean' then greatest(
                0,
                bounds.day_level {{ sign }} bounds.{{ widest }} * bounds.deviation / sqrt(bounds.observations)
            )
        end as usual_{{ end }},
        {%- endfor %}
        bounds.error / case when bounds.error > 0 then bounds.upper_spread else bounds.lower_spread end as score,
        bounds.score_limit,
        coalesce(bounds.error_count, 0) as past_day_count,
        days.day_number - 1 as history_days,
        case
            when bounds.error is not null then null
            when days.known_total is null or days.observations < days.min_observations then 'no_value'
            when days.day_number <= limits.min_history_days then 'short_history'
            else 'sparse_history'
        end as reason
    from days
    cross join limits
    left join bounds
        on days.window_key = bounds.window_key
        and days.metric = bounds.metric
        and days.day_number = bounds.day_number
    where days.is_asked
{%- endmacro %}

{#
    One row per series and asked hour with observations. `hours` has the hours with any: window_key, its key; date_day and
    hour_of_day, local; observations and how many of them are errors; history_days, the days since the first; is_asked.

    An hour is expected to err like the median of the weeks before, or like the same hour of the days of those weeks where
    that is more: all of them together without the errors of the worst, since one burst may not excuse the next. The scale of errors is that
    of a rate above; the spread, the 98 % quantile of absolute errors of the hours of those weeks divided by 2.326, is
    taken far out, because most hours of a good service have no error at all. Upwards alone: hours without errors are
    no finding.
#}
{% macro scored_hours_sql(hours) -%}
    with limits as (
        select
            7 * cast({{ setting('anomaly_rate_weeks') }} as bigint) as past_days,
            cast({{ setting('anomaly_burst_min_history_days') }} as bigint) as min_history_days,
            cast({{ setting('anomaly_burst_min_hours') }} as bigint) as min_hours,
            cast({{ setting('anomaly_burst_z') }} as double) as z,
            cast({{ setting('anomaly_freedom_share') }} as double) as freedom_share
    ),

    day_sums as (
        select
            window_key,
            date_day,
            max(history_days) as history_days,
            sum(observations) as observations,
            sum(errors) as errors
        from {{ hours }}
        group by window_key, date_day
    ),

    weekly_rates as (
        select
            day_sums.window_key,
            day_sums.date_day,
            {{ integer_divide('steps.days_back - 1', '7') }} as weeks_back,
            {{ safe_divide('sum(past.errors)', 'sum(past.observations)') }} as rate,
            sum(past.observations) as observations
        from day_sums
        cross join limits
        {{ join_numbers(1, 'limits.past_days', 'steps', 'days_back') }}
        inner join day_sums as past
            on day_sums.window_key = past.window_key
            and {{ date_add_days('day_sums.date_day', '-steps.days_back') }} = past.date_day
        where day_sums.history_days >= limits.min_history_days
        group by day_sums.window_key, day_sums.date_day, {{ integer_divide('steps.days_back - 1', '7') }}
    ),

    usual_rates as (
        select
            window_key,
            date_day,
            {{ median('rate') }} as usual_rate,
            cast(sum(observations) as double) as past_observations
        from weekly_rates
        group by window_key, date_day
        having count(*) >= 2
    ),

    {# The denominator keeps the hour that is left out: one of so many. -#}
    usual_hours as (
        select
            hours.window_key,
            hours.date_day,
            hours.hour_of_day,
            {{ safe_divide('sum(past.errors) - max(past.errors)', 'sum(past.observations)') }} as usual_rate
        from {{ hours }} as hours
        cross join limits
        {{ join_numbers(1, 'limits.past_days', 'steps', 'days_back') }}
        inner join {{ hours }} as past
            on hours.window_key = past.window_key
            and hours.hour_of_day = past.hour_of_day
            and {{ date_add_days('hours.date_day', '-steps.days_back') }} = past.date_day
        where hours.history_days >= limits.min_history_days
        group by hours.window_key, hours.date_day, hours.hour_of_day
    ),

    expectations as (
        select
            hours.window_key,
            hours.date_day,
            hours.hour_of_day,
            hours.is_asked,
            cast(hours.observations as double) as observations,
            cast(hours.errors as double) as errors,
            greatest(usual_rates.usual_rate, coalesce(usual_hours.usual_rate, 0)) as expected_rate,
            usual_rates.past_observations
        from {{ hours }} as hours
        inner join usual_rates
            on hours.window_key = usual_rates.window_key
            and hours.date_day = usual_rates.date_day
        left join usual_hours
            on hours.window_key = usual_hours.window_key
            and hours.date_day = usual_hours.date_day
            and hours.hour_of_day = usual_hours.hour_of_day
    ),

    measured as (
        select
            expectations.*,
            sqrt(expectations.observations + 0.5) * (
                {{ angle_of_share('expectations.errors', 'expectations.observations') }}
                - {{ angle_of_share('expectations.observations * expectations.expected_rate', 'expectations.observations') }}
            ) as error,
            power(1 + expectations.observations * expectations.expected_rate, 1.0 / 3) as size_factor
        from expectations
    ),

    asked_dates as (
        select distinct
            window_key,
            date_day
        from measured
        where is_asked
    ),

    past_errors as (
        select
            asked_dates.window_key,
            asked_dates.date_day,
            count(*) as error_count,
            {{ percentile_cont('abs(past.error / past.size_factor)', 0.98) }} / 2.326 as spread
        from asked_dates
        cross join limits
        {{ join_numbers(1, 'limits.past_days', 'steps', 'days_back') }}
        inner join measured as past
            on asked_dates.window_key = past.window_key
            and {{ date_add_days('asked_dates.date_day', '-steps.days_back') }} = past.date_day
        group by asked_dates.window_key, asked_dates.date_day
    ),

    scored as (
        select
            measured.*,
            measured.error / greatest(
                sqrt(1 + pi() / 2 * measured.observations / measured.past_observations),
                past_errors.spread * measured.size_factor
            ) as score,
            {{ t_quantile('limits.z', '(limits.freedom_share * past_errors.error_count)') }} as score_limit
        from measured
        cross join limits
        inner join past_errors
            on measured.window_key = past_errors.window_key
            and measured.date_day = past_errors.date_day
            and past_errors.error_count >= limits.min_hours
        where measured.is_asked
    )

    select
        hours.window_key,
        hours.date_day,
        hours.hour_of_day,
        hours.history_days,
        hours.observations,
        hours.errors,
        scored.expected_rate,
        scored.score,
        scored.score_limit
    from {{ hours }} as hours
    left join scored
        on hours.window_key = scored.window_key
        and hours.date_day = scored.date_day
        and hours.hour_of_day = scored.hour_of_day
    where hours.is_asked
{%- endmacro %}
