with windows as (
    select * from {{ ref('dim_windows') }}
),

heads as (
    select
        windows.*,
        windows_before.start_local as previous_start_local
    from windows
    left join windows as windows_before
        on windows.previous_window_key = windows_before.window_key
    where not windows.is_previous
),

-- A rule may look for single events in all of time: they stay findings after their month has gone.
scopes as (
    select * from heads
    where window_kind = '7d'
),

history_windows as (
    select
        case
            when scopes.scope_kind = 'platform' then scopes.scope_kind
            else scopes.scope_kind || ':' || scopes.scope_key
        end || '/history' as window_key,
        scopes.scope_kind,
        scopes.scope_id,
        scopes.source_name,
        scopes.scope_key,
        scopes.agent_key,
        scopes.time_zone,
        scopes.end_local,
        scopes.end_at,
        scopes.is_partial
    from scopes
),

-- One step more than is judged: the oldest is compared with the one before it.
steps as (
    select
        'past_week' as window_kind,
        numbers.number as steps_back,
        numbers.number < counts.step_count as is_evaluated
    from (
        select {{ setting('insight_past_weeks') }} as step_count
    ) as counts
    {{ join_numbers(0, 'counts.step_count', 'numbers') }}
    union all
    select
        'past_month' as window_kind,
        numbers.number as steps_back,
        numbers.number < counts.step_count as is_evaluated
    from (
        select {{ setting('insight_past_months') }} as step_count
    ) as counts
    {{ join_numbers(0, 'counts.step_count', 'numbers') }}
),

today as (
    select
        scopes.*,
        {{ date_of_trunc('week', 'scopes.end_local') }} as this_monday,
        {{ date_of_trunc('month', 'scopes.end_local') }} as first_of_month
    from scopes
),

dated as (
    select
        today.scope_kind,
        today.scope_id,
        today.source_name,
        today.scope_key,
        today.agent_key,
        today.time_zone,
        steps.window_kind,
        steps.steps_back,
        steps.is_evaluated,
        case
            when today.scope_kind = 'platform' then today.scope_kind
            else today.scope_kind || ':' || today.scope_key
        end || '/' || steps.window_kind || '/' as key_prefix,
        case steps.window_kind
            when 'past_week'
                then {{ date_add_days('today.this_monday', '-7 * (steps.steps_back + 1)') }}
            else {{ date_add_months('today.first_of_month', '-(steps.steps_back + 1)') }}
        end as start_local,
        case steps.window_kind
            when 'past_week' then {{ date_add_days('today.this_monday', '-7 * steps.steps_back') }}
            else {{ date_add_months('today.first_of_month', '-steps.steps_back') }}
        end as end_local,
        case steps.window_kind
            when 'past_week'
                then {{ date_add_days('today.this_monday', '-7 * (steps.steps_back + 2)') }}
            else {{ date_add_months('today.first_of_month', '-(steps.steps_back + 2)') }}
        end as previous_start_local
    from today
    cross join steps
),

final as (
    select
        heads.window_key,
        heads.previous_window_key,
        heads.previous_start_local,
        heads.scope_kind,
        heads.scope_id,
        heads.source_name,
        heads.scope_key,
        heads.agent_key,
        heads.time_zone,
        heads.window_kind,
        cast(null as bigint) as steps_back,
        true as is_evaluated,
        heads.is_previous,
        heads.start_local,
        heads.end_local,
        heads.start_at,
        heads.end_at,
        heads.is_partial
    from heads

    union all

    select
        history_windows.window_key,
        cast(null as {{ dbt.type_string() }}) as previous_window_key,
        cast(null as date) as previous_start_local,
        history_windows.scope_kind,
        history_windows.scope_id,
        history_windows.source_name,
        history_windows.scope_key,
        history_windows.agent_key,
        history_windows.time_zone,
        'history' as window_kind,
        cast(null as bigint) as steps_back,
        true as is_evaluated,
        false as is_previous,
        cast(null as date) as start_local,
        history_windows.end_local,
        timestamp '1900-01-01 00:00:00' as start_at,
        history_windows.end_at,
        history_windows.is_partial
    from history_windows

    union all

    select
        dated.key_prefix || {{ format_date('dated.start_local') }} as window_key,
        dated.key_prefix || {{ format_date('dated.previous_start_local') }} as previous_window_key,
        dated.previous_start_local,
        dated.scope_kind,
        dated.scope_id,
        dated.source_name,
        dated.scope_key,
        dated.agent_key,
        dated.time_zone,
        dated.window_kind,
        dated.steps_back,
        dated.is_evaluated,
        true as is_previous,
        dated.start_local,
        dated.end_local,
        {{ to_utc_timestamp('dated.start_local', 'dated.time_zone') }} as start_at,
        {{ to_utc_timestamp('dated.end_local', 'dated.time_zone') }} as end_at,
        false as is_partial
    from dated
)

select * from final
