{{ config(materialized='table') }}

{#
    Reads the landed copies, not staging: what must be rebuilt is every day a changed row stood on or may stand on, and
    staging shows only where it stands now.
#}
{%- set terminal_types = "('agent_completed', 'agent_errored')" -%}
{%- set invocation_types = "('agent_invoked', 'agent_completed', 'agent_errored')" -%}
{%- set agent_events = source('raw', 'agent_events') -%}
{%- set llm_calls = source('raw', 'llm_calls') -%}
{%- set tasks = source('raw', 'tasks') -%}

{#- A full build replaces every date; closing the dates would only cost time. The sources keep their place in the graph. -#}
{%- if execute and should_full_refresh() %}
select
    cast(null as {{ dbt.type_string() }}) as fact_name,
    cast(null as date) as event_date
where false
{%- else %}
with pending_loads as (
    select distinct loads.load_id
    from {{ ref('stg_loads') }} as loads
    where loads.is_pending
),

{{ changes_of_stream(
    'agent_event', agent_events, ['id'],
    ['id', 'event_type', 'timestamp', 'agent_id', 'invocation_id', 'task_id', 'duration_ms'],
) }},

{{ changes_of_stream('llm_call', llm_calls, ['llm_call_id'], ['invocation_id']) }},

{{ changes_of_stream('audit', source('raw', 'audit_events'), ['audit_id'], ['agent_id']) }},

{{ changes_of_stream('quality_score', source('raw', 'quality_scores'), ['score_id'], ['agent_id']) }},

{{ changes_of_stream('charge', source('raw', 'charges'), ['charge_id'], ['agent_id']) }},

{{ changes_of_stream('provider_bill', source('raw', 'provider_bills'), ['bill_id'], ['provider']) }},

{{ changes_of_stream('deployment', source('raw', 'deployments'), ['deployment_id'], ['agent_id']) }},

{{ changes_of_stream(
    'instance_sample', source('raw', 'instance_samples'), ['agent_type_id', 'tenant_id', 'timestamp'], ['timestamp'],
) }},

{{ changes_of_stream('health_sample', source('raw', 'health_samples'), ['service', 'timestamp'], ['service']) }},

{{ changes_of_stream('task', tasks, ['task_id'], ['task_id', 'status', 'ended_at', 'updated_at']) }},

{{ changes_of_stream('agent', source('raw', 'agents'), ['agent_id'], ['agent_id', 'updated_at', 'load_id', 'row_hash']) }},

-- A new agent row changes the agent's type and publisher from its updated_at on. Where no published row is
-- older, it also changes what holds before the first row, which is all of the past.
agent_spans as (
    select
        agent_changes.source_name,
        agent_changes.agent_id,
        min(agent_changes.updated_at) filter (where pending_loads.load_id is not null) as first_pending_at,
        min(agent_changes.updated_at) filter (where pending_loads.load_id is null) as first_published_at
    from agent_changes
    left join pending_loads on agent_changes.load_id = pending_loads.load_id
    group by
        agent_changes.source_name,
        agent_changes.agent_id
),

-- An agent without any row takes the publisher that all its events name; a first or second name changes that.
named_publishers as (
    {%- for relation in [agent_events, source('raw', 'charges')] %}
    select
        copies.source_name,
        copies.agent_id,
        copies.publisher_id,
        pending_loads.load_id is not null as is_pending
    from {{ relation }} as copies
    left join pending_loads on copies.load_id = pending_loads.load_id
    {{ "union" if not loop.last }}
    {%- endfor %}
),

newly_named_agents as (
    select
        named_publishers.source_name,
        named_publishers.agent_id
    from named_publishers
    where not exists (
        select 1
        from {{ source('raw', 'agents') }} as states
        where
            states.source_name = named_publishers.source_name
            and states.agent_id = named_publishers.agent_id
    )
    group by
        named_publishers.source_name,
        named_publishers.agent_id,
        named_publishers.publisher_id
    having count(*) filter (where not named_publishers.is_pending) = 0
),

changed_agents as (
    select
        agent_spans.source_name,
        agent_spans.agent_id,
        case
            when agent_spans.first_published_at < agent_spans.first_pending_at
                then cast(agent_spans.first_pending_at as date)
            else date '1900-01-01'
        end as changed_from
    from agent_spans
    union all
    select distinct
        newly_named_agents.source_name,
        newly_named_agents.agent_id,
        date '1900-01-01' as changed_from
    from newly_named_agents
),

events_of_changed_agents as (
    select
        copies.source_name,
        copies.event_type,
        copies.event_date,
        copies.timestamp as event_at,
        copies.duration_ms,
        coalesce(copies.invocation_id, copies.id) as invocation_id,
        copies.event_date >= changed_agents.changed_from as is_affected,
        changed_agents.changed_from
    from {{ agent_events }} as copies
    inner join changed_agents
        on
            copies.source_name = changed_agents.source_name
            and copies.agent_id = changed_agents.agent_id
),

changed_invocations as (
    select
        agent_event_changes.source_name,
        coalesce(agent_event_changes.invocation_id, agent_event_changes.id) as invocation_id
    from agent_event_changes
    where agent_event_changes.event_type in {{ invocation_types }}
    union
    select
        llm_call_changes.source_name,
        llm_call_changes.invocation_id
    from llm_call_changes
),

-- Everything that hangs on a changed invocation: its other attempts, its request and its ratings.
linked_events as (
    select distinct
        copies.source_name,
        copies.event_type,
        copies.event_date,
        copies.task_id
    from {{ agent_events }} as copies
    inner join changed_invocations
        on
            copies.source_name = changed_invocations.source_name
            and coalesce(copies.invocation_id, copies.id) = changed_invocations.invocation_id
    where copies.event_type in ('agent_invoked', 'agent_completed', 'agent_errored', 'user_feedback')
),

linked_llm_call_dates as (
    select distinct copies.event_date
    from {{ llm_calls }} as copies
    inner join changed_invocations
        on
            copies.source_name = changed_invocations.source_name
            and copies.invocation_id = changed_invocations.invocation_id
),

llm_call_dates_of_changed_agents as (
    select distinct copies.event_date
    from {{ llm_calls }} as copies
    inner join events_of_changed_agents as owners
        on
            copies.source_name = owners.source_name
            and copies.invocation_id = owners.invocation_id
            and copies.event_date >= owners.changed_from
    where owners.event_type in {{ invocation_types }}
),

-- A task spends for itself only while no invocation carries it, so a change of either side moves its usage.
changed_tasks as (
    select
        linked_events.source_name,
        linked_events.task_id
    from linked_events
    where linked_events.task_id is not null
    union
    select
        agent_event_changes.source_name,
        agent_event_changes.task_id
    from agent_event_changes
    where agent_event_changes.task_id is not null
    union
    select
        task_changes.source_name,
        task_changes.task_id
    from task_changes
),

task_usage_dates as (
    select cast({{ task_used_at('copies') }} as date) as event_date
    from {{ tasks }} as copies
    inner join changed_tasks
        on
            copies.source_name = changed_tasks.source_name
            and copies.task_id = changed_tasks.task_id
    union
    select cast({{ task_used_at('copies') }} as date) as event_date
    from {{ tasks }} as copies
    inner join changed_agents
        on
            copies.source_name = changed_agents.source_name
            and copies.agent_id = changed_agents.agent_id
            and cast({{ task_used_at('copies') }} as date) >= changed_agents.changed_from
),

-- Days on which the load of an agent type may read differently: a gauge sample speaks for the minutes after it, an
-- invocation is in flight from its start to its end.
load_spans as (
    select
        instance_sample_changes.source_name,
        cast(instance_sample_changes.timestamp as date) as first_date,
        cast({{ timestamp_add_seconds('instance_sample_changes.timestamp', setting('load_sample_max_age_seconds')) }} as date)
            as last_date
    from instance_sample_changes
    union
    select
        agent_event_changes.source_name,
        cast({{ invocation_started_at('agent_event_changes.timestamp', 'agent_event_changes.duration_ms') }} as date)
            as first_date,
        agent_event_changes.event_date as last_date
    from agent_event_changes
    where
        agent_event_changes.event_type in {{ terminal_types }}
        and agent_event_changes.duration_ms is not null
    union
    select
        events_of_changed_agents.source_name,
        cast({{ invocation_started_at('events_of_changed_agents.event_at', 'events_of_changed_agents.duration_ms') }} as date)
            as first_date,
        events_of_changed_agents.event_date as last_date
    from events_of_changed_agents
    where
        events_of_changed_agents.event_type in {{ terminal_types }}
        and events_of_changed_agents.duration_ms is not null
        and events_of_changed_agents.is_affected
),

-- The days at which each day's ratings look for their load: their own, and those of the answers they rate.
feedback_load_dates as (
    select
        ratings.source_name,
        ratings.event_date,
        ratings.event_date as load_date
    from {{ agent_events }} as ratings
    where ratings.event_type = 'user_feedback'
    union
    select
        ratings.source_name,
        ratings.event_date,
        answers.event_date as load_date
    from {{ agent_events }} as ratings
    inner join {{ agent_events }} as answers
        on
            ratings.source_name = answers.source_name
            and ratings.invocation_id = coalesce(answers.invocation_id, answers.id)
    where
        ratings.event_type = 'user_feedback'
        and answers.event_type in {{ terminal_types }}
),

feedback_dates_by_load as (
    select distinct feedback_load_dates.event_date
    from feedback_load_dates
    inner join load_spans
        on
            feedback_load_dates.source_name = load_spans.source_name
            and feedback_load_dates.load_date between load_spans.first_date and load_spans.last_date
),

event_dates as (
    select agent_event_changes.event_date
    from agent_event_changes
    union
    select events_of_changed_agents.event_date
    from events_of_changed_agents
    where events_of_changed_agents.is_affected
),

linked_answer_dates as (
    select distinct linked_events.event_date
    from linked_events
    where linked_events.event_type in {{ terminal_types }}
),

pending as (
    {%- for fact in [
        'fct_user_messages', 'fct_tool_calls', 'fct_install_events', 'fct_invocations', 'fct_llm_calls', 'fct_feedback',
    ] %}
    select '{{ fact }}' as fact_name, event_dates.event_date from event_dates
    union
    {%- endfor %}
    {%- for fact in ['fct_invocations', 'fct_llm_calls'] %}
    select '{{ fact }}' as fact_name, linked_answer_dates.event_date from linked_answer_dates
    union
    {%- endfor %}
    select 'fct_llm_calls' as fact_name, llm_call_changes.event_date from llm_call_changes
    union
    select 'fct_llm_calls' as fact_name, linked_llm_call_dates.event_date from linked_llm_call_dates
    union
    select 'fct_llm_calls' as fact_name, dates.event_date from llm_call_dates_of_changed_agents as dates
    union
    select 'fct_llm_calls' as fact_name, task_usage_dates.event_date from task_usage_dates
    union
    select 'fct_feedback' as fact_name, linked_events.event_date
    from linked_events
    where linked_events.event_type = 'user_feedback'
    union
    select 'fct_feedback' as fact_name, feedback_dates_by_load.event_date from feedback_dates_by_load
    union
    select 'fct_provider_bills' as fact_name, provider_bill_changes.event_date from provider_bill_changes
    union
    select 'fct_instance_samples' as fact_name, instance_sample_changes.event_date from instance_sample_changes
    union
    select 'fct_health_samples' as fact_name, health_sample_changes.event_date from health_sample_changes
    {%- for fact, stream, changes in [
        ('fct_audits', 'audit_events', 'audit_changes'),
        ('fct_pii_redactions', 'audit_events', 'audit_changes'),
        ('fct_quality_scores', 'quality_scores', 'quality_score_changes'),
        ('fct_charges', 'charges', 'charge_changes'),
        ('fct_deployments', 'deployments', 'deployment_changes'),
    ] %}
    union
    select '{{ fact }}' as fact_name, {{ changes }}.event_date from {{ changes }}
    union
    select '{{ fact }}' as fact_name, copies.event_date
    from {{ source('raw', stream) }} as copies
    inner join changed_agents
        on
            copies.source_name = changed_agents.source_name
            and copies.agent_id = changed_agents.agent_id
            and copies.event_date >= changed_agents.changed_from
    {%- endfor %}
)

select
    pending.fact_name,
    cast(pending.event_date as date) as event_date
from pending
{%- endif %}
