-- Spans of agents and models as OpenTelemetry exports them: OTLP JSON lines (resourceSpans, resourceLogs), or one
-- span per line, in OTLP names or as an SDK prints it. Attribute names of the GenAI conventions (now and before 2026),
-- OpenInference, OpenLLMetry and OpenLIT.
--
-- adapter: otel
-- version: 1
-- fields: resourceSpans as resource_spans, resourceLogs as resource_logs
-- fields: traceId as trace_id, spanId as span_id, parentSpanId as parent_span_id
-- fields: name, kind, attributes, events, resource
-- fields: startTimeUnixNano as start_ns, endTimeUnixNano as end_ns
-- fields: context.trace_id as sdk_trace_id, context.span_id as sdk_span_id, parent_id as sdk_parent_id
-- fields: start_time as sdk_start, end_time as sdk_end
-- fields: status.code as status_code, status.status_code as sdk_status_code
-- private: *
--
-- Only attributes named below are read, so prompts, completions, arguments and messages of errors reach nothing. A line
-- holds many spans and may hold prompts, so the quarantine keeps none of its text.
--
-- table: otel_names
-- What a field is called, the better name first. A resource's attribute counts after every span's.
select
    names.field,
    names.attribute,
    names.rank
from (
    values
    ('operation', 'gen_ai.operation.name', 1),
    ('openinference_kind', 'openinference.span.kind', 1),
    ('traceloop_kind', 'traceloop.span.kind', 1),
    ('request_type', 'llm.request.type', 1),
    ('model', 'gen_ai.response.model', 1),
    ('model', 'llm.response.model_name', 2),
    ('model', 'gen_ai.request.model', 3),
    ('model', 'llm.model_name', 4),
    ('model', 'llm.request.model_name', 5),
    ('model', 'embedding.model_name', 6),
    ('provider', 'gen_ai.provider.name', 1),
    ('provider', 'gen_ai.system', 2),
    ('provider', 'llm.provider', 3),
    ('provider', 'llm.system', 4),
    ('input_tokens', 'gen_ai.usage.input_tokens', 1),
    ('input_tokens', 'gen_ai.usage.prompt_tokens', 2),
    ('input_tokens', 'llm.token_count.prompt', 3),
    ('input_tokens', 'llm.usage.prompt_tokens', 4),
    ('output_tokens', 'gen_ai.usage.output_tokens', 1),
    ('output_tokens', 'gen_ai.usage.completion_tokens', 2),
    ('output_tokens', 'llm.token_count.completion', 3),
    ('output_tokens', 'llm.usage.completion_tokens', 4),
    ('total_tokens', 'gen_ai.usage.total_tokens', 1),
    ('total_tokens', 'llm.usage.total_tokens', 2),
    ('total_tokens', 'llm.token_count.total', 3),
    ('cache_read_tokens', 'gen_ai.usage.cache_read.input_tokens', 1),
    ('cache_read_tokens', 'gen_ai.usage.cache_read_input_tokens', 2),
    ('cache_read_tokens', 'llm.token_count.prompt_details.cache_read', 3),
    ('cache_write_tokens', 'gen_ai.usage.cache_creation.input_tokens', 1),
    ('cache_write_tokens', 'gen_ai.usage.cache_creation_input_tokens', 2),
    ('cache_write_tokens', 'llm.token_count.prompt_details.cache_write', 3),
    ('reasoning_tokens', 'gen_ai.usage.reasoning.output_tokens', 1),
    ('reasoning_tokens', 'gen_ai.usage.reasoning_tokens', 2),
    ('reasoning_tokens', 'llm.usage.reasoning_tokens', 3),
    ('reasoning_tokens', 'llm.token_count.completion_details.reasoning', 4),
    ('cost', 'gen_ai.usage.cost', 1),
    ('cost', 'gen_ai.usage.cost_usd', 2),
    ('cost', 'gen_ai.usage.cost.total', 3),
    ('cost', 'gen_ai.usage.total_cost', 4),
    ('cost', 'llm.usage.cost', 5),
    ('cost', 'llm.cost.total', 6),
    ('input_cost', 'gen_ai.usage.input_cost', 1),
    ('input_cost', 'llm.cost.prompt', 2),
    ('output_cost', 'gen_ai.usage.output_cost', 1),
    ('output_cost', 'llm.cost.completion', 2),
    ('agent_id', 'gen_ai.agent.id', 1),
    ('agent_id', 'gen_ai.agent.name', 2),
    ('agent_id', 'agent.name', 3),
    ('agent_version', 'gen_ai.agent.version', 1),
    ('agent_version', 'service.version', 2),
    ('entity', 'traceloop.entity.name', 1),
    ('workflow', 'gen_ai.workflow.name', 1),
    ('workflow', 'traceloop.workflow.name', 2),
    ('service', 'service.name', 1),
    ('instance_id', 'service.instance.id', 1),
    ('tool_name', 'gen_ai.tool.name', 1),
    ('tool_name', 'tool.name', 2),
    ('tool_name', 'tool_call.function.name', 3),
    ('tool_call_id', 'gen_ai.tool.call.id', 1),
    ('tool_call_id', 'tool_call.id', 2),
    ('conversation_id', 'gen_ai.conversation.id', 1),
    ('conversation_id', 'traceloop.association.properties.conversation_id', 2),
    ('conversation_id', 'traceloop.association.properties.chat_id', 3),
    ('conversation_id', 'traceloop.association.properties.thread_id', 4),
    ('session_id', 'session.id', 1),
    ('session_id', 'traceloop.association.properties.session_id', 2),
    ('user_id', 'user.id', 1),
    ('user_id', 'enduser.id', 2),
    ('user_id', 'llm.user', 3),
    ('user_id', 'traceloop.association.properties.user_id', 4),
    ('tenant_id', 'tenant.id', 1),
    ('tenant_id', 'tenant_id', 2),
    ('tenant_id', 'traceloop.association.properties.tenant_id', 3),
    ('publisher_id', 'publisher.id', 1),
    ('publisher_id', 'publisher_id', 2),
    ('publisher_id', 'traceloop.association.properties.publisher_id', 3),
    ('error_type', 'error.type', 1),
    ('exception_type', 'exception.type', 1),
    ('event_name', 'event.name', 1),
    ('evaluation', 'gen_ai.evaluation.name', 1),
    ('score', 'gen_ai.evaluation.score.value', 1)
) as names (field, attribute, rank)

