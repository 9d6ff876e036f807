{{ config(materialized='incremental', incremental_strategy='replace_dates') }}

{#
    One late message can join two sessions or move the start of one to another day, so int_pending_dates lists the days
    of every session that may change, and the days of whose messages these are cut: a day before, by which a session
    is told to begin, and whatever days it reaches to. Messages of anonymous users have no session (X-22). A user key
    holds source and tenant, so user and agent are whose a session is; grouping by source and tenant too took a sixth
    more.
#}
with messages as (
    select
        user_messages.source_name,
        user_messages.user_key,
        user_messages.agent_key,
        user_messages.tenant_key,
        user_messages.publisher_key,
        user_messages.sent_at as message_at,
        1 as user_message_count,
        0 as agent_message_count
    from {{ ref('fct_user_messages') }} as user_messages
    where
        user_messages.user_key is not null
        and {{ in_pending_dates(
            'user_messages.event_date', messages_of_sessions(), by_slice=false
        ) }}
    union all
    select
        invocations.source_name,
        invocations.user_key,
        invocations.agent_key,
        invocations.tenant_key,
        invocations.publisher_key,
        invocations.responded_at as message_at,
        0 as user_message_count,
        1 as agent_message_count
    from {{ ref('fct_invocations') }} as invocations
    where
        invocations.user_key is not null
        and {{ in_pending_dates(
            'invocations.event_date', messages_of_sessions(), by_slice=false
        ) }}
),

{{ messages_in_sessions('numbered_messages', 'messages') }},

sessions as (
    select
        numbered_messages.user_key,
        numbered_messages.agent_key,
        numbered_messages.session_number,
        min(numbered_messages.source_name) as source_name,
        min(numbered_messages.tenant_key) as tenant_key,
        min(numbered_messages.publisher_key) as publisher_key,
        min(numbered_messages.message_at) as started_at,
        max(numbered_messages.message_at) as ended_at,
        sum(numbered_messages.user_message_count) as user_message_count,
        sum(numbered_messages.agent_message_count) as agent_message_count
    from numbered_messages
    group by
        numbered_messages.user_key,
        numbered_messages.agent_key,
        numbered_messages.session_number
),

final as (
    select
        {{ hash_key(['sessions.user_key', 'sessions.agent_key', 'sessions.started_at']) }}
            as session_key,
        sessions.source_name,
        cast(sessions.started_at as date) as event_date,
        sessions.started_at,
        sessions.ended_at,
        sessions.agent_key,
        agents.agent_type_key,
        sessions.tenant_key,
        sessions.publisher_key,
        sessions.user_key,
        {{ seconds_between('sessions.started_at', 'sessions.ended_at') }} as duration_s,
        cast(sessions.user_message_count as bigint) as user_message_count,
        cast(sessions.agent_message_count as bigint) as agent_message_count,
        cast(sessions.user_message_count + sessions.agent_message_count as bigint)
            as message_count
    from sessions
    left join {{ ref('dim_agents_history') }} as agents
        on {{ agent_valid_at('agents', 'sessions.agent_key', 'sessions.started_at') }}
    where {{ in_pending_dates('cast(sessions.started_at as date)', by_slice=false) }}
)

select * from final
