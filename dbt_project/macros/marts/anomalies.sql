{#
    Days that are out of the ordinary for their weekday, and hours in which errors burst. Every closed local day that lies
    within the window is looked at, whatever the window; one that cannot be judged says so.

    Belongs here: which metrics are watched, their series, and what an anomaly means. Does not belong here: what is
    expected of a day and how far it may go (domain/anomalies.sql).

    What a day is held against reaches as far back as the judgement of a day does, never to the start of the window, so
    that a day has the same figures in every window.
#}

{#
    What is watched, keys of the metric catalogue: the kind of series (domain/anomalies.sql) and the columns of
    `watched_days` that it is made of.
#}
{% macro watched_metrics() -%}
    {{ return([
        {'metric': 'messages', 'kind': 'amount', 'total': 'messages', 'observations': 'messages'},
        {'metric': 'dau', 'kind': 'amount', 'total': 'dau', 'observations': 'dau'},
        {'metric': 'total_tokens', 'kind': 'amount', 'total': 'total_tokens', 'observations': 'usage_count'},
        {'metric': 'cost_usd', 'kind': 'amount', 'total': 'cost_usd', 'observations': 'usage_count'},
        {
            'metric': 'message_error_rate',
            'kind': 'rate',
            'total': 'errored_count',
            'observations': 'agent_messages',
            'min_observations': 1,
        },
        {
            'metric': 'p95_response_time_ms',
            'kind': 'duration',
            'total': 'p95_response_time_ms',
            'observations': 'response_time_count',
            'min_observations': 'p95_min_observations',
        },
        {
            'metric': 'average_rating',
            'kind': 'mean',
            'total': 'rating_total',
            'observations': 'feedback_count',
            'square_total': 'rating_square_total',
            'min_observations': 'anomaly_min_ratings',
        },
    ]) }}
{%- endmacro %}

{#
    The CTEs `asked_days`, one row per window and local day that lies within it, and `watched_windows`, the windows with
    the span that their days are judged from: `days_back` before the first of them, but not before the scope was first
    used. An expression, `days_back` may name `limits`.
#}
{% macro watched_spans(windows, days_back) -%}
    window_days as (
        select
            windows.window_key,
            windows.start_at,
            windows.end_at,
            days.date_day,
            {{ to_utc_timestamp('days.date_day', 'windows.time_zone') }} as day_start_at,
            {{ to_utc_timestamp(date_add_days('days.date_day', 1), 'windows.time_zone') }} as day_end_at
        from {{ windows }} as windows
        {{ join_dates('windows.start_local', 'windows.end_local', 'days') }}
    ),

    {# A day that is not over is no day: by noon it would be a drop. -#}
    asked_days as (
        select
            window_key,
            date_day,
            day_start_at,
            day_end_at
        from window_days
        where day_start_at >= start_at and day_end_at <= end_at
    ),

    first_uses as (
        {%- for fact, used_at in {
            'fct_invocations': 'responded_at', 'fct_user_messages': 'sent_at', 'fct_llm_calls': 'used_at'
        }.items() %}
        select
            source_name,
            agent_key,
            tenant_key,
            publisher_key,
            min({{ used_at }}) as first_used_at
        from {{ ref(fact) }}
        {%- if fact == 'fct_llm_calls' %}
        where has_owner
        {%- endif %}
        group by source_name, agent_key, tenant_key, publisher_key
        {{ "union all" if not loop.last }}
        {%- endfor %}
    ),

    spans_of_days as (
        select
            asked_days.window_key,
            {{ date_add_days('min(asked_days.date_day)', '-max(limits.days_back)') }} as from_local,
            {{ date_add_days('max(asked_days.date_day)', 1) }} as end_local,
            max(asked_days.day_end_at) as end_at
        from asked_days
        cross join (select {{ days_back }} as days_back) as limits
        group by asked_days.window_key
    ),

    unbounded_windows as (
        select
            windows.window_key,
            windows.scope_kind,
            windows.scope_key,
            windows.source_name,
            windows.agent_key,
            windows.time_zone,
            timestamp '1900-01-01 00:00:00' as start_at,
            spans_of_days.end_at
        from {{ windows }} as windows
        inner join spans_of_days
            on windows.window_key = spans_of_days.window_key
    ),

    first_used as (
        select
            window_key,
            window_time_zone,
            min(first_used_at) as first_used_at
        from (
            {{ rows_in_windows('first_uses', 'first_used_at', 'unbounded_windows') }}
        ) as uses
        group by window_key, window_time_zone
    ),

    watched_windows as (
        select
            unbounded_windows.window_key,
            unbounded_windows.scope_kind,
            unbounded_windows.scope_key,
            unbounded_windows.source_name,
            unbounded_windows.agent_key,
            unbounded_windows.time_zone,
            greatest(
                spans_of_days.from_local, {{ local_date('first_used.first_used_at', 'first_used.window_time_zone') }}
            ) as start_local,
            spans_of_days.end_local,
            {{ to_utc_timestamp('spans_of_days.from_local', 'unbounded_windows.time_zone') }} as start_at,
            spans_of_days.end_at
        from unbounded_windows
        inner join spans_of_days
            on unbounded_windows.window_key = spans_of_days.window_key
        inner join first_used
            on unbounded_windows.window_key = first_used.window_key
    )
{%- endmacro %}


{#
    One row per window, metric and closed local day within the window: the value, what the weekday was to be, and whether
    the day is out of the ordinary.
#}
{% macro daily_anomalies_sql(windows) -%}
    {%- set day = ['window_key', 'local_date'] -%}
    {#
        A day is judged by the errors of the weeks before it, the first of which is told from shares of the weekday of
        another so many weeks, and each share takes the week before its day; so does the level.
    -#}
    with {{ watched_spans(windows, days_back='7 * (2 * cast(' ~ setting('anomaly_weeks') ~ ' as bigint) + 2)') }},

    valued_usage as (
        select usage_records.*
        from {{ in_currency_of_windows(ref('fct_llm_calls'), windows) }} as usage_records
    ),

    invocation_rows as (
        {{ local_rows_in_windows(ref('fct_invocations'), 'responded_at', 'watched_windows') }}
    ),

    message_rows as (
        {{ local_rows_in_windows(ref('fct_user_messages'), 'sent_at', 'watched_windows') }}
    ),

    token_rows as (
        {{ local_rows_in_windows('valued_usage', 'used_at', 'watched_windows') }}
    ),

    rating_rows as (
        {{ local_rows_in_windows(ref('fct_feedback'), 'rated_at', 'watched_windows') }}
    ),

    agent_messages as (
        {{ invocation_measures('invocation_rows', day) }}
    ),

    user_messages as (
        {{ user_message_measures('message_rows', day) }}
    ),

    tokens as (
        {{ token_measures('token_rows', day) }}
    ),

    ratings as (
        select
            window_key,
            local_date,
            count(*) as feedback_count,
            sum(rating) as rating_total,
            sum(rating * rating) as rating_square_total
        from rating_rows
        group by window_key, local_date
    ),

    day_limits as (
        select
            {{ setting('p95_min_observations') }} as p95_min_observations,
            {{ setting('anomaly_min_ratings') }} as anomaly_min_ratings
    ),

    watched_days as (
        select
            watched_windows.window_key,
            days.date_day,
            asked_days.window_key is not null as is_asked,
            day_limits.p95_min_observations,
            day_limits.anomaly_min_ratings,
            {{ all_messages() }} as messages,
            coalesce(user_messages.active_users, 0) as dau,
            {{ counts_or_zero(['usage_count', 'total_tokens'], 'tokens') }},
            {{ cost_or_zero('tokens') }} as cost_usd,
            {{ counts_or_zero(['errored_count', 'agent_messages', 'response_time_count'], 'agent_messages') }},
            case
                when agent_messages.response_time_count >= day_limits.p95_min_observations
                    then agent_messages.p95_response_time_ms
            end as p95_response_time_ms,
            {{ counts_or_zero(['feedback_count', 'rating_total', 'rating_square_total'], 'ratings') }}
        from watched_windows
        cross join day_limits
        {{ join_dates('watched_windows.start_local', 'watched_windows.end_local', 'days') }}
        left join asked_days
            on watched_windows.window_key = asked_days.window_key
            and days.date_day = asked_days.date_day
        left join agent_messages
            on watched_windows.window_key = agent_messages.window_key
            and days.date_day = agent_messages.local_date
        left join user_messages
            on watched_windows.window_key = user_messages.window_key
            and days.date_day = user_messages.local_date
        left join tokens
            on watched_windows.window_key = tokens.window_key
            and days.date_day = tokens.local_date
        left join ratings
            on watched_windows.window_key = ratings.window_key
            and days.date_day = ratings.local_date
    ),

    series as (
        {%- for watched in watched_metrics() %}
        select
            window_key,
            '{{ watched.metric }}' as metric,
            '{{ watched.kind }}' as kind,
            date_day,
            cast({{ watched.total }} as decimal(38, 12)) as total,
            cast({{ watched.observations }} as bigint) as observations,
            cast({{ watched.square_total or 'null' }} as decimal(38, 12)) as square_total,
            cast({{ watched.min_observations or 0 }} as bigint) as min_observations,
            is_asked
        from watched_days
        {{ "union all" if not loop.last }}
        {%- endfor %}
    ),

    scored_days as (
        {{ scored_days_sql('series') }}
    ),

    judged as (
        select
            scored_days.*,
            asked_days.day_start_at,
            asked_days.day_end_at,
            catalogue.higher_is_better,
            abs(scored_days.score) > scored_days.score_limit as is_anomaly
        from scored_days
        inner join asked_days
            on scored_days.window_key = asked_days.window_key
            and scored_days.date_day = asked_days.date_day
        inner join {{ ref('metric_catalogue') }} as catalogue
            on scored_days.metric = catalogue.metric_key
    )

    select
        window_key,
        metric,
        date_day,
        metric_value,
        observations as observation_count,
        expected_value,
        usual_low,
        usual_high,
        score,
        score_limit,
        past_day_count,
        history_days,
        case when is_anomaly then 'unusual' when not is_anomaly then 'usual' else 'not_evaluated' end as day_status,
        reason as not_evaluated_reason,
        is_anomaly,
        case when is_anomaly then case when score > 0 then 'spike' else 'drop' end end as direction,
        case
            when is_anomaly and higher_is_better is not null
                then case when (score > 0) = higher_is_better then 'improving' else 'worsening' end
        end as assessment,
        day_start_at,
        day_end_at
    from judged
{%- endmacro %}


{#
    One row per window and closed local day within it: whether errors burst in an hour of the day, and in which most. What
    an hour is held against is in domain/anomalies.sql.
#}
{% macro error_bursts_sql(windows) -%}
    with {{ watched_spans(windows, days_back='14 * cast(' ~ setting('anomaly_rate_weeks') ~ ' as bigint)') }},

    invocation_rows as (
        {{ local_rows_in_windows(ref('fct_invocations'), 'responded_at', 'watched_windows') }}
    ),

    answering_hours as (
        {{ invocation_measures('invocation_rows', ['window_key', 'local_date', 'local_hour']) }}
    ),

    first_days as (
        select
            window_key,
            min(local_date) as first_day
        from answering_hours
        group by window_key
    ),

    hours as (
        select
            answering_hours.window_key,
            answering_hours.local_date as date_day,
            answering_hours.local_hour as hour_of_day,
            answering_hours.agent_messages as observations,
            answering_hours.errored_count as errors,
            {{ days_between('first_days.first_day', 'answering_hours.local_date') }} as history_days,
            asked_days.window_key is not null as is_asked
        from answering_hours
        inner join first_days
            on answering_hours.window_key = first_days.window_key
        left join asked_days
            on answering_hours.window_key = asked_days.window_key
            and answering_hours.local_date = asked_days.date_day
    ),

    scored_hours as (
        {{ scored_hours_sql('hours') }}
    ),

    judged as (
        select
            scored_hours.*,
            scored_hours.score > scored_hours.score_limit
            and scored_hours.errors >= limits.burst_min_errors as is_burst
        from scored_hours
        cross join (
            select {{ setting('anomaly_burst_min_errors') }} as burst_min_errors
        ) as limits
    ),

    ranked as (
        select
            judged.*,
            row_number() over (
                partition by judged.window_key, judged.date_day
                order by judged.is_burst desc nulls last, judged.score desc nulls last, judged.hour_of_day
            ) as place
        from judged
    ),

    days as (
        select
            window_key,
            date_day,
            sum(observations) as agent_messages,
            sum(errors) as errored_count,
            max(history_days) as history_days,
            count(score) as evaluated_hour_count,
            count(*) filter (where is_burst) as burst_hour_count
        from ranked
        group by window_key, date_day
    )

    select
        asked_days.window_key,
        asked_days.date_day,
        cast(coalesce(days.agent_messages, 0) as bigint) as agent_messages,
        cast(coalesce(days.errored_count, 0) as bigint) as errored_count,
        coalesce(days.evaluated_hour_count, 0) as evaluated_hour_count,
        coalesce(days.burst_hour_count, 0) as burst_hour_count,
        bursts.hour_of_day as burst_hour_of_day,
        bursts.errors as burst_errored_count,
        bursts.observations as burst_agent_messages,
        {{ safe_divide('bursts.errors', 'bursts.observations') }} as burst_error_rate,
        bursts.expected_rate as usual_error_rate,
        bursts.score as burst_score,
        bursts.score_limit,
        {{ to_utc_timestamp(
            hour_of_date('asked_days.date_day', 'bursts.hour_of_day'), 'watched_windows.time_zone'
        ) }} as burst_start_at,
        {{ to_utc_timestamp(
            hour_of_date('asked_days.date_day', 'bursts.hour_of_day + 1'), 'watched_windows.time_zone'
        ) }} as burst_end_at,
        case
            when days.burst_hour_count > 0 then 'unusual'
            when days.evaluated_hour_count > 0 then 'usual'
            else 'not_evaluated'
        end as day_status,
        case
            when days.evaluated_hour_count > 0 then null
            when coalesce(days.agent_messages, 0) = 0 then 'no_value'
            when days.history_days < history_limits.min_history_days then 'short_history'
            else 'sparse_history'
        end as not_evaluated_reason,
        asked_days.day_start_at,
        asked_days.day_end_at
    from asked_days
    cross join (
        select {{ setting('anomaly_burst_min_history_days') }} as min_history_days
    ) as history_limits
    left join watched_windows
        on asked_days.window_key = watched_windows.window_key
    left join days
        on asked_days.window_key = days.window_key
        and asked_days.date_day = days.date_day
    left join ranked as bursts
        on asked_days.window_key = bursts.window_key
        and asked_days.date_day = bursts.date_day
        and bursts.place = 1
        and bursts.is_burst
{%- endmacro %}

{# The wall time of an hour of a date; 24 is the next midnight. #}
{% macro hour_of_date(date, hour) -%}
    {{ timestamp_add_seconds('cast(' ~ date ~ ' as timestamp)', 'cast(3600 * (' ~ hour ~ ') as bigint)') }}
{%- endmacro %}