-- table: otel_items
-- Spans as they come, in one shape. A member may be any text, which reads as nothing.
with envelopes as (
    select
        row_number,
        unnest(try(from_json(
            resource_spans,
            '[{
                "resource": {"attributes": "JSON"},
                "scopeSpans": [{"spans": ["JSON"]}],
                "instrumentationLibrarySpans": [{"spans": ["JSON"]}]
            }]'
        ))) as envelope
    from raw_rows
    where resource_spans is not null
),

scopes as (
    select
        row_number,
        envelope.resource.attributes as resource_attributes,
        unnest(coalesce(envelope.scopespans, envelope.instrumentationlibraryspans)) as scope
    from envelopes
),

documents as (
    select
        row_number,
        resource_attributes::varchar as resource_attributes,
        unnest(scope.spans)::varchar as document
    from scopes
),

spans as (
    select
        row_number,
        resource_attributes,
        from_json(
            document,
            '{
                "traceId": "VARCHAR", "spanId": "VARCHAR", "parentSpanId": "VARCHAR",
                "name": "VARCHAR", "kind": "VARCHAR",
                "startTimeUnixNano": "VARCHAR", "endTimeUnixNano": "VARCHAR",
                "status": {"code": "VARCHAR"},
                "attributes": "VARCHAR", "events": "VARCHAR"
            }'
        ) as span
    from documents
),

