-- Langfuse's export of scores (`scores`: JSON lines, csv or Parquet).
--
-- adapter: langfuse_scores
-- version: 1
-- fields: id, timestamp, environment, trace_id, session_id, name, value decimal, source, comment
-- fields: data_type
-- private: string_value, metadata
--
-- A number from 1 to 5 that a person gave (annotation or API) under the name of a rating is feedback on the
-- trace's message. A judge's number under the name of a quality dimension is a quality score of the session,
-- or else of the trace. All other scores are ignored: other names, categories and texts, other scales, scores
-- of dataset runs. Under the name "feedback" a 1 may be a thumb: it counts as a rating only where the file has
-- a larger number under that name.
-- A row has neither user nor agent: the source's defaults name the agent.
--
-- stream: agent_events
select
    row_number,
    id,
    'user_feedback' as event_type,
    "timestamp"::varchar as "timestamp",
    trace_id as invocation_id,
    session_id as conversation_id,
    number::integer as rating,
    comment
from (
    select
        *,
        max(number) over (partition by name) as largest
    from (
        select
            *,
            try_cast(value as double) as number
        from raw_rows
        where (is_rating_name(name) or is_feedback_name(name))
            and data_type = 'NUMERIC'
            and source in ('API', 'ANNOTATION')
    )
)
where number between 1 and 5
    and number = floor(number)
    and (is_rating_name(name) or largest > 1)
    and nullif(concat(trace_id, session_id), '') is not null

-- stream: quality_scores
select
    row_number,
    id as score_id,
    coalesce(nullif(session_id, ''), trace_id) as conversation_id,
    quality_dimension(name) as dimension,
    value::varchar as score,
    "timestamp"::varchar as judged_at,
    source as score_source
from raw_rows
where quality_dimension(name) is not null
    and data_type = 'NUMERIC'
    and nullif(concat(trace_id, session_id), '') is not null
