{{ config(materialized='incremental', incremental_strategy='replace_dates') }}

with install_events as (
    select *
    from {{ ref('stg_agent_events') }}
    where
        {{ in_pending_dates('event_date') }}
        and event_type in ('install', 'uninstall')
),

final as (
    select
        install_events.event_key as install_event_key,
        install_events.source_name,
        install_events.event_date,
        install_events.event_at as happened_at,
        install_events.agent_key,
        agents.agent_type_key,
        install_events.tenant_key,
        install_events.publisher_key,
        install_events.event_id,
        install_events.event_type as event_kind
    from install_events
    left join {{ ref('dim_agents_history') }} as agents
        on {{ agent_valid_at('agents', 'install_events.agent_key', 'install_events.event_at') }}
)

select * from final