collected as (
    select
        row_number,
        span.traceid as trace_id,
        span.spanid as span_id,
        span.parentspanid as parent_span_id,
        span.name,
        span.kind,
        span.startTimeUnixNano as started,
        span.endTimeUnixNano as ended,
        span.status.code as status_code,
        span.attributes,
        span.events,
        resource_attributes
    from spans
    union all
    select
        row_number,
        coalesce(trace_id, sdk_trace_id) as trace_id,
        coalesce(span_id, sdk_span_id) as span_id,
        coalesce(parent_span_id, sdk_parent_id) as parent_span_id,
        name,
        kind,
        coalesce(start_ns, sdk_start) as started,
        coalesce(end_ns, sdk_end) as ended,
        coalesce(status_code, sdk_status_code) as status_code,
        attributes,
        events,
        case when json_valid(resource) then json_extract(resource, '$.attributes')::varchar end as resource_attributes
    from raw_rows
    where coalesce(span_id, sdk_span_id) is not null
)

select
    row_number() over () as item,
    row_number,
    nullif(regexp_replace(lower(trace_id), '^0x', ''), '') as trace_id,
    nullif(regexp_replace(lower(span_id), '^0x', ''), '') as span_id,
    -- The root names no parent, an empty one or zeros.
    nullif(regexp_replace(regexp_replace(lower(parent_span_id), '^0x', ''), '^0*$', ''), '') as parent_span_id,
    name,
    regexp_replace(upper(kind), '^.*[._]', '') as kind,
    started,
    -- Nanoseconds, or text: never through a binary float. An open span ends at 0.
    coalesce(
        try_cast(started as hugeint) // 1000,
        epoch_us(try_cast(started as timestamptz))
    )::bigint as started_us,
    nullif(coalesce(
        try_cast(ended as hugeint) // 1000,
        epoch_us(try_cast(ended as timestamptz))
    )::bigint, 0) as ended_us,
    coalesce(regexp_replace(upper(status_code), '^.*[._]', '') in ('2', 'ERROR'), false) as is_failed,
    attributes,
    events,
    resource_attributes
from collected

-- table: otel_events
-- Events of spans, and log records that are evaluations.
with of_spans as (
    select
        item,
        row_number,
        trace_id,
        span_id,
        started_us,
        resource_attributes,
        unnest(try(from_json(
            events,
            '[{"name": "VARCHAR", "timeUnixNano": "VARCHAR", "timestamp": "VARCHAR", "attributes": "VARCHAR"}]'
        ))) as event
    from otel_items
    where events is not null
),

envelopes as (
    select
        row_number,
        unnest(try(from_json(
            resource_logs,
            '[{"resource": {"attributes": "JSON"}, "scopeLogs": [{"logRecords": ["JSON"]}]}]'
        ))) as envelope
    from raw_rows
    where resource_logs is not null
),

scopes as (
    select
        row_number,
        envelope.resource.attributes::varchar as resource_attributes,
        unnest(envelope.scopelogs) as scope
    from envelopes
),

documents as (
    select
        row_number,
        resource_attributes,
        unnest(scope.logrecords)::varchar as document
    from scopes
),

records as (
    select
        row_number,
        resource_attributes,
        from_json(
            document,
            '{
                "traceId": "VARCHAR", "spanId": "VARCHAR", "eventName": "VARCHAR",
                "timeUnixNano": "VARCHAR", "observedTimeUnixNano": "VARCHAR", "attributes": "VARCHAR"
            }'
        ) as record
    from documents
),

collected as (
    select
        item,
        row_number,
        trace_id,
        span_id,
        event.name as event_name,
        coalesce(event.timeunixnano, event.timestamp) as happened,
        event.attributes,
        resource_attributes
    from of_spans
    union all
    select
        null as item,
        row_number,
        lower(record.traceid) as trace_id,
        lower(record.spanid) as span_id,
        record.eventname as event_name,
        coalesce(nullif(record.timeunixnano, '0'), record.observedtimeunixnano) as happened,
        record.attributes,
        resource_attributes
    from records
)

