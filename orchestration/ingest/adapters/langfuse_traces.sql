-- Traces as Langfuse's API gives them, one object per file or line: the trace with its observations and scores,
-- either beside each other (`trace`, `observations`) or one inside the other.
--
-- adapter: langfuse_traces
-- version: 1
-- fields: trace.id as inner_id, trace.name as inner_name, trace.userId as inner_user
-- fields: trace.sessionId as inner_session, trace.environment as inner_environment
-- fields: trace.version as inner_version, trace.release as inner_release
-- fields: trace.metadata as inner_metadata, trace.scores as inner_scores
-- fields: id, name, userId, sessionId, environment, version, release, metadata, scores, observations
-- private: *
--
-- Means the same as the export of observations, whose names differ: see langfuse_observations and
-- langfuse_scores. As the whole trace is at hand, its first root begins the message and its last one ends it;
-- a root is what has its parent nowhere in the trace.
--
-- table: traces
select
    row_number,
    coalesce(inner_id, id) as trace_id,
    coalesce(inner_name, name) as trace_name,
    coalesce(inner_user, userid) as user_id,
    coalesce(inner_session, sessionid) as session_id,
    coalesce(inner_environment, environment) as environment,
    coalesce(nullif(inner_version, ''), version, inner_release, release) as agent_version,
    nested_text(coalesce(inner_metadata, metadata)) as facts,
    nested_text(observations) as observations,
    nested_text(coalesce(inner_scores, scores)) as scores
from raw_rows
where not starts_with(coalesce(inner_environment, environment, ''), 'langfuse-')

-- table: observations
select
    * exclude (observation, known_ids),
    observation.id as observation_id,
    observation.type as type,
    nullif(observation.parentobservationid, '') as parent_id,
    observation.name as name,
    observation.starttime as started,
    nullif(observation.endtime, '') as ended,
    coalesce(observation.level, '') = 'ERROR' as is_error,
    error_class(observation.statusmessage) as error_type,
    observation.type in ('GENERATION', 'EMBEDDING') as is_model_call,
    (
        nullif(observation.parentobservationid, '') is null
        or not list_contains(known_ids, observation.parentobservationid)
    )
    and observation.type in ('AGENT', 'SPAN', 'CHAIN', 'GENERATION', 'EMBEDDING') as is_root,
    coalesce(observation.model, observation.providedmodelname) as model,
    observation.metadata as metadata,
    observation.totalcost as total_cost,
    plain_members(observation.costdetails) as costs,
    usage_members(observation.usagedetails) as usage,
    coalesce(
        case
            when coalesce(is_in_ms(
                try_cast(observation.latency as double),
                ms_between(utc(observation.starttime), utc(observation.endtime))
            ), true) then try_cast(observation.latency as double)
            else try_cast(observation.latency as double) * 1000
        end,
        ms_between(utc(observation.starttime), utc(observation.endtime))
    )::varchar as latency_ms
from (
    select
        * exclude (listed),
        list_transform(listed, lambda one: one.id) as known_ids,
        unnest(listed) as observation
    from (
        select
            * exclude (observations),
            from_json(observations, '[{
                "id": "VARCHAR", "type": "VARCHAR", "parentObservationId": "VARCHAR", "name": "VARCHAR",
                "startTime": "VARCHAR", "endTime": "VARCHAR", "level": "VARCHAR",
                "statusMessage": "VARCHAR", "model": "VARCHAR", "providedModelName": "VARCHAR",
                "metadata": "VARCHAR", "totalCost": "VARCHAR", "costDetails": "VARCHAR",
                "usageDetails": "VARCHAR", "latency": "VARCHAR"
            }]') as listed
        from traces
    )
)

-- table: trace_scores
select
    * exclude (score),
    score.id as score_id,
    score.name as score_name,
    score.source as score_source,
    score.timestamp as scored_at,
    score.comment as comment,
    score.value as value,
    try_cast(score.value as double) as number
from (
    select
        * exclude (scores),
        unnest(from_json(scores, '[{
            "id": "VARCHAR", "name": "VARCHAR", "source": "VARCHAR", "timestamp": "VARCHAR",
            "comment": "VARCHAR", "value": "VARCHAR", "dataType": "VARCHAR"
        }]')) as score
    from traces
)
where score.datatype = 'NUMERIC'

-- stream: agent_events
with messages as (
    select
        row_number,
        min(started) as started,
        case when count(*) = count(ended) then max(ended) end as ended,
        bool_or(is_error) as is_error,
        min(error_type) filter (where is_error) as error_type
    from observations
    where is_root
    group by row_number
),

