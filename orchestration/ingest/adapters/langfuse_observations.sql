-- Langfuse's export of observations (`observations_v2`: JSON lines, csv or Parquet).
--
-- adapter: langfuse_observations
-- version: 1
-- fields: id, trace_id, type, parent_observation_id, environment, name, trace_name, level
-- fields: status_message, version, release, start_time, end_time, latency, user_id, session_id
-- fields: provided_model_name, usage_details, cost_details, total_cost decimal, metadata
-- private: status_message, metadata, input, output, model_parameters, tool_calls, tool_definitions
--
-- A trace is one message: its root observation begins and ends it, and all model calls and tools below belong
-- to it. Ids are made of the trace's, so a trace with several roots is still one message; agents called within
-- it are parts of it. Files may cut a trace anywhere: what has its parent in no row of the file only says when
-- the message began at the latest, unless it is an agent: its parent may be a span that Langfuse never got.
-- An observation that is still open has no end yet: it comes again in a later file.
-- Rows of Langfuse's own evaluators (environments `langfuse-...`) are no messages of an agent.
-- Tenant, publisher and agent may stand in the metadata; the agent is else the trace's name.
-- A latency is in seconds or in milliseconds, by the age of the export: the row's own times tell, else those
-- of the file's other rows, else it is seconds. Without a latency the times are the duration.
--
-- table: readings
select
    * replace (nested_text(metadata) as metadata),
    nullif(parent_observation_id, '') as parent_id,
    nullif(end_time::varchar, '') is not null as is_ended,
    coalesce(level, '') = 'ERROR' as is_error,
    type in ('GENERATION', 'EMBEDDING') as is_model_call,
    type in ('AGENT', 'SPAN', 'CHAIN', 'GENERATION', 'EMBEDDING') as may_be_message,
    try_cast(latency as double) as raw_latency,
    ms_between(utc(start_time), utc(end_time)) as passed_ms,
    plain_members(nested_text(cost_details)) as costs,
    usage_members(nested_text(usage_details)) as usage
from raw_rows
where not starts_with(coalesce(environment, ''), 'langfuse-')

-- table: units
select
    count(*) filter (where is_in_ms(raw_latency, passed_ms))
    > count(*) filter (where not is_in_ms(raw_latency, passed_ms)) as are_mostly_ms
from readings

-- table: observations
select
    readings.* exclude (usage),
    readings.parent_id is null and readings.may_be_message as is_root,
    readings.parent_id is not null and parents.id is null and readings.may_be_message as is_orphan,
    usage_counts(readings.usage) as counts,
    coalesce(
        case
            when coalesce(
                is_in_ms(readings.raw_latency, readings.passed_ms), units.are_mostly_ms
            ) then readings.raw_latency
            else readings.raw_latency * 1000
        end,
        readings.passed_ms
    )::varchar as latency_ms
from readings
cross join units
left join (
    select distinct
        trace_id,
        id
    from readings
) as parents
    on readings.trace_id = parents.trace_id and readings.parent_id = parents.id

-- stream: agent_events
with events as (
    select
        *,
        unnest(list_filter([
            case when is_root or is_orphan then 'agent_invoked' end,
            case
                when not is_ended or not (is_root or (is_orphan and type = 'AGENT')) then null
                when is_error then 'agent_errored'
                else 'agent_completed'
            end,
            case when type = 'TOOL' then 'tool_called' end,
            case when type = 'TOOL' and is_error then 'tool_failed' end
        ], lambda event_type: event_type is not null)) as event_type
    from observations
)

select
    row_number,
    case event_type
        when 'agent_invoked' then trace_id || ':invoked'
        when 'tool_called' then id || ':called'
        when 'tool_failed' then id || ':failed'
        else trace_id || ':ended'
    end as id,
    event_type,
    coalesce(
        member(metadata, '$.agent_id'), nullif(trace_name, ''), case when type <> 'TOOL' then name end
    ) as agent_id,
    member(metadata, '$.publisher_id') as publisher_id,
    member(metadata, '$.tenant_id') as tenant_id,
    case
        when event_type in ('agent_invoked', 'tool_called') or not is_ended then start_time
        else end_time
    end::varchar as "timestamp",
    trace_id as invocation_id,
    case when type <> 'TOOL' then session_id end as conversation_id,
    case when type <> 'TOOL' then session_id end as session_id,
    case when type <> 'TOOL' then user_id end as user_id,
    case
        when event_type in ('agent_completed', 'agent_errored')
            then coalesce(nullif(version, ''), release)
    end as agent_version,
    case when event_type <> 'agent_invoked' then latency_ms end as duration_ms,
    case
        when event_type in ('agent_errored', 'tool_failed') then error_class(status_message)
    end as error_type,
    case when type = 'TOOL' then regexp_replace(name, '^execute_tool ', '') end as tool_name,
    case when type = 'TOOL' then id end as tool_call_id,
    nullif(environment, '') as environment
from events

-- stream: llm_calls
-- One row per model call. A wrapper that repeats the usage of the calls below it lands too: it is told by the
-- parent ids once all files are in. So that observations of other types between the two do not hide it, the
-- parent of a call is the nearest model call above it, as far as the file goes.
-- Usage keys differ by provider and may leave cached and reasoning tokens out of the plain counts; the total
-- tells (usage_input). A cost of 0 without details means that Langfuse knows no price, not that it was free.
with recursive others as (
    select distinct trace_id, id, parent_id
    from observations
    where not is_model_call
),

ancestors as (
    select distinct trace_id, id, parent_id as ancestor_id
    from observations
    where is_model_call
    union
    select ancestors.trace_id, ancestors.id, others.parent_id
    from ancestors
    inner join others
        on ancestors.trace_id = others.trace_id and ancestors.ancestor_id = others.id
),

nearest as (
    select ancestors.trace_id, ancestors.id, min(ancestors.ancestor_id) as parent_id
    from ancestors
    left join others
        on ancestors.trace_id = others.trace_id and ancestors.ancestor_id = others.id
    where others.id is null
    group by ancestors.trace_id, ancestors.id
),

calls as (
    select
        *,
        usage_input(counts) as input_tokens,
        usage_output(counts) as output_tokens
    from observations
    where is_model_call
)

select
    calls.row_number,
    calls.id as llm_call_id,
    calls.trace_id as invocation_id,
    calls.start_time::varchar as "timestamp",
    calls.provided_model_name as model,
    model_provider(calls.metadata) as provider,
    calls.id as span_id,
    nearest.parent_id as parent_span_id,
    calls.input_tokens,
    calls.output_tokens,
    calls.counts.cache_read as cache_read_tokens,
    calls.counts.cache_write as cache_write_tokens,
    calls.counts.reasoning as reasoning_tokens,
    calls.latency_ms,
    known_cost(total_cost := calls.total_cost, costs := calls.costs) as cost_usd,
    case when calls.is_error then 'error' else 'ok' end as status,
    case when calls.is_error then error_class(calls.status_message) end as error_type,
    nullif(calls.environment, '') as environment
from calls
left join nearest on calls.trace_id = nearest.trace_id and calls.id = nearest.id
where calls.is_ended or calls.input_tokens + calls.output_tokens > 0