select
    -- Below 0, so that no event has the number of a span.
    -row_number() over () as event,
    item,
    row_number,
    trace_id,
    span_id,
    event_name,
    happened,
    coalesce(
        try_cast(happened as hugeint) // 1000,
        epoch_us(try_cast(happened as timestamptz))
    )::bigint as happened_us,
    attributes,
    resource_attributes
from collected

-- table: otel_values
-- One row per span or event and field that has a value. An attribute given as a list of key and typed value, or as a
-- member of a plain object.
with holders as (
    select
        item as holder,
        attributes,
        0 as penalty
    from otel_items
    union all
    select
        item as holder,
        resource_attributes as attributes,
        100 as penalty
    from otel_items
    union all
    select
        event as holder,
        attributes,
        0 as penalty
    from otel_events
    union all
    select
        event as holder,
        resource_attributes as attributes,
        100 as penalty
    from otel_events
),

listed as (
    select
        holder,
        penalty,
        unnest(try(from_json(
            attributes,
            '[{
                "key": "VARCHAR",
                "value": {
                    "stringValue": "VARCHAR", "intValue": "VARCHAR", "doubleValue": "VARCHAR", "boolValue": "VARCHAR"
                }
            }]'
        ))) as pair
    from holders
    where starts_with(attributes, '[')
),

plain as (
    select
        holder,
        penalty,
        unnest(map_entries(try(from_json(attributes, '"MAP(VARCHAR,VARCHAR)"')))) as pair
    from holders
    where starts_with(attributes, '{')
),

pairs as (
    select
        holder,
        penalty,
        pair.key,
        coalesce(pair.value.stringvalue, pair.value.intvalue, pair.value.doublevalue, pair.value.boolvalue) as value
    from listed
    union all
    select
        holder,
        penalty,
        pair.key,
        pair.value
    from plain
)

select
    pairs.holder,
    otel_names.field,
    arg_min(pairs.value, pairs.penalty + otel_names.rank) as value
from pairs
inner join otel_names on pairs.key = otel_names.attribute
where pairs.value <> ''
group by
    pairs.holder,
    otel_names.field

-- table: otel_spans
-- One row per span, with what it says of itself. A span delivered twice in one piece is one span.
with fields as (
    select
        holder,
        max(value) filter (where field = 'operation') as operation,
        upper(max(value) filter (where field = 'openinference_kind')) as openinference_kind,
        lower(max(value) filter (where field = 'traceloop_kind')) as traceloop_kind,
        lower(max(value) filter (where field = 'request_type')) as request_type,
        max(value) filter (where field = 'model') as model,
        max(value) filter (where field = 'provider') as provider,
        max(value) filter (where field = 'input_tokens') as input_tokens,
        max(value) filter (where field = 'output_tokens') as output_tokens,
        try_cast(max(value) filter (where field = 'total_tokens') as bigint) as total_tokens,
        max(value) filter (where field = 'cache_read_tokens') as cache_read_tokens,
        max(value) filter (where field = 'cache_write_tokens') as cache_write_tokens,
        max(value) filter (where field = 'reasoning_tokens') as reasoning_tokens,
        max(value) filter (where field = 'cost') as cost,
        try_cast(max(value) filter (where field = 'input_cost') as decimal(38, 12)) as input_cost,
        try_cast(max(value) filter (where field = 'output_cost') as decimal(38, 12)) as output_cost,
        max(value) filter (where field = 'agent_id') as agent_id,
        max(value) filter (where field = 'agent_version') as agent_version,
        max(value) filter (where field = 'entity') as entity,
        max(value) filter (where field = 'workflow') as workflow,
        -- What an SDK says when nobody named the service is no name.
        max(value) filter (where field = 'service' and not starts_with(value, 'unknown_service')) as service,
        max(value) filter (where field = 'instance_id') as instance_id,
        max(value) filter (where field = 'tool_name') as tool_name,
        max(value) filter (where field = 'tool_call_id') as tool_call_id,
        max(value) filter (where field = 'conversation_id') as conversation_id,
        max(value) filter (where field = 'session_id') as session_id,
        max(value) filter (where field = 'user_id') as user_id,
        max(value) filter (where field = 'tenant_id') as tenant_id,
        max(value) filter (where field = 'publisher_id') as publisher_id,
        max(value) filter (where field = 'error_type') as error_type,
        max(value) filter (where field = 'exception_type') as exception_type
    from otel_values
    group by holder
),

