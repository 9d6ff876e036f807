{#
    The request is looked up by invocation, on whatever day it was made: an answer just after midnight still knows who
    asked (D-15). Several requests of one invocation normally agree; where they do not, the smallest value is taken, so
    that the order of arrival decides nothing. A request of another tenant lends nothing.

    The producer's ids are in the keys; of 38 million answers they take 1.1 GB beside them.
#}
{{ config(materialized='incremental', incremental_strategy='replace_dates') }}

with answers as (
    select *
    from {{ ref('stg_agent_events') }}
    where
        {{ in_pending_dates('event_date') }}
        and event_type in ('agent_completed', 'agent_errored')
),

requests as (
    select
        asked.invocation_key,
        asked.tenant_key,
        min(asked.user_key) as user_key,
        min(asked.conversation_key) as conversation_key,
        min(asked.session_id) as session_id,
        min(asked.task_key) as task_key
    from {{ ref('fct_user_messages') }} as asked
    where
        asked.invocation_key is not null
        {%- if is_of_some_dates() %}
            {#-
                A day's answers need few of the requests of years. They are read again for it, for an engine keeps every
                column of a CTE that is read twice.
            #}
            and asked.invocation_key in (
                select answered.invocation_key
                from {{ ref('stg_agent_events') }} as answered
                where
                    {{ in_pending_dates('answered.event_date') }}
                    and answered.event_type in ('agent_completed', 'agent_errored')
            )
        {%- endif %}
    group by
        asked.invocation_key,
        asked.tenant_key
),

final as (
    select
        answers.event_key as invocation_event_key,
        answers.source_name,
        answers.event_type,
        answers.event_date,
        answers.event_at as responded_at,
        answers.agent_key,
        answers.tenant_key,
        answers.publisher_key,
        answers.invocation_key,
        coalesce(answers.conversation_key, requests.conversation_key) as conversation_key,
        coalesce(answers.session_id, requests.session_id) as session_id,
        coalesce(answers.task_key, requests.task_key) as task_key,
        coalesce(answers.user_key, requests.user_key) as user_key,
        answers.instance_id,
        answers.agent_version,
        answers.model,
        answers.provider,
        answers.input_tokens,
        answers.output_tokens,
        answers.cache_read_tokens,
        answers.cache_write_tokens,
        answers.reasoning_tokens,
        answers.llm_latency_ms,
        answers.duration_ms,
        answers.cost_usd,
        case
            when answers.tool_calls is not null
                then cast({{ list_length('answers.tool_calls') }} as bigint)
        end as tool_call_count,
        answers.api_calls,
        answers.attempt,
        answers.error_type
    from answers
    left join requests
        on
            answers.invocation_key = requests.invocation_key
            and answers.tenant_key = requests.tenant_key
)

select * from final
