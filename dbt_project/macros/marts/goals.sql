{#
    What figures should be and whether they are: goals, targets and budgets (FL-016..036, FL-118..122, DI-083).

    Belongs here: which goal holds for a scope, how far a figure is from it, and what a month has left of its budget. Does
    not belong here: any metric: a value is what its own summary says of the window.
#}

{# Every summary that the metric catalogue names. A mart reads those that are marts themselves. #}
{% macro goal_value_summaries(windows, from_marts=false) -%}
    {%- set summaries = {
        'usage_summary': usage_summary_sql(windows),
        'response_summary': response_summary_sql(windows),
        'health_summary': health_summary_sql(windows),
        'tool_summary': tool_summary_sql(windows),
        'quality_summary': quality_summary_sql(windows),
        'value_summary': value_summary_sql(windows),
        'task_summary': task_summary_sql(windows),
        'revenue_summary': revenue_summary_sql(windows),
        'adoption_summary': adoption_summary_sql(windows),
        'compliance_summary': compliance_summary_sql(windows),
        'feedback_summary': feedback_summary_sql(windows),
        'open_invocations': open_invocations_sql(windows),
    } -%}
    {%- set no_marts = ['response_summary', 'tool_summary', 'open_invocations'] -%}
    {%- for name in summaries if from_marts and name not in no_marts -%}
        {%- do summaries.update({name: 'select marts.* from ' ~ ref(name) ~ ' as marts'}) -%}
    {%- endfor -%}
    {{ return(summaries) }}
{%- endmacro %}

{#
    Whether a row of goals or budgets is the window's: of its scope, or of the one agent it is narrowed to. A tenant's use
    of an agent is not held against what is meant for everybody's.
#}
{% macro is_meant_for_window(plans, windows) -%}
    (
        ({{ windows }}.source_name is null or {{ windows }}.source_name = {{ plans }}.source_name)
        and (
            (
                {{ windows }}.agent_key is null
                and {{ windows }}.scope_kind = {{ plans }}.scope_kind
                and {{ windows }}.scope_key = {{ plans }}.scope_key
            )
            or (
                {{ windows }}.agent_key is not null
                and {{ windows }}.scope_kind <> 'tenant'
                and {{ plans }}.scope_kind = 'agent'
                and {{ windows }}.agent_key = {{ plans }}.scope_key
            )
        )
    )
{%- endmacro %}


{#
    One row per window and metric with a goal. A goal that the scope set wins over the default one, and that over the
    target of the metric; of several sources' for the platform, the latest. A default compares as its row says (strict or
    not), a goal of one's own is met when it is reached. Near is within `goal_near_share` of the goal.

    Attainment is the value divided by the goal, or the goal divided by the value where less is better.
#}
{% macro goals_sql(windows, from_marts=false) -%}
    with metric_values as (
        {%- for summary, summary_sql in goal_value_summaries(windows, from_marts).items() %}
        select
            '{{ summary }}' as summary_name,
            summary_values.*
        from ({{ values_by_name('(' ~ summary_sql ~ ')', 'window_key') }}) as summary_values
        {{ "union all" if not loop.last }}
        {%- endfor %}
    ),

    candidates as (
        select
            windows.window_key,
            'goal' as set_by,
            1 as precedence,
            goals.metric,
            cast(null as {{ dbt.type_string() }}) as comparison,
            cast(goals.target as decimal(38, 12)) as target,
            goals.updated_at,
            goals.goal_key
        from {{ windows }} as windows
        inner join {{ ref('dim_goals') }} as goals
            on {{ is_meant_for_window('goals', 'windows') }}
        union all
        select
            windows.window_key,
            'default',
            2,
            defaults.metric,
            defaults.comparison,
            defaults.target,
            null,
            defaults.metric
        from {{ windows }} as windows
        inner join {{ ref('default_goals') }} as defaults
            on windows.agent_key is null
            and (defaults.scope_kind = 'any' or windows.scope_kind = defaults.scope_kind)
        union all
        select
            windows.window_key,
            'target',
            3,
            targets.metric,
            targets.comparison,
            targets.target,
            null,
            targets.metric
        from {{ windows }} as windows
        cross join {{ ref('targets') }} as targets
    ),

    ranked as (
        select
            candidates.*,
            row_number() over (
                partition by candidates.window_key, candidates.metric
                order by candidates.precedence asc, candidates.updated_at desc, candidates.goal_key asc
            ) as goal_rank
        from candidates
    ),

    valued as (
        select
            windows.window_key,
            ranked.set_by,
            ranked.metric,
            catalogue.label as metric_label,
            catalogue.unit,
            coalesce(
                ranked.comparison,
                case when catalogue.higher_is_better then '>=' when not catalogue.higher_is_better then '<=' end
            ) as comparison,
            ranked.target,
            case when catalogue.unit = 'USD' then ranked.target end as target_usd,
            cast({{ timestamp_add_seconds('windows.end_at', -1) }} as date) as last_date,
            {{ try_cast('metric_values.metric_value', 'decimal(38, 12)') }} as metric_value
        from ranked
        inner join {{ windows }} as windows
            on ranked.window_key = windows.window_key
            and ranked.goal_rank = 1
        inner join {{ ref('metric_catalogue') }} as catalogue
            on ranked.metric = catalogue.metric_key
        left join metric_values
            on ranked.window_key = metric_values.window_key
            and catalogue.summary = metric_values.summary_name
            and catalogue.summary_column = metric_values.metric_name
    ),

    {# A goal of money is in USD; the value is in the currency asked for. -#}
    aimed as (
        select
            aims.window_key,
            aims.set_by,
            aims.metric,
            aims.metric_label,
            aims.unit,
            aims.comparison,
            cast(case when aims.unit = 'USD' then aims.target_usd else aims.target end as decimal(38, 12)) as target,
            aims.metric_value
        from {{ in_currency_of_windows('valued', windows, ['target_usd'], 'last_date') }} as aims
    ),

    levels as (
        select {{ setting('goal_near_share') }} as near_share
    ),

    measured as (
        select
            aimed.*,
            case
                when aimed.comparison in ('>', '>=') then {{ safe_divide('aimed.metric_value', 'aimed.target') }}
                else {{ safe_divide('aimed.target', 'aimed.metric_value') }}
            end as attainment,
            case aimed.comparison
                when '>' then aimed.metric_value > aimed.target
                when '>=' then aimed.metric_value >= aimed.target
                when '<' then aimed.metric_value < aimed.target
                when '<=' then aimed.metric_value <= aimed.target
            end as is_met,
            abs(aimed.metric_value - aimed.target) <= abs(aimed.target) * levels.near_share as is_near
        from aimed
        cross join levels
    )

    select
        measured.window_key,
        measured.metric,
        measured.metric_label,
        measured.unit as metric_unit,
        measured.set_by,
        measured.comparison,
        measured.target as goal_target,
        measured.metric_value,
        case when measured.comparison is not null then measured.attainment end as goal_attainment,
        case
            when measured.metric_value is null or measured.target is null then 'no_data'
            when measured.comparison is null then 'no_direction'
            when measured.is_met then 'met'
            when measured.is_near then 'near'
            else 'missed'
        end as goal_status
    from measured
{%- endmacro %}


{#
    One row per window and calendar month that it reaches into and that has a budget: spent until the end of the window in
    local days of the month, what that share of the month makes of the whole, and what is left. As in any projection
    (forecast.sql), a month that is not over is carried on from `forecast_min_history_days` of usage on.
#}
{% macro budgets_sql(windows) -%}
    with reached_months as (
        select distinct
            windows.window_key as asked_window_key,
            windows.scope_kind,
            windows.scope_key,
            windows.source_name,
            windows.agent_key,
            windows.time_zone,
            {{ local_date('windows.end_at', 'windows.time_zone') }} as window_end_on,
            {{ date_of_trunc('month', 'days.date_day') }} as month_start
        from {{ windows }} as windows
        {{ join_dates('windows.start_local', 'windows.end_local', 'days') }}
    ),

    planned as (
        select
            reached_months.asked_window_key,
            reached_months.month_start,
            sum(plans.amount_usd) as month_budget_usd
        from reached_months
        inner join {{ in_currency_of_windows(
            ref('dim_budgets'), windows, columns=['amount_usd'], date_column='month_start'
        ) }} as plans
            on reached_months.month_start = plans.month_start
            and {{ is_meant_for_window('plans', 'reached_months') }}
        group by reached_months.asked_window_key, reached_months.month_start
    ),

    {# Whole days alone: a part of one would pass for a day without much use. -#}
    budget_spans as (
        select
            reached_months.*,
            planned.month_budget_usd,
            {{ date_add_months('reached_months.month_start', 1) }} as next_month,
            greatest(
                reached_months.month_start,
                least(reached_months.window_end_on, {{ date_add_months('reached_months.month_start', 1) }})
            ) as spent_until
        from reached_months
        inner join planned
            on reached_months.asked_window_key = planned.asked_window_key
            and reached_months.month_start = planned.month_start
    ),

    budget_windows as (
        select
            budget_spans.*,
            budget_spans.asked_window_key || '|' || {{ format_month('budget_spans.month_start') }} as window_key,
            {{ to_utc_timestamp('budget_spans.month_start', 'budget_spans.time_zone') }} as start_at,
            {{ to_utc_timestamp('budget_spans.spent_until', 'budget_spans.time_zone') }} as end_at
        from budget_spans
    ),

    valued_usage as (
        select usage_records.*
        from {{ in_currency_of_windows(ref('fct_llm_calls'), windows) }} as usage_records
    ),

    usage_rows as (
        {{ rows_in_windows('valued_usage', 'used_at', 'budget_windows') }}
    ),

    spent as (
        select
            usage_rows.window_key,
            sum(usage_rows.cost_usd) as month_spent_usd
        from usage_rows
        where usage_rows.has_owner
        group by usage_rows.window_key
    ),

    first_uses as (
        select
            source_name,
            agent_key,
            tenant_key,
            publisher_key,
            min(used_at) as first_used_at
        from {{ ref('fct_llm_calls') }}
        where has_owner
        group by source_name, agent_key, tenant_key, publisher_key
    ),

    history_windows as (
        select
            budget_spans.*,
            budget_spans.asked_window_key || '|' || {{ format_month('budget_spans.month_start') }} as window_key,
            timestamp '1900-01-01 00:00:00' as start_at,
            {{ to_utc_timestamp('budget_spans.spent_until', 'budget_spans.time_zone') }} as end_at
        from budget_spans
    ),

    first_used as (
        select
            uses.window_key,
            min({{ local_date('uses.first_used_at', 'uses.window_time_zone') }}) as first_day
        from (
            {{ rows_in_windows('first_uses', 'first_used_at', 'history_windows') }}
        ) as uses
        group by uses.window_key
    ),

    levels as (
        select {{ setting('forecast_min_history_days') }} as min_history_days
    ),

    measured as (
        select
            budget_windows.asked_window_key,
            budget_windows.month_start,
            budget_windows.month_budget_usd,
            {{ days_between('budget_windows.month_start', 'budget_windows.next_month') }} as month_days,
            {{ days_between('budget_windows.month_start', 'budget_windows.spent_until') }} as month_elapsed_days,
            case when spent.window_key is null then 0 else spent.month_spent_usd end as month_spent_usd,
            budget_windows.spent_until = budget_windows.next_month
            or coalesce(
                {{ days_between('first_used.first_day', 'budget_windows.spent_until') }} >= levels.min_history_days, false
            ) as is_projected
        from budget_windows
        cross join levels
        left join spent
            on budget_windows.window_key = spent.window_key
        left join first_used
            on budget_windows.window_key = first_used.window_key
    ),

    projected as (
        select
            measured.*,
            case
                when measured.is_projected then {{ safe_divide_money(
                    'cast(measured.month_spent_usd as double) * measured.month_days', 'measured.month_elapsed_days'
                ) }}
            end as month_run_rate_usd
        from measured
    )

    select
        projected.asked_window_key as window_key,
        projected.month_start,
        cast(projected.month_days as bigint) as month_days,
        cast(projected.month_elapsed_days as bigint) as month_elapsed_days,
        cast(projected.month_budget_usd as decimal(38, 12)) as month_budget_usd,
        cast(projected.month_spent_usd as decimal(38, 12)) as month_spent_usd,
        cast(projected.month_budget_usd - projected.month_spent_usd as decimal(38, 12)) as month_left_usd,
        {{ safe_divide('projected.month_spent_usd', 'projected.month_budget_usd') }} as month_budget_utilization,
        projected.month_run_rate_usd,
        case
            when projected.month_spent_usd is null or projected.month_budget_usd is null then 'no_data'
            when projected.month_spent_usd > projected.month_budget_usd then 'over'
            when projected.month_run_rate_usd > projected.month_budget_usd then 'at_risk'
            else 'within'
        end as budget_status
    from projected
{%- endmacro %}
