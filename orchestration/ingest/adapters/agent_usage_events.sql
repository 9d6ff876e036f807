-- The platform's table `agent_usage_events`: one row per response of an agent.
--
-- adapter: agent_usage_events
-- version: 1
-- fields: response_id, event_id, id, created_at, timestamp as responded_at
-- fields: customer_id, publisher_id, agent_id, agent_name, agent_type_id, agent_type_name
-- fields: model_used, provider, input_tokens, output_tokens, total_tokens, cached_tokens, cost_usd decimal
-- fields: response_time_ms, user_id, session_id, conversation_id, instance_id, status, error_type
-- private: prompt, response, message, content, error_message
--
-- A response is the end of an invocation; the table has no row for the request before it. response_time_ms is
-- the time of the model alone (llm_latency_ms), not the time the user waited.
-- Where only the total is recorded, the part that is not output was input, and the other way round.
-- The agent's type comes with each response, so a state of the agent lands wherever its type or name differs
-- from the agent's response before it.
--
-- table: responses
select
    *,
    coalesce(nullif(response_id::varchar, ''), nullif(event_id::varchar, ''), id::varchar) as response,
    coalesce(nullif(responded_at::varchar, ''), created_at::varchar) as ended_at,
    lower(coalesce(status::varchar, '')) in ('error', 'errored', 'failed', 'failure')
    or nullif(error_type, '') is not null as is_error
from raw_rows

-- stream: agent_events
select
    row_number,
    response as id,
    case when is_error then 'agent_errored' else 'agent_completed' end as event_type,
    agent_id::varchar as agent_id,
    publisher_id::varchar as publisher_id,
    customer_id::varchar as tenant_id,
    ended_at as "timestamp",
    response as invocation_id,
    conversation_id::varchar as conversation_id,
    session_id::varchar as session_id,
    user_id::varchar as user_id,
    instance_id::varchar as instance_id,
    model_used as model,
    provider,
    coalesce(
        nullif(input_tokens::varchar, ''),
        (try_cast(total_tokens::varchar as bigint) - try_cast(output_tokens::varchar as bigint))::varchar
    ) as input_tokens,
    coalesce(
        nullif(output_tokens::varchar, ''),
        (try_cast(total_tokens::varchar as bigint) - try_cast(input_tokens::varchar as bigint))::varchar
    ) as output_tokens,
    cached_tokens::varchar as cache_read_tokens,
    response_time_ms::varchar as llm_latency_ms,
    cost_usd::varchar as cost_usd,
    case when is_error then coalesce(nullif(error_type, ''), 'error') end as error_type
from responses

-- stream: agents
select
    row_number,
    agent_id::varchar as agent_id,
    coalesce(nullif(agent_name, ''), agent_id::varchar) as agent_name,
    agent_type_id::varchar as agent_type_id,
    agent_type_name,
    publisher_id::varchar as publisher_id,
    ended_at as updated_at
from (
    select
        *,
        lag({'type': agent_type_id, 'label': agent_type_name, 'name': agent_name}) over (
            partition by agent_id
            order by utc(ended_at) asc, row_number asc
        ) as before
    from responses
    where nullif(agent_type_id::varchar, '') is not null
)
where before is distinct from {'type': agent_type_id, 'label': agent_type_name, 'name': agent_name}