exceptions as (
    select
        otel_events.item,
        arg_max(otel_values.value, otel_events.happened_us) as exception_type
    from otel_events
    inner join otel_values
        on
            otel_events.event = otel_values.holder
            and otel_values.field = 'exception_type'
    where otel_events.event_name = 'exception'
    group by otel_events.item
),

kinds as (
    select
        otel_items.item,
        otel_items.row_number,
        otel_items.trace_id,
        otel_items.span_id,
        otel_items.parent_span_id,
        otel_items.name,
        otel_items.kind in ('2', '5', 'SERVER', 'CONSUMER') as is_entry,
        otel_items.started,
        otel_items.started_us,
        otel_items.ended_us,
        fields.* exclude (holder, exception_type, error_type),
        -- A span with an error type failed, whether or not its status says so.
        otel_items.is_failed or fields.error_type is not null as is_failed,
        coalesce(
            fields.error_type,
            case when otel_items.is_failed then coalesce(exceptions.exception_type, fields.exception_type) end
        ) as error_type,
        coalesce(
            try_cast(fields.input_tokens as decimal(38, 0)) > 0
            or try_cast(fields.output_tokens as decimal(38, 0)) > 0
            or fields.total_tokens > 0
            or try_cast(fields.cost as decimal(38, 12)) > 0,
            false
        ) as has_usage,
        -- The convention that names the kind wins over what the other attributes let one guess.
        case
            when fields.operation in ('chat', 'generate_content', 'text_completion', 'embeddings') then 'model'
            when fields.operation = 'invoke_agent' then 'agent'
            when fields.operation = 'invoke_workflow' then 'workflow'
            when fields.operation = 'execute_tool' then 'tool'
            when fields.openinference_kind in ('LLM', 'EMBEDDING') then 'model'
            when fields.openinference_kind = 'AGENT' then 'agent'
            when fields.openinference_kind = 'CHAIN' then 'workflow'
            when fields.openinference_kind = 'TOOL' then 'tool'
            when fields.traceloop_kind in ('agent', 'workflow', 'tool') then fields.traceloop_kind
            when coalesce(fields.operation, fields.openinference_kind, fields.traceloop_kind) is not null then 'other'
            when fields.request_type in ('chat', 'completion', 'embedding') then 'model'
            when fields.model is not null and fields.provider is not null then 'model'
            else 'other'
        end as span_kind
    from otel_items
    left join fields on otel_items.item = fields.holder
    left join exceptions on otel_items.item = exceptions.item
    where
        otel_items.trace_id is not null
        and otel_items.span_id is not null
)

select
    *,
    span_kind = 'agent' as is_agent,
    -- A span of any kind that names a model and carries usage is a model call; whether it only repeats the usage of
    -- calls below it is decided in the warehouse, when all files are in.
    span_kind = 'model' or (model is not null and has_usage) as is_model
from kinds
qualify row_number() over (
    partition by trace_id, span_id
    order by ended_us desc nulls last, item asc
) = 1

-- table: otel_places
-- Where each span stands: the nearest agent and the nearest model call above it. What lies above a parent that another
-- file holds is not known here; the parent itself may be a model call.
with recursive places as (
    select
        otel_spans.trace_id,
        otel_spans.span_id,
        otel_spans.is_agent,
        otel_spans.is_model,
        null::varchar as agent_span_id,
        otel_spans.parent_span_id as model_span_id
    from otel_spans
    where
        otel_spans.parent_span_id is null
        or not exists (
            select 1
            from otel_spans as parents
            where
                parents.trace_id = otel_spans.trace_id
                and parents.span_id = otel_spans.parent_span_id
        )
    union all
    select
        children.trace_id,
        children.span_id,
        children.is_agent,
        children.is_model,
        case when places.is_agent then places.span_id else places.agent_span_id end as agent_span_id,
        case when places.is_model then places.span_id else places.model_span_id end as model_span_id
    from places
    inner join otel_spans as children
        on
            places.trace_id = children.trace_id
            and places.span_id = children.parent_span_id
)

