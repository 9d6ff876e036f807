{{ config(materialized='table') }}

{#
    Instrumentations of several layers report one model call several times: the framework's span repeats the tokens of
    the client's span below it. Only the deepest report counts (D-53). Which one that is shows when all files are in, and
    so is decided here and not where a file is read.
#}
with recursive spans as (
    select
        llm_call_key,
        source_name,
        invocation_key,
        span_id,
        parent_span_id,
        event_date,
        has_usage
    from {{ ref('int_llm_calls_linked') }}
    where
        span_id is not null
        or parent_span_id is not null
),

-- Some producers number the spans of each invocation anew. An id that stands for several calls
-- names the one of the same invocation; an id that stands for one call may name it from any.
parents as (
    select
        spans.llm_call_key,
        spans.source_name,
        spans.invocation_key,
        spans.span_id,
        count(*) over (partition by spans.source_name, spans.span_id) as span_count
    from spans
    where
        exists (
            select 1
            from spans as children
            where
                children.source_name = spans.source_name
                and children.parent_span_id = spans.span_id
        )
),

links as (
    select
        children.llm_call_key,
        children.has_usage,
        parents.llm_call_key as parent_key
    from spans as children
    inner join parents
        on
            children.source_name = parents.source_name
            and children.parent_span_id = parents.span_id
            and children.llm_call_key <> parents.llm_call_key
            and (children.invocation_key = parents.invocation_key or parents.span_count = 1)
),

{{ reachable(
    'wrappers',
    columns=['llm_call_key'],
    start='select links.parent_key as llm_call_key from links where links.has_usage',
    link='links',
    linked='wrappers.llm_call_key = links.llm_call_key',
    next={'llm_call_key': 'links.parent_key'},
) }},

final as (
    select
        spans.llm_call_key,
        spans.source_name,
        spans.invocation_key,
        spans.event_date
    from spans
    inner join wrappers on spans.llm_call_key = wrappers.llm_call_key
)

select * from final
