{{ config(materialized='incremental', incremental_strategy='replace_dates') }}

with requests as (
    select *
    from {{ ref('stg_agent_events') }}
    where
        {{ in_pending_dates('event_date') }}
        and event_type = 'agent_invoked'
),

final as (
    select
        requests.event_key as user_message_key,
        requests.source_name,
        requests.event_date,
        requests.event_at as sent_at,
        requests.agent_key,
        agents.agent_type_key,
        requests.tenant_key,
        requests.publisher_key,
        requests.event_id,
        requests.invocation_key,
        requests.conversation_key,
        requests.session_id,
        requests.task_key,
        requests.user_key
    from requests
    left join {{ ref('dim_agents_history') }} as agents
        on {{ agent_valid_at('agents', 'requests.agent_key', 'requests.event_at') }}
)

select * from final
