{#
    The measures of usage by any keys: those that macros/measures define, and percentiles. Every macro
    aggregates rows that `rows_in_windows` chose by the given keys, so a window, a day of it, an hour
    of the day, an agent or a model get the same formula. The caller picks the columns it shows; the
    engine computes no others.
#}

{#
    Of agent messages: rows of fct_invocations. Errored ones carry time too and count in averages
    (D-05).
#}
{% macro invocation_measures(rows, keys) -%}
    {%- set percentiles = {'p50': 0.5, 'p95': 0.95, 'p99': 0.99} %}
    select
        {{ keys | join(', ') }},
        {{ measure_columns('fct_invocations') }},
        {%- for name, fraction in percentiles.items() %}
        {{ percentile_cont('duration_ms', fraction, fractions=percentiles.values() | list) }}
            as {{ name }}_response_time_ms,
        {%- endfor %}
        {{ percentile_cont('duration_ms', 0.95, where='is_completed') }} as p95_completed_duration_ms
    from {{ rows }}
    group by {{ keys | join(', ') }}
{%- endmacro %}

{# Of users' messages: rows of fct_user_messages (D-14). #}
{% macro user_message_measures(rows, keys) -%}
    select
        {{ keys | join(', ') }},
        {{ measure_columns('fct_user_messages') }},
        count(distinct tenant_key) as messaging_tenants
    from {{ rows }}
    group by {{ keys | join(', ') }}
{%- endmacro %}

{#
    Of tokens and money: rows of fct_llm_calls that have an owner (D-03). A cost that no record
    states and no price covers is unknown, so the cost of records that are all unpriced is NULL
    and not 0 (D-04).
#}
{% macro token_measures(rows, keys) -%}
    select
        {{ keys | join(', ') }},
        {{ measure_columns('fct_llm_calls') }},
        count(distinct tenant_key) as spending_tenants
    from {{ rows }}
    {{ rows_measured('fct_llm_calls') }}
    group by {{ keys | join(', ') }}
{%- endmacro %}

{# Of sessions: rows of fct_sessions, which belong to their start (X-22). #}
{% macro session_measures(rows, keys) -%}
    select
        {{ keys | join(', ') }},
        {{ measure_columns('fct_sessions') }},
        {{ median('duration_s') }} as median_session_duration_s,
        count(distinct tenant_key) as session_tenants
    from {{ rows }}
    group by {{ keys | join(', ') }}
{%- endmacro %}

{# Select list: counts of a left-joined relation of measures, 0 where it has no row. #}
{% macro counts_or_zero(columns, relation) -%}
    {%- for column in columns %}
        coalesce({{ relation }}.{{ column }}, 0) as {{ column }}{{ "," if not loop.last }}
    {%- endfor %}
{%- endmacro %}

{#
    Money of a left-joined relation of measures: 0 where nothing was used, NULL where use could
    not be priced.
#}
{% macro cost_or_zero(relation) -%}
    case when {{ relation }}.window_key is null then 0 else {{ relation }}.cost_usd end
{%- endmacro %}

{# Messages of agents and of users, from the joined relations agent_messages and user_messages. #}
{% macro all_messages() -%}
    {{ total_of('messages', {
        'agent_messages': 'coalesce(agent_messages.agent_messages, 0)',
        'user_messages': 'coalesce(user_messages.user_messages, 0)',
    }) }}
{%- endmacro %}

{# The token columns that every breakdown shows, in their order. #}
{% macro token_columns() -%}
    {{ return([
        'input_tokens',
        'output_tokens',
        'total_tokens',
        'cache_read_tokens',
        'cache_write_tokens',
        'reasoning_tokens',
    ]) }}
{%- endmacro %}

{#
    One row per window and local date in it: window_key, date_day, dau, wau, mau. A user is active
    on a date by a user message; WAU and MAU look back 7 and 30 local dates, before the window's
    start where they must.

    Each user-day keeps its user counted until 1, 7 or 30 dates later or until the user's next
    day, whichever comes first; the number of users on a date is then a running sum of changes.
    That touches each user-day twice, where joining days to the dates they reach would touch it 30
    times.
#}
{% macro active_users_by_day(windows) -%}
    with windows_of_users as (
        {{ windows_with_reach(windows) }}
    ),

    reaching_windows as (
        {{ reaches_of('windows_of_users', days_before=29) }}
    ),

    message_rows as (
        {{ local_rows_in_windows(ref('fct_user_messages'), 'sent_at', 'reaching_windows') }}
    ),

    user_days as (
        select distinct
            window_key,
            user_key,
            local_date
        from message_rows
    ),

    {#
        Anonymous messages count as no user here. A filter of message_rows would leave them out, too, but DuckDB takes it to
        leave a fifth of the rows: then it hashes the messages of all windows and not the few quarters of an hour that they
        are joined to: 9.7 million rows of ten million events.
    -#}
    user_spans as (
        select
            window_key,
            local_date,
            case when user_key is null then 0 else 1 end as user_count,
            lead(local_date) over (partition by window_key, user_key order by local_date) as next_date
        from user_days
    ),

    changes as (
        select
            window_key,
            local_date as date_day,
            user_count as day_users,
            user_count as week_change,
            user_count as month_change
        from user_spans
        union all
        select
            window_key,
            least({{ date_add_days('local_date', 7) }}, coalesce(next_date, {{ date_add_days('local_date', 7) }})),
            0,
            -user_count,
            0
        from user_spans
        union all
        select
            window_key,
            least({{ date_add_days('local_date', 30) }}, coalesce(next_date, {{ date_add_days('local_date', 30) }})),
            0,
            0,
            -user_count
        from user_spans
    ),

    changes_by_day as (
        select
            window_key,
            date_day,
            sum(day_users) as day_users,
            sum(week_change) as week_change,
            sum(month_change) as month_change
        from changes
        group by window_key, date_day
    ),

    reach_days as (
        select
            reaching_windows.window_key,
            days.date_day
        from reaching_windows
        {{ join_dates('reaching_windows.start_local', 'reaching_windows.end_local', 'days') }}
    ),

    running as (
        select
            reach_days.window_key,
            reach_days.date_day,
            coalesce(changes_by_day.day_users, 0) as dau,
            sum(coalesce(changes_by_day.week_change, 0)) over (
                partition by reach_days.window_key order by reach_days.date_day
                rows between unbounded preceding and current row
            ) as wau,
            sum(coalesce(changes_by_day.month_change, 0)) over (
                partition by reach_days.window_key order by reach_days.date_day
                rows between unbounded preceding and current row
            ) as mau
        from reach_days
        left join changes_by_day
            on reach_days.window_key = changes_by_day.window_key
            and reach_days.date_day = changes_by_day.date_day
    )

    select
        windows_of_users.window_key,
        running.date_day,
        cast(running.dau as bigint) as dau,
        cast(running.wau as bigint) as wau,
        cast(running.mau as bigint) as mau
    from windows_of_users
    inner join running
        on windows_of_users.reach_key = running.window_key
        and running.date_day >= windows_of_users.start_local
        and running.date_day < windows_of_users.end_local
{%- endmacro %}