select
    trace_id,
    span_id,
    agent_span_id,
    model_span_id
from places

-- table: otel_invocations
-- The spans that are invocations: agents, and in a trace without agents its root, if models or a workflow run below it.
-- The first agent of a trace that no agent called has the trace's id, and so has every call whose agent is not known;
-- other agents have an id of their own.
with traces as (
    select
        trace_id,
        bool_or(is_agent) as has_agent,
        bool_or(is_model) as has_model
    from otel_spans
    group by trace_id
),

candidates as (
    select
        otel_spans.trace_id,
        otel_spans.span_id,
        otel_spans.started_us,
        traces.has_agent,
        otel_spans.parent_span_id is null as is_root,
        otel_places.agent_span_id is null as is_outermost
    from otel_spans
    inner join traces on otel_spans.trace_id = traces.trace_id
    left join otel_places
        on
            otel_spans.trace_id = otel_places.trace_id
            and otel_spans.span_id = otel_places.span_id
    where
        otel_spans.is_agent
        or (
            not traces.has_agent
            and (
                otel_spans.parent_span_id is null
                -- The root may lie in a service whose spans nobody sends here.
                or (otel_spans.is_entry and otel_places.model_span_id = otel_spans.parent_span_id)
            )
            and (traces.has_model or otel_spans.span_kind = 'workflow')
        )
),

ranked as (
    select
        trace_id,
        span_id,
        has_agent,
        row_number() over (
            partition by trace_id
            order by is_outermost desc, is_root desc, started_us asc, span_id asc
        ) as place
    from candidates
)

select
    trace_id,
    span_id,
    case when place = 1 then trace_id else trace_id || '-' || span_id end as invocation_id,
    not has_agent as is_of_whole_trace
from ranked
where has_agent or place = 1

-- table: otel_owned
-- One row per span with its owner: its invocation, and who and what the trace is about where the span does not say.
with traces as (
    select
        trace_id,
        arg_min(user_id, started_us) as user_id,
        arg_min(session_id, started_us) as session_id,
        arg_min(conversation_id, started_us) as conversation_id,
        arg_min(tenant_id, started_us) as tenant_id,
        arg_min(publisher_id, started_us) as publisher_id,
        arg_min(workflow, started_us) as workflow
    from otel_spans
    group by trace_id
),

named as (
    select
        *,
        coalesce(
            agent_id,
            case when is_agent then coalesce(entity, nullif(trim(regexp_replace(name, '^invoke_agent\b', '')), '')) end
        ) as own_agent_id
    from otel_spans
),

whole_traces as (
    select
        trace_id,
        span_id
    from otel_invocations
    where is_of_whole_trace
)

