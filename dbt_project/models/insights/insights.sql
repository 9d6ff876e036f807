with current_windows as (
    select * from {{ ref('dim_windows') }}
    where not is_previous
),

-- A rule may look for single events in all of time: they stay findings after their month has gone.
history_windows as (
    select
        case
            when scope_kind = 'platform' then scope_kind
            else scope_kind || ':' || scope_key
        end || '/history' as window_key,
        scope_kind,
        scope_id,
        source_name,
        scope_key,
        agent_key,
        time_zone,
        'history' as window_kind,
        is_previous,
        cast(null as date) as start_local,
        end_local,
        timestamp '1900-01-01 00:00:00' as start_at,
        end_at,
        is_partial
    from current_windows
    where window_kind = '7d'
),

windows as (
    select
        window_key,
        scope_kind,
        scope_id,
        source_name,
        scope_key,
        agent_key,
        time_zone,
        window_kind,
        is_previous,
        start_local,
        end_local,
        start_at,
        end_at,
        is_partial
    from current_windows
    union all
    select * from history_windows
),

{{ joined_to_windows(insight_findings_sql('windows', from_marts=true)) }}

select * from final