events as (
    select
        row_number,
        trace_id || ':invoked' as id,
        'agent_invoked' as event_type,
        started as "timestamp",
        null as duration_ms,
        null as error_type,
        null as tool_name,
        null as tool_call_id
    from messages
    inner join traces using (row_number)
    union all
    select
        row_number,
        trace_id || ':ended',
        case when is_error then 'agent_errored' else 'agent_completed' end,
        ended,
        ms_between(utc(started), utc(ended))::varchar,
        error_type,
        null,
        null
    from messages
    inner join traces using (row_number)
    where ended is not null
    union all
    select
        row_number,
        observation_id || ':called',
        'tool_called',
        started,
        latency_ms,
        null,
        regexp_replace(name, '^execute_tool ', ''),
        observation_id
    from observations
    where type = 'TOOL'
    union all
    select
        row_number,
        observation_id || ':failed',
        'tool_failed',
        coalesce(ended, started),
        latency_ms,
        error_type,
        regexp_replace(name, '^execute_tool ', ''),
        observation_id
    from observations
    where type = 'TOOL' and is_error
)

select
    events.row_number,
    events.id,
    events.event_type,
    coalesce(member(traces.facts, '$.agent_id'), traces.trace_name) as agent_id,
    member(traces.facts, '$.publisher_id') as publisher_id,
    member(traces.facts, '$.tenant_id') as tenant_id,
    events."timestamp",
    traces.trace_id as invocation_id,
    case when starts_with(events.event_type, 'agent') then traces.session_id end as conversation_id,
    case when starts_with(events.event_type, 'agent') then traces.session_id end as session_id,
    case when starts_with(events.event_type, 'agent') then traces.user_id end as user_id,
    case when events.id = traces.trace_id || ':ended' then traces.agent_version end as agent_version,
    events.duration_ms,
    events.error_type,
    events.tool_name,
    events.tool_call_id,
    null as rating,
    null as comment,
    nullif(traces.environment, '') as environment
from events
inner join traces on events.row_number = traces.row_number
union all
select
    row_number,
    score_id,
    'user_feedback',
    coalesce(member(facts, '$.agent_id'), trace_name),
    member(facts, '$.publisher_id'),
    member(facts, '$.tenant_id'),
    scored_at,
    trace_id,
    session_id,
    null,
    user_id,
    null,
    null,
    null,
    null,
    null,
    number::integer::varchar,
    comment,
    nullif(environment, '')
from trace_scores
where score_source in ('API', 'ANNOTATION')
    and number between 1 and 5
    and number = floor(number)
    and (is_rating_name(score_name) or (is_feedback_name(score_name) and number > 1))

-- stream: llm_calls
with recursive ancestors as (
    select distinct row_number, observation_id, parent_id as ancestor_id
    from observations
    where is_model_call
    union
    select ancestors.row_number, ancestors.observation_id, others.parent_id
    from ancestors
    inner join observations as others
        on ancestors.row_number = others.row_number
        and ancestors.ancestor_id = others.observation_id
        and not others.is_model_call
),

nearest as (
    select ancestors.row_number, ancestors.observation_id, min(ancestors.ancestor_id) as parent_id
    from ancestors
    left join observations as others
        on ancestors.row_number = others.row_number
        and ancestors.ancestor_id = others.observation_id
        and not others.is_model_call
    where others.observation_id is null
    group by ancestors.row_number, ancestors.observation_id
),

calls as (
    select
        *,
        usage_input(counts) as input_tokens,
        usage_output(counts) as output_tokens
    from (
        select
            *,
            usage_counts(usage) as counts
        from observations
        where is_model_call
    )
)

select
    calls.row_number,
    calls.observation_id as llm_call_id,
    calls.trace_id as invocation_id,
    calls.started as "timestamp",
    calls.model,
    model_provider(calls.metadata) as provider,
    calls.observation_id as span_id,
    nearest.parent_id as parent_span_id,
    calls.input_tokens,
    calls.output_tokens,
    calls.counts.cache_read as cache_read_tokens,
    calls.counts.cache_write as cache_write_tokens,
    calls.counts.reasoning as reasoning_tokens,
    calls.latency_ms,
    known_cost(total_cost := calls.total_cost, costs := calls.costs) as cost_usd,
    case when calls.is_error then 'error' else 'ok' end as status,
    case when calls.is_error then calls.error_type end as error_type,
    nullif(calls.environment, '') as environment
from calls
left join nearest
    on calls.row_number = nearest.row_number and calls.observation_id = nearest.observation_id
where calls.ended is not null or calls.input_tokens + calls.output_tokens > 0

-- stream: quality_scores
select
    row_number,
    score_id,
    coalesce(nullif(session_id, ''), trace_id) as conversation_id,
    member(facts, '$.tenant_id') as tenant_id,
    coalesce(member(facts, '$.agent_id'), trace_name) as agent_id,
    quality_dimension(score_name) as dimension,
    value as score,
    scored_at as judged_at,
    score_source
from trace_scores
where quality_dimension(score_name) is not null
