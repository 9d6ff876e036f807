-- The other side of "never twice": an answer that names tokens or a cost is in fct_llm_calls by itself
-- or by the model calls of its invocation, unless those repeat what calls of other invocations
-- report.
with answers as (
    select *
    from {{ ref('fct_answers') }}
    where
        input_tokens is not null
        or output_tokens is not null
        or cost_usd is not null
)

select answers.invocation_event_key
from answers
where
    not exists (
        select 1
        from {{ ref('fct_llm_calls') }} as usage_records
        where usage_records.invocation_key = answers.invocation_key
    )
    and not exists (
        select 1
        from {{ ref('int_llm_calls_wrapping') }} as wrappers
        where wrappers.invocation_key = answers.invocation_key
    )
