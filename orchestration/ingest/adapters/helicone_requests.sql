-- Helicone's table of requests, request_response_rmt (JSON lines, csv or Parquet).
--
-- adapter: helicone_requests
-- version: 1
-- fields: request_id, request_created_at, response_created_at, latency, status, model, provider
-- fields: prompt_tokens, completion_tokens, prompt_cache_read_tokens, prompt_cache_write_tokens
-- fields: user_id, properties, cost
-- private: request_body, response_body, assets, properties, scores, target_url
--
-- A gateway sees requests, not messages, so each request is one invocation with one model call; requests of one
-- session share its id. A request without a status has no answer yet: only its beginning lands.
-- Properties are the customer's own: those named like an agent, a tenant or a publisher say whose request it is.
-- The cost is in units of 1e-9 USD; 0 for an answered request that used tokens means that no price is known.
-- Anthropic counts cached tokens beside the prompt, others within it; a prompt smaller than its cached part tells.
--
-- table: requests
select
    *,
    nullif(status::varchar, '') is null as is_open,
    not coalesce(try_cast(status::varchar as integer) between 100 and 399, false) as is_error,
    'http_' || status::varchar as error_type,
    coalesce(
        member(facts, '$."Helicone-Session-Id"'), member(facts, '$."helicone-session-id"')
    ) as session_id,
    nullif(latency::varchar, '') as latency_ms,
    try_cast(prompt_tokens::varchar as bigint) as prompt,
    coalesce(try_cast(prompt_cache_read_tokens::varchar as bigint), 0)
    + coalesce(try_cast(prompt_cache_write_tokens::varchar as bigint), 0) as cached
from (
    select
        *,
        nested_text(properties) as facts
    from raw_rows
)

-- stream: agent_events
with events as (
    select
        *,
        unnest(case
            when is_open then ['agent_invoked']
            when is_error then ['agent_invoked', 'agent_errored']
            else ['agent_invoked', 'agent_completed']
        end) as event_type
    from requests
)

select
    row_number,
    request_id::varchar || case when event_type = 'agent_invoked' then ':invoked' else ':ended' end as id,
    event_type,
    coalesce(
        member(facts, '$.agent_id'), member(facts, '$.agent'), member(facts, '$.Agent')
    ) as agent_id,
    coalesce(member(facts, '$.publisher_id'), member(facts, '$.publisher')) as publisher_id,
    coalesce(
        member(facts, '$.tenant_id'), member(facts, '$.tenant'), member(facts, '$.Tenant')
    ) as tenant_id,
    case
        when event_type = 'agent_invoked' then request_created_at::varchar
        else coalesce(nullif(response_created_at::varchar, ''), request_created_at::varchar)
    end as "timestamp",
    request_id::varchar as invocation_id,
    session_id as conversation_id,
    session_id,
    user_id,
    case when event_type <> 'agent_invoked' then latency_ms end as duration_ms,
    case when event_type = 'agent_errored' then error_type end as error_type
from events

-- stream: llm_calls
select
    row_number,
    request_id::varchar as llm_call_id,
    request_id::varchar as invocation_id,
    request_created_at::varchar as "timestamp",
    model,
    lower(provider) as provider,
    case
        when prompt < cached or (cached > 0 and lower(provider) = 'anthropic')
            then (prompt + cached)::varchar
        else prompt_tokens::varchar
    end as input_tokens,
    completion_tokens::varchar as output_tokens,
    prompt_cache_read_tokens::varchar as cache_read_tokens,
    prompt_cache_write_tokens::varchar as cache_write_tokens,
    latency_ms,
    case
        when try_cast(cost::varchar as bigint) <> 0 or is_error
            then (try_cast(cost::varchar as decimal(18, 0)) * 0.000000001)::varchar
    end as cost_usd,
    case when is_error then 'error' else 'ok' end as status,
    case when is_error then error_type end as error_type
from requests
where not is_open
