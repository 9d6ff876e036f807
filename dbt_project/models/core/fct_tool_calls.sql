{{ config(materialized='incremental', incremental_strategy='replace_dates') }}

with agent_events as (
    select *
    from {{ ref('stg_agent_events') }}
    where {{ in_pending_dates('event_date') }}
),

tool_events as (
    select
        agent_events.event_key as tool_call_key,
        case when agent_events.event_type = 'tool_called' then 'called' else 'failed' end
            as record_kind,
        agent_events.source_name,
        agent_events.event_date,
        agent_events.event_at as called_at,
        agent_events.agent_key,
        agent_events.tenant_key,
        agent_events.publisher_key,
        agent_events.tool_name,
        agent_events.tool_call_id,
        agent_events.invocation_key,
        agent_events.task_key,
        agent_events.duration_ms,
        agent_events.error_type,
        false as is_listed_completed
    from agent_events
    where agent_events.event_type in ('tool_called', 'tool_failed')
),

listed_tools as (
    select
        agent_events.event_key || ':' || cast(tools.tool_position as {{ dbt.type_string() }})
            as tool_call_key,
        'listed' as record_kind,
        agent_events.source_name,
        agent_events.event_date,
        agent_events.event_at as called_at,
        agent_events.agent_key,
        agent_events.tenant_key,
        agent_events.publisher_key,
        tools.tool_name,
        cast(null as {{ dbt.type_string() }}) as tool_call_id,
        agent_events.invocation_key,
        agent_events.task_key,
        cast(null as bigint) as duration_ms,
        cast(null as {{ dbt.type_string() }}) as error_type,
        agent_events.event_type = 'agent_completed' as is_listed_completed
    from agent_events
    {{ join_list('agent_events.tool_calls', 'tools', 'tool_name', 'tool_position') }}
    where
        agent_events.event_type in ('agent_completed', 'agent_errored')
        and tools.tool_name is not null
),

tool_records as (
    select * from tool_events
    union all
    select * from listed_tools
),

counted as (
    select
        tool_records.*,
        sum(case when tool_records.record_kind = 'called' then 1 else 0 end) over tool_days
            as called_count,
        sum(case when tool_records.record_kind = 'failed' then 1 else 0 end) over tool_days
            as failed_count,
        sum(case when tool_records.record_kind = 'listed' then 1 else 0 end) over tool_days
            as listed_count
    from tool_records
    window tool_days as (
        partition by tool_records.agent_key, tool_records.tool_name, tool_records.event_date
    )
),

-- What stands for an attempt on the agent's day with this tool (D-20). Lists count only where
-- nothing better does and they cover the failures; failures that outnumber the calls show that
-- successes alone were sent as calls.
based as (
    select
        counted.*,
        case
            when counted.called_count = 0 and counted.listed_count >= counted.failed_count
                then 'listed'
            when counted.failed_count > counted.called_count then 'called and failed'
            else 'called'
        end as attempt_basis
    from counted
),

final as (
    select
        based.tool_call_key,
        based.record_kind,
        based.source_name,
        based.event_date,
        based.called_at,
        based.agent_key,
        agents.agent_type_key,
        based.tenant_key,
        based.publisher_key,
        based.tool_name,
        based.tool_call_id,
        based.invocation_key,
        based.task_key,
        based.duration_ms,
        based.error_type,
        case
            when based.record_kind = 'called' and based.attempt_basis <> 'listed' then 1
            when based.record_kind = 'failed' and based.attempt_basis = 'called and failed' then 1
            when based.record_kind = 'listed' and based.attempt_basis = 'listed' then 1
            else 0
        end as attempt_count,
        case when based.record_kind = 'failed' then 1 else 0 end as failure_count,
        case when based.record_kind = 'listed' then 1 else 0 end as listed_count,
        based.is_listed_completed
    from based
    left join {{ ref('dim_agents_history') }} as agents
        on {{ agent_valid_at('agents', 'based.agent_key', 'based.called_at') }}
)

select * from final