select
    spans.row_number,
    spans.trace_id,
    spans.span_id,
    spans.trace_id || '-' || spans.span_id as span_key,
    spans.span_kind,
    spans.is_model,
    spans.is_failed,
    spans.error_type,
    own.invocation_id is not null as is_invocation,
    coalesce(own.invocation_id, above.invocation_id, spans.trace_id) as invocation_id,
    case when otel_places.model_span_id is not null then spans.trace_id || '-' || otel_places.model_span_id end
        as parent_span_key,
    coalesce(
        spans.own_agent_id,
        agents.own_agent_id,
        spans.workflow,
        traces.workflow,
        case when spans.span_kind = 'workflow' then spans.entity end,
        spans.service
    ) as agent_id,
    coalesce(spans.publisher_id, agents.publisher_id, traces.publisher_id) as publisher_id,
    coalesce(spans.tenant_id, agents.tenant_id, traces.tenant_id) as tenant_id,
    coalesce(spans.user_id, agents.user_id, traces.user_id) as user_id,
    coalesce(spans.session_id, agents.session_id, traces.session_id) as session_id,
    coalesce(
        spans.conversation_id,
        agents.conversation_id,
        traces.conversation_id,
        spans.session_id,
        agents.session_id,
        traces.session_id
    ) as conversation_id,
    spans.instance_id,
    spans.agent_version,
    coalesce(make_timestamp(spans.started_us)::varchar, spans.started) as started_at,
    make_timestamp(spans.ended_us)::varchar as ended_at,
    -- A clock that ran backwards gives no duration.
    case when spans.ended_us >= spans.started_us then (spans.ended_us - spans.started_us + 500) // 1000 end
        as duration_ms,
    coalesce(
        spans.tool_name,
        spans.entity,
        nullif(trim(regexp_replace(spans.name, '^execute_tool\b', '')), '')
    ) as tool_name,
    coalesce(spans.tool_call_id, spans.trace_id || '-' || spans.span_id) as tool_call_id,
    spans.model,
    spans.provider,
    spans.input_tokens,
    spans.output_tokens,
    spans.total_tokens,
    spans.cache_read_tokens,
    spans.cache_write_tokens,
    spans.reasoning_tokens,
    coalesce(
        spans.cost,
        case
            when spans.input_cost is not null or spans.output_cost is not null
                then (coalesce(spans.input_cost, 0) + coalesce(spans.output_cost, 0))::varchar
        end
    ) as cost
from named as spans
inner join traces on spans.trace_id = traces.trace_id
left join otel_places
    on
        spans.trace_id = otel_places.trace_id
        and spans.span_id = otel_places.span_id
left join otel_invocations as own
    on
        spans.trace_id = own.trace_id
        and spans.span_id = own.span_id
left join whole_traces on spans.trace_id = whole_traces.trace_id
left join otel_invocations as above
    on
        spans.trace_id = above.trace_id
        and coalesce(otel_places.agent_span_id, whole_traces.span_id) = above.span_id
left join named as agents
    on
        above.trace_id = agents.trace_id
        and above.span_id = agents.span_id

-- stream: agent_events
-- A tool that fails across midnight is called and failed on one day: attempts are counted by day. A span without an end
-- has begun and nothing more.
select
    row_number,
    span_key || '-invoked' as id,
    'agent_invoked' as event_type,
    agent_id,
    publisher_id,
    tenant_id,
    started_at as "timestamp",
    invocation_id,
    conversation_id,
    session_id,
    user_id,
    null as instance_id,
    null as agent_version,
    null as duration_ms,
    null as error_type,
    null as tool_name,
    null as tool_call_id
from otel_owned
where is_invocation
union all
select
    row_number,
    span_key || '-ended' as id,
    case when is_failed then 'agent_errored' else 'agent_completed' end as event_type,
    agent_id,
    publisher_id,
    tenant_id,
    ended_at as "timestamp",
    invocation_id,
    conversation_id,
    session_id,
    user_id,
    instance_id,
    agent_version,
    duration_ms,
    error_type,
    null as tool_name,
    null as tool_call_id
from otel_owned
where
    is_invocation
    and ended_at is not null
union all
select
    owned.row_number,
    owned.span_key || '-' || outcomes.outcome as id,
    'tool_' || outcomes.outcome as event_type,
    owned.agent_id,
    owned.publisher_id,
    owned.tenant_id,
    owned.started_at as "timestamp",
    owned.invocation_id,
    null as conversation_id,
    null as session_id,
    null as user_id,
    null as instance_id,
    null as agent_version,
    owned.duration_ms,
    owned.error_type,
    owned.tool_name,
    owned.tool_call_id
from otel_owned as owned
cross join (values ('called'), ('failed')) as outcomes (outcome)
where
    owned.span_kind = 'tool'
    and (outcomes.outcome = 'called' or owned.is_failed)

