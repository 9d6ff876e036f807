{#
    Measurements of the rules about days that are out of the ordinary for their weekday, and hours in which errors burst.

    Belongs here: what of those marts a rule compares. Does not belong here: what is out of the ordinary
    (macros/domain/anomalies.sql).

    The days are those of the marts, whatever the window: the last 30 before the as-of day. A window that has none of them
    measures nothing.
#}

{#
    The CTE `unusual_days`, the measurements of the rules whose metric is day_above_usual or day_below_usual: how far a
    day of the rule's second metric is above or below what was to be expected, as a share of how far a usual day goes. So
    a new one is a new row. A day that was not judged has no value, and a sample of none, so that it says nothing.

    Of messages and users the sample is what was to be expected where that is more: a day without any is not too small.
#}
{% macro insight_unusual_days() -%}
    unusual_days as (
        select
            rule_windows.window_key,
            rules.rule_id,
            cast(null as {{ dbt.type_string() }}) as subject_key,
            case when rules.metric = 'day_above_usual' then 1 else -1 end * days.score / days.score_limit as value,
            days.metric_value as second_value,
            days.expected_value as third_value,
            days.expected_value as baseline,
            case
                when days.is_anomaly is null then 0
                when days.metric in ('messages', 'dau')
                    then greatest(days.observation_count, cast(round(days.expected_value) as bigint))
                else days.observation_count
            end as sample_size,
            days.day_start_at as evidence_start,
            days.day_end_at as evidence_end,
            {{ format_date('days.date_day') }} as detail
        from rule_windows
        inner join rules
            on rule_windows.rule_id = rules.rule_id
            and rules.metric in ('day_above_usual', 'day_below_usual')
        inner join {{ ref('daily_anomalies') }} as days
            on rule_windows.scope_kind = days.scope_kind
            and rule_windows.scope_id = days.scope_id
            and rule_windows.source_name is not distinct from days.source_name
            and rule_windows.agent_key is null
            and rules.second_metric = days.metric
            and days.day_start_at >= rule_windows.start_at
            and days.day_end_at <= rule_windows.end_at
    )
{%- endmacro %}

{# The CTE `error_hours`: the worst burst of each day, 0 where a judged day has none. #}
{% macro insight_error_hours() -%}
    error_hours as (
        select
            rule_windows.window_key,
            rule_windows.rule_id,
            cast(null as {{ dbt.type_string() }}) as subject_key,
            case
                when days.burst_hour_count > 0 then days.burst_score / days.score_limit
                when days.evaluated_hour_count > 0 then 0
            end as value,
            days.burst_error_rate as second_value,
            days.usual_error_rate as third_value,
            days.usual_error_rate as baseline,
            case
                when days.burst_hour_count > 0 then days.burst_agent_messages
                when days.evaluated_hour_count > 0 then days.agent_messages
                else 0
            end as sample_size,
            coalesce(days.burst_start_at, days.day_start_at) as evidence_start,
            coalesce(days.burst_end_at, days.day_end_at) as evidence_end,
            {{ format_minute(to_local_timestamp('days.burst_start_at', 'days.time_zone')) }}
            || ' (' || days.time_zone || ')' as detail
        from rule_windows
        inner join {{ ref('error_bursts') }} as days
            on rule_windows.rule_id = 'error_burst'
            and rule_windows.scope_kind = days.scope_kind
            and rule_windows.scope_id = days.scope_id
            and rule_windows.source_name is not distinct from days.source_name
            and rule_windows.agent_key is null
            and days.day_start_at >= rule_windows.start_at
            and days.day_end_at <= rule_windows.end_at
    )
{%- endmacro %}
