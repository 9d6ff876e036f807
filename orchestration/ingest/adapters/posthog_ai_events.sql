-- PostHog's events of AI observability, out of a batch export of its events table.
--
-- adapter: posthog_ai_events
-- version: 1
-- fields: uuid, event, distinct_id, timestamp, properties
-- private: properties, distinct_id, elements_chain, person_properties
--
-- A trace is one message: its $ai_trace event, or what has no parent in a trace without one, begins and ends it;
-- as ids are made of the trace's, it stays one however many of them say so. Events come at the end of what they
-- tell, with its seconds in $ai_latency.
-- Spans have no kind, so tools cannot be told from other steps: spans below a root are ignored. So are feedback
-- without a number (a text alone is no rating), metrics that are no rating and no dimension of quality, other
-- events of the product, and evaluations. Under the name "feedback" a 1 may be a thumb and is ignored.
-- The tenant is the group of that kind, or one the product calls by another usual name; the agent is a property
-- of the application's own, or else the name of the trace.
-- Anthropic counts cached tokens beside the input, others within it, unless the event itself says which.
--
-- table: ai_events
select
    *,
    coalesce(trace_id, span_id, uuid::varchar) as invocation_id,
    event in ('$ai_generation', '$ai_embedding') as is_model_call,
    event = '$ai_trace'
    or (parent_id is null and event in ('$ai_generation', '$ai_embedding', '$ai_span')) as is_root,
    coalesce(lower(member(facts, '$."$ai_is_error"')) = 'true', false)
    or coalesce(http_status >= 400, false) as is_error,
    coalesce('http_' || case when http_status >= 400 then http_status end, 'error') as error_type,
    (seconds * 1000)::varchar as latency_ms,
    coalesce(
        member(facts, '$."$groups".tenant'),
        member(facts, '$."$groups".organization'),
        member(facts, '$."$groups".company'),
        member(facts, '$."$groups".account'),
        member(facts, '$."$groups".customer'),
        member(facts, '$.tenant_id')
    ) as tenant_id,
    member(facts, '$.publisher_id') as publisher_id,
    coalesce(
        member(facts, '$.agent_id'),
        member(facts, '$."$ai_trace_name"'),
        case when event in ('$ai_trace', '$ai_span') then member(facts, '$."$ai_span_name"') end
    ) as agent_id,
    coalesce(
        case when event = '$ai_metric' then member(facts, '$."$ai_metric_name"') end,
        case when event = '$ai_feedback' then 'rating' end
    ) as score_name,
    coalesce(
        case when event = '$ai_metric' then member(facts, '$."$ai_metric_value"') end,
        case when event = '$ai_feedback' then member(facts, '$.rating') end
    ) as score
from (
    select
        *,
        member(facts, '$."$ai_trace_id"') as trace_id,
        member(facts, '$."$ai_session_id"') as session_id,
        coalesce(
            member(facts, '$."$ai_span_id"'), member(facts, '$."$ai_generation_id"')
        ) as span_id,
        nullif(
            member(facts, '$."$ai_parent_id"'), member(facts, '$."$ai_span_id"')
        ) as parent_id,
        try_cast(member(facts, '$."$ai_http_status"') as integer) as http_status,
        try_cast(member(facts, '$."$ai_latency"') as decimal(18, 6)) as seconds,
        utc("timestamp") as ended
    from (
        select
            *,
            nested_text(properties) as facts
        from raw_rows
        where starts_with(event, '$ai_')
    )
)

-- stream: agent_events
with events as (
    select
        *,
        unnest(case
            when not is_root then ['user_feedback']
            when is_error then ['agent_invoked', 'agent_errored']
            else ['agent_invoked', 'agent_completed']
        end) as event_type
    from ai_events
    where is_root
        or (
            (is_rating_name(score_name) or (is_feedback_name(score_name) and score <> '1'))
            and regexp_full_match(score, '[1-5](\.0*)?')
        )
)

select
    row_number,
    case event_type
        when 'agent_invoked' then invocation_id || ':invoked'
        when 'user_feedback' then uuid::varchar
        else invocation_id || ':ended'
    end as id,
    event_type,
    agent_id,
    publisher_id,
    tenant_id,
    case
        when event_type = 'agent_invoked'
            then (ended - to_microseconds((coalesce(seconds, 0) * 1000000)::bigint))::varchar
        else "timestamp"::varchar
    end as "timestamp",
    invocation_id,
    session_id as conversation_id,
    case when event_type <> 'user_feedback' then session_id end as session_id,
    distinct_id as user_id,
    case when event_type in ('agent_completed', 'agent_errored') then latency_ms end as duration_ms,
    case when event_type = 'agent_errored' then error_type end as error_type,
    case when event_type = 'user_feedback' then score end as rating,
    case
        when event_type = 'user_feedback' then member(facts, '$."$ai_feedback_text"')
    end as comment
from events

-- stream: llm_calls
select
    row_number,
    coalesce(span_id, uuid::varchar) as llm_call_id,
    invocation_id,
    "timestamp"::varchar as "timestamp",
    model,
    provider,
    span_id,
    parent_id as parent_span_id,
    case
        when is_apart or input_tokens < cached then (input_tokens + cached)::varchar
        else input_text
    end as input_tokens,
    member(facts, '$."$ai_output_tokens"') as output_tokens,
    member(facts, '$."$ai_cache_read_input_tokens"') as cache_read_tokens,
    member(facts, '$."$ai_cache_creation_input_tokens"') as cache_write_tokens,
    member(facts, '$."$ai_reasoning_tokens"') as reasoning_tokens,
    latency_ms,
    coalesce(
        member(facts, '$."$ai_total_cost_usd"'),
        (
            try_cast(member(facts, '$."$ai_input_cost_usd"') as decimal(38, 12))
            + try_cast(member(facts, '$."$ai_output_cost_usd"') as decimal(38, 12))
        )::varchar
    ) as cost_usd,
    case when is_error then 'error' else 'ok' end as status,
    case when is_error then error_type end as error_type
from (
    select
        *,
        coalesce(
            lower(member(facts, '$."$ai_cache_reporting_exclusive"')) = 'true',
            provider = 'anthropic'
        ) as is_apart
    from (
        select
            *,
            member(facts, '$."$ai_model"') as model,
            lower(member(facts, '$."$ai_provider"')) as provider,
            member(facts, '$."$ai_input_tokens"') as input_text,
            try_cast(member(facts, '$."$ai_input_tokens"') as bigint) as input_tokens,
            coalesce(
                try_cast(member(facts, '$."$ai_cache_read_input_tokens"') as bigint), 0
            ) + coalesce(
                try_cast(member(facts, '$."$ai_cache_creation_input_tokens"') as bigint), 0
            ) as cached
        from ai_events
        where is_model_call
    )
)

-- stream: quality_scores
select
    row_number,
    uuid::varchar as score_id,
    coalesce(session_id, trace_id) as conversation_id,
    tenant_id,
    agent_id,
    quality_dimension(score_name) as dimension,
    score,
    "timestamp"::varchar as judged_at
from ai_events
where event = '$ai_metric'
    and quality_dimension(score_name) is not null
    and coalesce(session_id, trace_id) is not null
