{#
    What usage will cost and come to, from what it was. Every figure looks ahead from the end of the window's last
    complete local day; the window says how many days a daily mean is over.

    Belongs here: projections, run rates and the forecast by weekday. Does not belong here: what usage costs (domain/pricing.sql)
    and formulas of textbooks (domain/statistics.sql).

    Nothing is projected from under `forecast_min_history_days` days since the scope's first usage. A day without usage
    is a zero; a day whose usage has no price is unknown and left out.
#}

{# The window with the day that a forecast starts on, its forecast_from. #}
{% macro forecast_spans(windows) -%}
    select
        windows.window_key,
        windows.scope_kind,
        windows.scope_key,
        windows.source_name,
        windows.agent_key,
        windows.time_zone,
        windows.start_local,
        {{ local_date('windows.end_at', 'windows.time_zone') }} as forecast_from
    from {{ windows }} as windows
{%- endmacro %}

{# Tokens and cost by window of `spans` and local day, from the scope's first usage on. #}
{% macro usage_days_before_forecast(windows) -%}
    history_windows as (
        select
            spans.*,
            timestamp '1900-01-01 00:00:00' as start_at,
            {{ to_utc_timestamp('spans.forecast_from', 'spans.time_zone') }} as end_at
        from spans
    ),

    valued_usage as (
        select usage_records.*
        from {{ in_currency_of_windows(ref('fct_llm_calls'), windows) }} as usage_records
    ),

    usage_rows as (
        {{ local_rows_in_windows('valued_usage', 'used_at', 'history_windows') }}
    ),

    usage_days as (
        {{ token_measures('usage_rows', ['window_key', 'local_date']) }}
    )
{%- endmacro %}

{# The value, NULL where too few days are behind it to look ahead from. #}
{% macro if_enough_history(value, days='measured.history_days') -%}
    case when least(measured.history_days, {{ days }}) >= measured.min_history_days then {{ value }} end
{%- endmacro %}

{#
    An end of the range of a total over `coming_month_days` days from the mean of `count` days: mean x days -/+
    t x s x sqrt(days + days^2 / count), the prediction interval of a sum of independent days. Never below zero.
#}
{% macro range_of_total(mean, variance, count, sign) -%}
    greatest(
        0,
        {{ mean }} * measured.coming_month_days
        {{ sign }} {{ t_quantile('measured.range_z', 'nullif(' ~ count ~ ' - 1, 0)') }}
        * sqrt(
            {{ variance }} * (measured.coming_month_days + power(measured.coming_month_days, 2) / nullif({{ count }}, 0))
        )
    )
{%- endmacro %}


{#
    One row per window: the last week against the one before and the month it makes (FL-060..062), the mean day and the
    coming month (AG-102), and the month so far against its budget (DI-083).
#}
{% macro usage_forecast_sql(windows) -%}
    with spans as (
        {{ forecast_spans(windows) }}
    ),

    {{ usage_days_before_forecast(windows) }},

    dated as (
        select
            spans.*,
            {{ date_of_trunc('month', date_add_days('spans.forecast_from', -1)) }} as month_start,
            {{ date_add_months(date_of_trunc('month', date_add_days('spans.forecast_from', -1)), 1) }} as coming_month
        from spans
    ),

    histories as (
        select
            dated.window_key,
            {%- set weeks = {
                'weekly': (date_add_days('dated.forecast_from', -7), 'dated.forecast_from'),
                'previous_weekly': (date_add_days('dated.forecast_from', -14), date_add_days('dated.forecast_from', -7)),
                'month_to_date': ('dated.month_start', 'dated.forecast_from'),
            } -%}
            {%- for name, (first_day, end_day) in weeks.items() %}
            {%- set condition = 'usage_days.local_date >= ' ~ first_day ~ ' and usage_days.local_date < ' ~ end_day %}
            {{ integer_sum('usage_days.total_tokens', where=condition) }} as {{ name }}_tokens,
            case
                when count(usage_days.local_date) filter (where {{ condition }}) = 0 then 0
                else sum(usage_days.cost_usd) filter (where {{ condition }})
            end as {{ name }}_cost_usd,
            {%- endfor %}
            coalesce(max({{ days_between('usage_days.local_date', 'dated.forecast_from') }}), 0) as history_days
        from dated
        left join usage_days
            on dated.window_key = usage_days.window_key
        group by dated.window_key
    ),

    mean_days as (
        select
            dated.window_key,
            coalesce(usage_days.total_tokens, 0) as total_tokens,
            case when usage_days.window_key is null then 0 else usage_days.cost_usd end as cost_usd
        from dated
        {{ join_dates('dated.start_local', 'dated.forecast_from', 'days') }}
        left join usage_days
            on dated.window_key = usage_days.window_key
            and days.date_day = usage_days.local_date
    ),

    {# Whole tokens, and whole millionths of money: their squares add up exactly. -#}
    scaled_days as (
        select
            window_key,
            cast(total_tokens as decimal(18, 0)) as tokens,
            cast(round(cost_usd * 1000000) as decimal(18, 0)) as micros
        from mean_days
    ),

    {# A square has twice the digits: that of 1,000 USD in micros has no place in 18. -#}
    means as (
        select
            window_key,
            {%- for value in ['tokens', 'micros'] %}
            count({{ value }}) as {{ value }}_days,
            {{ safe_divide('sum(' ~ value ~ ')', 'count(' ~ value ~ ')') }} as mean_{{ value }},
            {{ sample_variance(
                'count(' ~ value ~ ')', 'sum(' ~ value ~ ')', 'sum(cast(' ~ value ~ ' as decimal(38, 0)) * ' ~ value ~ ')'
            ) }} as variance_{{ value }}{{ "," if not loop.last }}
            {%- endfor %}
        from scaled_days
        group by window_key
    ),

    {# A tenant's use of an agent is not held against what everybody may spend on that agent. -#}
    budgets as (
        select
            dated.window_key,
            sum(budgets.amount_usd) as budget_usd
        from dated
        inner join {{ in_currency_of_windows(
            ref('dim_budgets'), windows, columns=['amount_usd'], date_column='month_start'
        ) }} as budgets
            on dated.month_start = budgets.month_start
            and (dated.source_name is null or dated.source_name = budgets.source_name)
            and (
                (
                    dated.agent_key is null
                    and dated.scope_kind = budgets.scope_kind
                    and dated.scope_key = budgets.scope_key
                )
                or (
                    dated.agent_key is not null
                    and dated.scope_kind <> 'tenant'
                    and budgets.scope_kind = 'agent'
                    and dated.agent_key = budgets.scope_key
                )
            )
        group by dated.window_key
    ),

    {# Read once: each use in a formula would be a query of its own. -#}
    levels as (
        select
            {{ setting('forecast_min_history_days') }} as min_history_days,
            cast({{ setting('forecast_range_z') }} as double) as range_z
    ),

    measured as (
        select
            dated.window_key,
            dated.forecast_from,
            dated.month_start,
            dated.coming_month,
            {{ days_between('dated.month_start', 'dated.coming_month') }} as month_days,
            {{ days_between('dated.month_start', 'dated.forecast_from') }} as month_elapsed_days,
            {{ days_between('dated.coming_month', date_add_months('dated.coming_month', 1)) }} as coming_month_days,
            histories.history_days,
            histories.weekly_cost_usd,
            histories.previous_weekly_cost_usd,
            histories.weekly_tokens,
            histories.previous_weekly_tokens,
            histories.month_to_date_cost_usd,
            means.tokens_days,
            means.mean_tokens,
            means.variance_tokens,
            means.micros_days,
            means.mean_micros,
            means.variance_micros,
            budgets.budget_usd,
            levels.min_history_days,
            levels.range_z
        from dated
        cross join levels
        inner join histories
            on dated.window_key = histories.window_key
        left join means
            on dated.window_key = means.window_key
        left join budgets
            on dated.window_key = budgets.window_key
    ),

    projected as (
        select
            measured.*,
            {{ if_enough_history(safe_divide_money('measured.weekly_cost_usd * 52', '12')) }} as projected_monthly_cost_usd,
            {{ if_enough_history(safe_divide_money('measured.weekly_cost_usd * measured.month_days', '7')) }}
                as projected_month_by_days_cost_usd,
            {%- for value in ['cost_usd', 'tokens'] %}
            {{ if_enough_history(safe_divide(
                'measured.weekly_' ~ value ~ ' - measured.previous_weekly_' ~ value, 'measured.previous_weekly_' ~ value
            )) }} as weekly_{{ value.removesuffix('_usd') }}_change,
            {%- endfor %}
            {%- for value in ['tokens', 'micros'] %}
            {%- set days = 'measured.' ~ value ~ '_days' %}
            {{ if_enough_history('measured.mean_' ~ value ~ ' * measured.coming_month_days', days) }}
                as coming_month_{{ value }},
            {%- for end, sign in {'low': '-', 'high': '+'}.items() %}
            {{ if_enough_history(
                range_of_total('measured.mean_' ~ value, 'measured.variance_' ~ value, days, sign), days
            ) }} as coming_month_{{ value }}_{{ end }},
            {%- endfor %}
            {%- endfor %}
            {{ if_enough_history(safe_divide_money(
                'measured.month_to_date_cost_usd * measured.month_days', 'measured.month_elapsed_days'
            )) }} as run_rate_month_cost_usd
        from measured
    )

    select
        projected.window_key,
        projected.forecast_from,
        cast(projected.history_days as bigint) as history_days,
        {%- for value in ['weekly_cost_usd', 'previous_weekly_cost_usd'] %}
        cast(projected.{{ value }} as decimal(38, 12)) as {{ value }},
        {%- endfor %}
        projected.weekly_cost_change,
        projected.weekly_tokens,
        projected.previous_weekly_tokens,
        projected.weekly_tokens_change,
        projected.projected_monthly_cost_usd,
        projected.projected_month_by_days_cost_usd,
        {{ safe_divide_money('projected.mean_micros', '1000000') }} as avg_daily_cost_usd,
        projected.mean_tokens as avg_daily_tokens,
        projected.coming_month,
        cast(projected.coming_month_days as bigint) as coming_month_days,
        projected.coming_month_tokens,
        projected.coming_month_tokens_low,
        projected.coming_month_tokens_high,
        {{ safe_divide_money('projected.coming_month_micros', '1000000') }} as coming_month_cost_usd,
        {{ safe_divide_money('projected.coming_month_micros_low', '1000000') }} as coming_month_cost_usd_low,
        {{ safe_divide_money('projected.coming_month_micros_high', '1000000') }} as coming_month_cost_usd_high,
        projected.month_start,
        cast(projected.month_days as bigint) as month_days,
        cast(projected.month_elapsed_days as bigint) as month_elapsed_days,
        cast(projected.month_to_date_cost_usd as decimal(38, 12)) as month_to_date_cost_usd,
        projected.run_rate_month_cost_usd,
        cast(projected.budget_usd as decimal(38, 12)) as budget_usd,
        {{ safe_divide('projected.month_to_date_cost_usd', 'projected.budget_usd') }} as budget_utilization,
        {{ safe_divide('projected.run_rate_month_cost_usd', 'projected.budget_usd') }} as projected_budget_utilization
    from projected
{%- endmacro %}


{#
    One row per window and coming day: the mean of the same weekday over the last `forecast_weeks` weeks, and the range
    that `forecast_level` of such forecasts held. The range is that of the errors that the same rule made for every day
    of those weeks from as far ahead, without the day itself: the order statistics of split conformal prediction (J. Lei
    and others, Distribution-free predictive inference for regression, JASA 113 (2018) 1094-1111), which need no shape
    of the errors and widen where there are few. A lead with under a week of errors takes those of the first.

    Days before the scope's first usage are no part of the history. No row from under `forecast_min_history_days`.
#}
{% macro usage_forecast_daily_sql(windows) -%}
    with spans as (
        {{ forecast_spans(windows) }}
    ),

    {{ usage_days_before_forecast(windows) }},

    levels as (
        select
            cast({{ setting('forecast_min_history_days') }} as bigint) as min_history_days,
            cast({{ setting('forecast_horizon_days') }} as bigint) as horizon_days,
            cast({{ setting('forecast_weeks') }} as bigint) as weeks,
            cast({{ setting('forecast_level') }} as double) as level
    ),

    first_days as (
        select
            usage_days.window_key,
            min(usage_days.local_date) as first_day
        from usage_days
        group by usage_days.window_key
    ),

    histories as (
        select
            spans.window_key,
            spans.forecast_from,
            first_days.first_day,
            levels.horizon_days,
            levels.weeks,
            levels.level
        from spans
        inner join first_days
            on spans.window_key = first_days.window_key
        cross join levels
        where {{ days_between('first_days.first_day', 'spans.forecast_from') }} >= levels.min_history_days
    ),

    {# Whole tokens, and whole millionths of money: they add up exactly. -#}
    history_days as (
        select
            histories.window_key,
            days.date_day,
            cast(coalesce(usage_days.total_tokens, 0) as decimal(18, 0)) as tokens,
            cast(
                round(case when usage_days.window_key is null then 0 else usage_days.cost_usd end * 1000000) as decimal(18, 0)
            ) as micros
        from histories
        {{ join_dates('histories.first_day', 'histories.forecast_from', 'days') }}
        left join usage_days
            on histories.window_key = usage_days.window_key
            and days.date_day = usage_days.local_date
    ),

    measured_days as (
        select window_key, date_day, 'tokens' as measure, tokens as value from history_days
        union all
        select window_key, date_day, 'micros', micros from history_days where micros is not null
    ),

    {# How many weeks lie between a day and the last of its weekday that was known. -#}
    leads as (
        select
            histories.window_key,
            leads.lead_weeks
        from histories
        {{ join_numbers(1, integer_divide('histories.horizon_days + 6', '7'), 'leads', 'lead_weeks') }}
    ),

    coming_days as (
        select
            histories.window_key,
            steps.days_ahead,
            {{ date_add_days('histories.forecast_from', 'steps.days_ahead - 1') }} as date_day,
            {{ integer_divide('steps.days_ahead + 6', '7') }} as lead_weeks
        from histories
        {{ join_numbers(1, 'histories.horizon_days', 'steps', 'days_ahead') }}
    ),

    targets as (
        select window_key, date_day, lead_weeks from coming_days
        union all
        select
            history_days.window_key,
            history_days.date_day,
            leads.lead_weeks
        from history_days
        inner join histories
            on history_days.window_key = histories.window_key
            and history_days.date_day >= {{ date_add_days('histories.forecast_from', '-7 * histories.weeks') }}
        inner join leads
            on history_days.window_key = leads.window_key
    ),

    weekday_means as (
        select
            targets.window_key,
            targets.date_day,
            targets.lead_weeks,
            measured_days.measure,
            {{ safe_divide('sum(measured_days.value)', 'count(*)') }} as mean_value
        from targets
        inner join histories
            on targets.window_key = histories.window_key
        {{ join_numbers('targets.lead_weeks', 'targets.lead_weeks + histories.weeks - 1', 'weeks', 'weeks_back') }}
        inner join measured_days
            on targets.window_key = measured_days.window_key
            and {{ date_add_days('targets.date_day', '-7 * weeks.weeks_back') }} = measured_days.date_day
        group by targets.window_key, targets.date_day, targets.lead_weeks, measured_days.measure
    ),

    errors as (
        select
            weekday_means.window_key,
            weekday_means.lead_weeks,
            weekday_means.measure,
            cast(measured_days.value as double) - weekday_means.mean_value as error,
            row_number() over (
                partition by weekday_means.window_key, weekday_means.lead_weeks, weekday_means.measure
                order by cast(measured_days.value as double) - weekday_means.mean_value, weekday_means.date_day
            ) as place,
            count(*) over (
                partition by weekday_means.window_key, weekday_means.lead_weeks, weekday_means.measure
            ) as error_count
        from weekday_means
        inner join measured_days
            on weekday_means.window_key = measured_days.window_key
            and weekday_means.date_day = measured_days.date_day
            and weekday_means.measure = measured_days.measure
    ),

    {# A range holds its own forecast, also where all errors lie on one side. -#}
    bounds as (
        select
            errors.window_key,
            errors.lead_weeks,
            errors.measure,
            max(errors.error_count) as error_count,
            least(0, max(errors.error) filter (
                where errors.place = greatest(1, floor(round((errors.error_count + 1) * (1 - histories.level) / 2, 6)))
            )) as lower_error,
            greatest(0, max(errors.error) filter (
                where errors.place = least(
                    errors.error_count, ceil(round((errors.error_count + 1) * (1 + histories.level) / 2, 6))
                )
            )) as upper_error
        from errors
        inner join histories
            on errors.window_key = histories.window_key
        group by errors.window_key, errors.lead_weeks, errors.measure
    ),

    forecasts as (
        select
            coming_days.window_key,
            coming_days.date_day,
            coming_days.days_ahead,
            weekday_means.measure,
            weekday_means.mean_value,
            case when own.error_count >= 7 then own.lower_error else first_lead.lower_error end as lower_error,
            case when own.error_count >= 7 then own.upper_error else first_lead.upper_error end as upper_error
        from coming_days
        inner join weekday_means
            on coming_days.window_key = weekday_means.window_key
            and coming_days.date_day = weekday_means.date_day
            and coming_days.lead_weeks = weekday_means.lead_weeks
        left join bounds as own
            on weekday_means.window_key = own.window_key
            and weekday_means.lead_weeks = own.lead_weeks
            and weekday_means.measure = own.measure
        left join bounds as first_lead
            on weekday_means.window_key = first_lead.window_key
            and first_lead.lead_weeks = 1
            and weekday_means.measure = first_lead.measure
    ),

    {# No day uses or costs less than nothing. -#}
    pivoted as (
        select
            window_key,
            date_day,
            days_ahead,
            {%- for measure in ['tokens', 'micros'] %}
            max(mean_value) filter (where measure = '{{ measure }}') as {{ measure }},
            max(case when mean_value + lower_error < 0 then 0 else mean_value + lower_error end)
                filter (where measure = '{{ measure }}') as {{ measure }}_low,
            max(case when mean_value + upper_error < 0 then 0 else mean_value + upper_error end)
                filter (where measure = '{{ measure }}') as {{ measure }}_high{{ "," if not loop.last }}
            {%- endfor %}
        from forecasts
        group by window_key, date_day, days_ahead
    )

    select
        pivoted.window_key,
        pivoted.date_day,
        cast(pivoted.days_ahead as bigint) as days_ahead,
        pivoted.tokens as forecast_tokens,
        pivoted.tokens_low as forecast_tokens_low,
        pivoted.tokens_high as forecast_tokens_high,
        {{ safe_divide_money('pivoted.micros', '1000000') }} as forecast_cost_usd,
        {{ safe_divide_money('pivoted.micros_low', '1000000') }} as forecast_cost_usd_low,
        {{ safe_divide_money('pivoted.micros_high', '1000000') }} as forecast_cost_usd_high
    from pivoted
{%- endmacro %}