-- stream: llm_calls
-- Input includes what was read from and written to a cache. A span whose cache counts exceed its input, or whose total
-- is only reached with them, reports input without them, and they are added. A part that is missing follows from the
-- total; a total alone says nothing of its parts and is kept beside the row.
with counted as (
    select
        *,
        try_cast(input_tokens as bigint) as input_count,
        try_cast(output_tokens as bigint) as output_count,
        coalesce(try_cast(cache_read_tokens as bigint), 0) + coalesce(try_cast(cache_write_tokens as bigint), 0)
            as cache_count
    from otel_owned
    where is_model
)

select
    row_number,
    span_key as llm_call_id,
    invocation_id,
    started_at as "timestamp",
    model,
    provider,
    span_key as span_id,
    parent_span_key as parent_span_id,
    case
        when
            cache_count > 0
            and (cache_count > input_count or total_tokens = input_count + output_count + cache_count)
            then (input_count + cache_count)::varchar
        when input_tokens is null and total_tokens >= output_count then (total_tokens - output_count)::varchar
        else input_tokens
    end as input_tokens,
    case
        when output_tokens is null and total_tokens >= input_count then (total_tokens - input_count)::varchar
        else output_tokens
    end as output_tokens,
    case when input_tokens is null and output_tokens is null then total_tokens end as total_tokens,
    cache_read_tokens,
    cache_write_tokens,
    reasoning_tokens,
    duration_ms as latency_ms,
    cost as cost_usd,
    case when is_failed then 'error' else 'ok' end as status,
    error_type
from counted

-- stream: quality_scores
-- The convention has names and numbers of any kind; the contract four dimensions from 1 to 5. Other names are ignored. A
-- score off the scale is refused, and so is a 1 of an evaluation that also gives less than 1 in the same file: that one
-- goes from 0 to 1.
with evaluations as (
    select
        otel_events.event,
        otel_events.row_number,
        otel_events.trace_id,
        otel_events.span_id,
        otel_events.happened,
        otel_events.happened_us,
        lower(max(otel_values.value) filter (where otel_values.field = 'evaluation')) as dimension,
        max(otel_values.value) filter (where otel_values.field = 'score') as score,
        max(otel_values.value) filter (where otel_values.field = 'conversation_id') as conversation_id,
        max(otel_values.value) filter (where otel_values.field = 'session_id') as session_id,
        max(otel_values.value) filter (where otel_values.field = 'agent_id') as agent_id,
        max(otel_values.value) filter (where otel_values.field = 'tenant_id') as tenant_id,
        max(otel_values.value) filter (
            where
            otel_values.field = 'service'
            and not starts_with(otel_values.value, 'unknown_service')
        ) as service
    from otel_events
    inner join otel_values on otel_events.event = otel_values.holder
    group by all
    having
        coalesce(
            any_value(otel_events.event_name),
            max(otel_values.value) filter (where otel_values.field = 'event_name')
        ) = 'gen_ai.evaluation.result'
),

scaled as (
    select
        *,
        try_cast(score as decimal(18, 9)) as score_number,
        min(try_cast(score as decimal(18, 9))) over (partition by dimension) as least_score
    from evaluations
)

select
    scaled.row_number,
    concat_ws('-', scaled.trace_id, scaled.span_id, scaled.dimension, scaled.happened) as score_id,
    coalesce(scaled.conversation_id, scaled.session_id, owned.conversation_id) as conversation_id,
    coalesce(scaled.tenant_id, owned.tenant_id) as tenant_id,
    coalesce(scaled.agent_id, owned.agent_id, scaled.service) as agent_id,
    scaled.dimension,
    case when scaled.score_number <> 1 or scaled.least_score >= 1 then scaled.score end as score,
    coalesce(make_timestamp(scaled.happened_us)::varchar, scaled.happened) as judged_at
from scaled
left join otel_owned as owned
    on
        scaled.trace_id = owned.trace_id
        and scaled.span_id = owned.span_id
where scaled.dimension in ('accuracy', 'helpfulness', 'tone', 'completeness')
