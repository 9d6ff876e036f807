-- The LiteLLM proxy's table of requests, LiteLLM_SpendLogs, as csv, Parquet or JSON lines.
--
-- adapter: litellm_spend_logs
-- version: 1
-- fields: request_id, call_type, spend decimal, prompt_tokens, completion_tokens
-- fields: startTime as started, endTime as ended, request_duration_ms, model, model_group
-- fields: custom_llm_provider, user as key_owner, end_user, team_id, organization_id, agent_id
-- fields: session_id, status, mcp_namespaced_tool_name, cache_hit, metadata
-- private: messages, response, proxy_server_request, metadata, user, end_user, requester_ip_address, api_key
-- private: request_tags
--
-- A proxy sees requests, not messages, so each request is one invocation with one model call; requests of one
-- session share its id. Requests to tools (MCP) are tool calls. The user is the end user, or else the owner of
-- the key; the tenant is the team, or else the organization.
-- Prompt tokens hold cached ones, as everywhere in the proxy's log; rows of versions that left them out are told
-- by a prompt smaller than its cached part. Cached tokens have up to three names, which are the same tokens.
-- A spend of 0 for a request that used tokens, was not answered from the proxy's cache and did not fail means
-- that the proxy knows no price.
--
-- table: requests
select
    * replace (coalesce(model, model_group) as model),
    coalesce(nullif(end_user, ''), key_owner) as user_id,
    coalesce(nullif(team_id, ''), organization_id) as tenant_id,
    nullif(mcp_namespaced_tool_name, '') as tool_name,
    lower(coalesce(status, '')) in ('failure', 'failed', 'error') as is_error,
    coalesce(
        nullif(request_duration_ms::varchar, ''), ms_between(utc(started), utc(ended))::varchar
    ) as duration_ms,
    coalesce(
        member(facts, '$.error_information.error_class'),
        'http_' || member(facts, '$.error_information.error_code'),
        'error'
    ) as error_type,
    try_cast(prompt_tokens::varchar as bigint) as prompt,
    coalesce(
        member(facts, '$.usage_object.prompt_tokens_details.cached_tokens'),
        member(facts, '$.usage_object.cache_read_input_tokens'),
        member(facts, '$.additional_usage_values.prompt_tokens_details.cached_tokens'),
        member(facts, '$.additional_usage_values.cache_read_input_tokens')
    ) as cache_read_tokens,
    coalesce(
        member(facts, '$.usage_object.cache_creation_input_tokens'),
        member(facts, '$.usage_object.prompt_tokens_details.cache_creation_tokens'),
        member(facts, '$.additional_usage_values.cache_creation_input_tokens')
    ) as cache_write_tokens,
    coalesce(
        member(facts, '$.usage_object.completion_tokens_details.reasoning_tokens'),
        member(facts, '$.additional_usage_values.completion_tokens_details.reasoning_tokens')
    ) as reasoning_tokens
from (
    select
        *,
        nested_text(metadata) as facts
    from raw_rows
)

-- stream: agent_events
with events as (
    select
        *,
        unnest(case
            when tool_name is not null and is_error then ['tool_called', 'tool_failed']
            when tool_name is not null then ['tool_called']
            when is_error then ['agent_invoked', 'agent_errored']
            else ['agent_invoked', 'agent_completed']
        end) as event_type
    from requests
)

select
    row_number,
    request_id || case event_type
        when 'agent_invoked' then ':invoked'
        when 'tool_called' then ':called'
        when 'tool_failed' then ':failed'
        else ':ended'
    end as id,
    event_type,
    nullif(agent_id, '') as agent_id,
    tenant_id,
    case
        when event_type in ('agent_invoked', 'tool_called') then started
        else coalesce(ended, started)
    end::varchar as "timestamp",
    case when tool_name is null then request_id end as invocation_id,
    case when tool_name is null then session_id end as conversation_id,
    case when tool_name is null then session_id end as session_id,
    case when tool_name is null then user_id end as user_id,
    case when event_type <> 'agent_invoked' then duration_ms end as duration_ms,
    case when event_type in ('agent_errored', 'tool_failed') then error_type end as error_type,
    tool_name,
    case when tool_name is not null then request_id end as tool_call_id,
    nullif(call_type, '') as call_type
from events

-- stream: llm_calls
select
    row_number,
    request_id as llm_call_id,
    request_id as invocation_id,
    started::varchar as "timestamp",
    model,
    custom_llm_provider as provider,
    case
        when prompt < cached then (prompt + cached)::varchar
        else prompt_tokens::varchar
    end as input_tokens,
    completion_tokens::varchar as output_tokens,
    cache_read_tokens,
    cache_write_tokens,
    reasoning_tokens,
    duration_ms as latency_ms,
    case
        when try_cast(spend as double) <> 0 or is_error or lower(cache_hit::varchar) = 'true'
            then spend::varchar
    end as cost_usd,
    case when is_error then 'error' else 'ok' end as status,
    case when is_error then error_type end as error_type,
    nullif(call_type, '') as call_type
from (
    select
        *,
        coalesce(try_cast(cache_read_tokens as bigint), 0)
        + coalesce(try_cast(cache_write_tokens as bigint), 0) as cached
    from requests
    where tool_name is null
)
