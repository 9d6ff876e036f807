{{ config(materialized='table') }}

{#-
    A full build replaces every date whatever stands here, so it closes nothing. dbt learns what the
    model reads while it does not execute.
-#}
{%- if execute and should_full_refresh() -%}

    select
        cast(null as {{ dbt.type_string() }}) as fact_name,
        cast(null as date) as event_date
    where false

{%- else -%}

    {%- set answer_types = "('agent_completed', 'agent_errored')" -%}
    {%- set invocation_types = "('agent_invoked', 'agent_completed', 'agent_errored')" -%}

    with recursive pending_loads as (
        select distinct load_id
        from {{ ref('stg_loads') }}
        where is_pending
    ),

    {{ changes_of('agent_event', 'agent_events') }},

    {{ changes_of('llm_call', 'llm_calls') }},

    {{ changes_of('audit', 'audit_events') }},

    {{ changes_of('quality_score', 'quality_scores') }},

    {{ changes_of('charge', 'charges') }},

    {{ changes_of('provider_bill', 'provider_bills') }},

    {{ changes_of('deployment', 'deployments') }},

    {{ changes_of('instance_sample', 'instance_samples') }},

    {{ changes_of('health_sample', 'health_samples') }},

    {{ changes_of('task', 'tasks') }},

    {{ changes_of('agent', 'agents') }},

    -- Days that somebody asked to be made again although no row of them changed. No key is to be
    -- closed then, only what reads a fact of such a day from another day.
    rebuilt_days as (
        select event_date
        from {{ ref('stg_rebuilt_days') }}
    ),

    -- An answer holds figures of its model calls, which may lie on another day.
    answers_of_rebuilt_calls as (
        select distinct answers.event_date
        from {{ ref('stg_llm_calls__copies') }} as calls
        inner join rebuilt_days on calls.event_date = rebuilt_days.event_date
        inner join {{ ref('stg_agent_events__copies') }} as answers
            on
                calls.source_name = answers.source_name
                and calls.invocation_id = answers.invocation_id
        where answers.event_type in {{ answer_types }}
    ),

    -- A new agent row changes the agent's type and publisher from its updated_at on. Where no
    -- published row is older, it also changes what holds before the first row: all of the past.
    agent_spans as (
        select
            agent_changes.source_name,
            agent_changes.agent_id,
            min(agent_changes.updated_at) filter (where pending_loads.load_id is not null)
                as first_pending_at,
            min(agent_changes.updated_at) filter (where pending_loads.load_id is null)
                as first_published_at
        from agent_changes
        left join pending_loads on agent_changes.load_id = pending_loads.load_id
        group by
            agent_changes.source_name,
            agent_changes.agent_id
    ),

    -- An agent without any row takes the publisher that all its rows name; a first or a second name
    -- changes that.
    named_publishers as (
        {%- for stream_name in ['agent_events', 'charges'] %}
            select
                copies.source_name,
                copies.agent_id,
                copies.publisher_id,
                pending_loads.load_id is not null as is_pending
            from {{ ref('stg_' ~ stream_name ~ '__copies') }} as copies
            left join pending_loads on copies.load_id = pending_loads.load_id
            {%- if not loop.last %}
                union
            {%- endif %}
        {%- endfor %}
    ),

    newly_named_agents as (
        select
            named_publishers.source_name,
            named_publishers.agent_id
        from named_publishers
        where
            not exists (
                select 1
                from {{ ref('stg_agents__copies') }} as states
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
            copies.event_at,
            copies.duration_ms,
            copies.invocation_id,
            changed_agents.changed_from,
            copies.event_date >= changed_agents.changed_from as is_affected
        from {{ ref('stg_agent_events__copies') }} as copies
        inner join changed_agents
            on
                copies.source_name = changed_agents.source_name
                and copies.agent_id = changed_agents.agent_id
    ),

    -- A call below others, or one that uses the id of a span again, changes which of the calls
    -- above count, in whatever invocation they are.
    spans_of_changes as (
        select
            llm_call_changes.source_name,
            llm_call_changes.span_id
        from llm_call_changes
        where llm_call_changes.span_id is not null
        union
        select
            llm_call_changes.source_name,
            llm_call_changes.parent_span_id as span_id
        from llm_call_changes
        where llm_call_changes.parent_span_id is not null
    ),

    {{ reachable(
        'spans_above_changes',
        columns=['source_name', 'span_id'],
        start='select spans_of_changes.source_name, spans_of_changes.span_id from spans_of_changes',
        link=ref('stg_llm_calls__copies') ~ ' as copies',
        linked='spans_above_changes.source_name = copies.source_name'
        ~ ' and spans_above_changes.span_id = copies.span_id and copies.parent_span_id is not null',
        next={'source_name': 'copies.source_name', 'span_id': 'copies.parent_span_id'},
    ) }},

    changed_invocations as (
        select
            agent_event_changes.source_name,
            agent_event_changes.invocation_id
        from agent_event_changes
        where agent_event_changes.event_type in {{ invocation_types }}
        union
        select
            llm_call_changes.source_name,
            llm_call_changes.invocation_id
        from llm_call_changes
        union
        select
            copies.source_name,
            copies.invocation_id
        from {{ ref('stg_llm_calls__copies') }} as copies
        inner join spans_above_changes
            on
                copies.source_name = spans_above_changes.source_name
                and copies.span_id = spans_above_changes.span_id
    ),

    -- What hangs on a changed invocation: its other attempts, its request (whose task and user its
    -- answers inherit) and its ratings (whose load is read at its answer).
    linked_events as (
        select distinct
            copies.source_name,
            copies.event_type,
            copies.event_date,
            copies.task_id
        from {{ ref('stg_agent_events__copies') }} as copies
        inner join changed_invocations
            on
                copies.source_name = changed_invocations.source_name
                and copies.invocation_id = changed_invocations.invocation_id
        where
            copies.event_type in {{ invocation_types }}
            or copies.event_type = 'user_feedback'
    ),

    -- Its model calls: they take owner, user and task from it.
    linked_llm_call_dates as (
        select distinct copies.event_date
        from {{ ref('stg_llm_calls__copies') }} as copies
        inner join changed_invocations
            on
                copies.source_name = changed_invocations.source_name
                and copies.invocation_id = changed_invocations.invocation_id
    ),

    llm_call_dates_of_changed_agents as (
        select distinct copies.event_date
        from {{ ref('stg_llm_calls__copies') }} as copies
        inner join events_of_changed_agents as owners
            on
                copies.source_name = owners.source_name
                and copies.invocation_id = owners.invocation_id
                and copies.event_date >= owners.changed_from
        where owners.event_type in {{ invocation_types }}
    ),

    -- A task spends for itself only while no invocation carries it: a change of either moves its
    -- usage. A state that moves a task to another day leaves the day of every state before it.
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
        from {{ ref('stg_tasks__copies') }} as copies
        inner join changed_tasks
            on
                copies.source_name = changed_tasks.source_name
                and copies.task_id = changed_tasks.task_id
        union
        select cast({{ task_used_at('copies') }} as date) as event_date
        from {{ ref('stg_tasks__copies') }} as copies
        inner join changed_agents
            on
                copies.source_name = changed_agents.source_name
                and copies.agent_id = changed_agents.agent_id
                and changed_agents.changed_from <= cast({{ task_used_at('copies') }} as date)
    ),

    timed_answers as (
        select
            agent_event_changes.source_name,
            agent_event_changes.event_date,
            agent_event_changes.event_at,
            agent_event_changes.duration_ms
        from agent_event_changes
        where agent_event_changes.event_type in {{ answer_types }}
        union all
        select
            events_of_changed_agents.source_name,
            events_of_changed_agents.event_date,
            events_of_changed_agents.event_at,
            events_of_changed_agents.duration_ms
        from events_of_changed_agents
        where
            events_of_changed_agents.event_type in {{ answer_types }}
            and events_of_changed_agents.is_affected
        union all
        select
            copies.source_name,
            copies.event_date,
            copies.event_at,
            copies.duration_ms
        from {{ ref('stg_agent_events__copies') }} as copies
        inner join rebuilt_days on copies.event_date = rebuilt_days.event_date
        where copies.event_type in {{ answer_types }}
    ),

    gauge_samples as (
        select
            instance_sample_changes.source_name,
            instance_sample_changes.event_date,
            instance_sample_changes.event_at
        from instance_sample_changes
        union all
        select
            copies.source_name,
            copies.event_date,
            copies.event_at
        from {{ ref('stg_instance_samples__copies') }} as copies
        inner join rebuilt_days on copies.event_date = rebuilt_days.event_date
    ),

    -- Days on which the load of an agent type may read differently: a gauge sample speaks for the
    -- minutes after it, an invocation is in flight from its start to its end.
    load_spans as (
        select
            samples.source_name,
            samples.event_date as first_date,
            cast({{ timestamp_add_seconds(
                'samples.event_at', setting('load_sample_max_age_seconds')
            ) }} as date) as last_date
        from gauge_samples as samples
        union
        select
            timed_answers.source_name,
            cast({{ invocation_started_at(
                'timed_answers.event_at', 'timed_answers.duration_ms'
            ) }} as date) as first_date,
            timed_answers.event_date as last_date
        from timed_answers
        where timed_answers.duration_ms is not null
    ),

    -- The days on which each day's ratings look for their load: their own, and those of answers.
    feedback_load_dates as (
        select
            ratings.source_name,
            ratings.event_date,
            ratings.event_date as load_date
        from {{ ref('stg_agent_events__copies') }} as ratings
        where
            ratings.event_type = 'user_feedback'
        union
        select
            ratings.source_name,
            ratings.event_date,
            answers.event_date as load_date
        from {{ ref('stg_agent_events__copies') }} as ratings
        inner join {{ ref('stg_agent_events__copies') }} as answers
            on
                ratings.source_name = answers.source_name
                and ratings.invocation_id = answers.invocation_id
        where
            ratings.event_type = 'user_feedback'
            and answers.event_type in {{ answer_types }}
    ),

    feedback_dates_by_load as (
        select distinct feedback_load_dates.event_date
        from feedback_load_dates
        inner join load_spans
            on
                feedback_load_dates.source_name = load_spans.source_name
                and feedback_load_dates.load_date >= load_spans.first_date
                and feedback_load_dates.load_date <= load_spans.last_date
    ),

    ratings_of_rebuilt_answers as (
        select distinct feedback_load_dates.event_date
        from feedback_load_dates
        inner join rebuilt_days on feedback_load_dates.load_date = rebuilt_days.event_date
    ),

    event_dates as (
        select agent_event_changes.event_date
        from agent_event_changes
        union
        select events_of_changed_agents.event_date
        from events_of_changed_agents
        where events_of_changed_agents.is_affected
    ),

    {%- set dates_by_fact = [
        ('fct_user_messages', 'event_dates', none),
        ('fct_tool_calls', 'event_dates', none),
        ('fct_install_events', 'event_dates', none),
        ('fct_answers', 'event_dates', none),
        ('fct_answers', 'linked_events', 'event_type in ' ~ answer_types),
        ('fct_invocations', 'event_dates', none),
        ('fct_invocations', 'linked_events', 'event_type in ' ~ answer_types),
        ('fct_invocations', 'answers_of_rebuilt_calls', none),
        ('fct_llm_calls', 'event_dates', none),
        ('fct_llm_calls', 'linked_events', 'event_type in ' ~ answer_types),
        ('fct_llm_calls', 'llm_call_changes', none),
        ('fct_llm_calls', 'linked_llm_call_dates', none),
        ('fct_llm_calls', 'llm_call_dates_of_changed_agents', none),
        ('fct_llm_calls', 'task_usage_dates', none),
        ('fct_feedback', 'event_dates', none),
        ('fct_feedback', 'linked_events', "event_type = 'user_feedback'"),
        ('fct_feedback', 'feedback_dates_by_load', none),
        ('fct_feedback', 'ratings_of_rebuilt_answers', none),
        ('fct_audits', 'audit_changes', none),
        ('fct_pii_redactions', 'audit_changes', none),
        ('fct_quality_scores', 'quality_score_changes', none),
        ('fct_charges', 'charge_changes', none),
        ('fct_deployments', 'deployment_changes', none),
        ('fct_provider_bills', 'provider_bill_changes', none),
        ('fct_instance_samples', 'instance_sample_changes', none),
        ('fct_health_samples', 'health_sample_changes', none),
    ] %}
    {%- set streams_of_agents = [
        ('fct_audits', 'audit_events'),
        ('fct_pii_redactions', 'audit_events'),
        ('fct_quality_scores', 'quality_scores'),
        ('fct_charges', 'charges'),
        ('fct_deployments', 'deployments'),
    ] %}

    pending as (
        {%- for fact_name, relation, condition in dates_by_fact %}
            select
                '{{ fact_name }}' as fact_name,
                event_date
            from {{ relation }}
            {%- if condition %}
                where {{ condition }}
            {%- endif %}
            union
        {%- endfor %}
        {%- for fact_name in dates_by_fact | map(attribute=0) | unique %}
            select
                '{{ fact_name }}' as fact_name,
                event_date
            from rebuilt_days
            union
        {%- endfor %}
        {%- for fact_name, stream_name in streams_of_agents %}
            select
                '{{ fact_name }}' as fact_name,
                copies.event_date
            from {{ ref('stg_' ~ stream_name ~ '__copies') }} as copies
            inner join changed_agents
                on
                    copies.source_name = changed_agents.source_name
                    and copies.agent_id = changed_agents.agent_id
                    and copies.event_date >= changed_agents.changed_from
            {%- if not loop.last %}
                union
            {%- endif %}
        {%- endfor %}
    ),

    -- Sessions are cut anew where messages are: those that reach to a day of messages, or end or
    -- begin within the gap of it, and whatever days they lie on.
    message_spans as (
        select distinct
            pending.event_date,
            {{ timestamp_add_seconds(
                'cast(pending.event_date as timestamp)', '-' ~ setting('session_gap_seconds')
            ) }} as begin_at,
            {{ timestamp_add_seconds(
                'cast(' ~ date_add_days('pending.event_date', 1) ~ ' as timestamp)',
                setting('session_gap_seconds')
            ) }} as end_at
        from pending
        where pending.fact_name in ('fct_user_messages', 'fct_invocations')
    ),

    previous_sessions as (
        select *
        from {{ as_last_built(
            'fct_sessions',
            {'event_date': 'date', 'started_at': 'timestamp', 'ended_at': 'timestamp'},
        ) }} as sessions
    ),

    reopened_sessions as (
        select distinct
            sessions.event_date as first_date,
            cast(sessions.ended_at as date) as last_date
        from previous_sessions as sessions
        inner join message_spans
            on
                sessions.ended_at >= message_spans.begin_at
                and sessions.started_at <= message_spans.end_at
    ),

    session_dates as (
        select message_spans.event_date
        from message_spans
        union
        select days.date_day as event_date
        from reopened_sessions
        {{ join_dates(
            'reopened_sessions.first_date', date_add_days('reopened_sessions.last_date', 1), 'days'
        ) }}
    ),

    -- The sessions of these days hold messages of the days they reach to, and begin where there is
    -- none within the gap before. The day after is for those whose row is lost, which making days
    -- again mends.
    session_message_spans as (
        select
            cast({{ timestamp_add_seconds(
                'cast(session_dates.event_date as timestamp)', '-' ~ setting('session_gap_seconds')
            ) }} as date) as first_date,
            {{ date_add_days('session_dates.event_date', 1) }} as last_date
        from session_dates
        union
        select
            sessions.event_date as first_date,
            cast(sessions.ended_at as date) as last_date
        from previous_sessions as sessions
        inner join session_dates on sessions.event_date = session_dates.event_date
    ),

    final as (
        select
            fact_name,
            cast(event_date as date) as event_date
        from pending
        union
        select
            'fct_sessions' as fact_name,
            session_dates.event_date
        from session_dates
        union
        select
            '{{ messages_of_sessions() }}' as fact_name,
            days.date_day as event_date
        from session_message_spans
        {{ join_dates(
            'session_message_spans.first_date',
            date_add_days('session_message_spans.last_date', 1),
            'days',
        ) }}
    )

    select *
    from final

{%- endif %}
