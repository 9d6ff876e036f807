with usage_records as (
    select *
    from {{ ref('fct_llm_calls') }}
),

invocations_counted_twice as (
    select invocation_key as counted_twice
    from usage_records
    where origin = 'call'
    intersect
    select invocation_key as counted_twice
    from usage_records
    where origin = 'invocation'
),

tasks_counted_twice as (
    select task_key as counted_twice
    from usage_records
    where origin = 'task'
    intersect
    select task_key as counted_twice
    from usage_records
    where origin <> 'task'
)

select counted_twice
from invocations_counted_twice
union all
select counted_twice
from tasks_counted_twice
