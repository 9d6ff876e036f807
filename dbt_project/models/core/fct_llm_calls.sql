{{ config(materialized='incremental', incremental_strategy='replace_dates') }}

{#
    The only place tokens and money are counted. A usage record is a model call that repeats no other; an invocation
    without model calls is its own record; a task that no invocation carries is its own (D-52). Whether an invocation
    has calls is decided by its id over all days, so that calls which come late take over from the invocation's own
    figures (D-35).
#}
with model_calls as (
    select *
    from {{ ref('stg_llm_calls') }}
    where
        {{ in_pending_dates('event_date') }}
        and llm_call_key not in (
            select wrappers.llm_call_key
            from {{ ref('int_llm_calls_wrapping') }} as wrappers
        )
),

-- Answers are read where they are needed: a CTE that is read more than once is kept aside, of all
-- days.
owner_candidates as (
    select
        answers.invocation_key,
        answers.invocation_event_key,
        answers.invocation_event_key as event_key,
        answers.responded_at as event_at,
        answers.agent_key,
        answers.tenant_key,
        answers.publisher_key,
        answers.user_key,
        answers.task_key
    from {{ ref('fct_answers') }} as answers
    where answers.invocation_key in (select model_calls.invocation_key from model_calls)
    union all
    select
        requests.invocation_key,
        cast(null as {{ dbt.type_string() }}) as invocation_event_key,
        requests.user_message_key as event_key,
        requests.sent_at as event_at,
        requests.agent_key,
        requests.tenant_key,
        requests.publisher_key,
        requests.user_key,
        requests.task_key
    from {{ ref('fct_user_messages') }} as requests
    where requests.invocation_key in (select model_calls.invocation_key from model_calls)
),

-- A call belongs to the attempt it served: the first answer at or after it, else the last answer
-- before it, else the request alone, because the money was spent though no answer came (D-03).
ranked_owners as (
    select
        model_calls.llm_call_key,
        owner_candidates.*,
        row_number() over (
            partition by model_calls.llm_call_key
            order by
                case
                    when owner_candidates.invocation_event_key is null then 3
                    when owner_candidates.event_at < model_calls.called_at then 2
                    else 1
                end asc,
                case
                    when
                        owner_candidates.invocation_event_key is not null
                        and owner_candidates.event_at >= model_calls.called_at
                        then owner_candidates.event_at
                end asc,
                owner_candidates.event_at desc,
                owner_candidates.event_key asc
        ) as owner_rank
    from model_calls
    inner join owner_candidates
        on model_calls.invocation_key = owner_candidates.invocation_key
),

call_usage as (
    select
        'call:' || model_calls.llm_call_key as usage_key,
        'call' as origin,
        model_calls.source_name,
        model_calls.event_date,
        model_calls.called_at as used_at,
        owners.agent_key,
        owners.tenant_key,
        owners.publisher_key,
        model_calls.llm_call_id,
        model_calls.invocation_key,
        owners.invocation_event_key,
        owners.task_key,
        owners.user_key,
        model_calls.model,
        model_calls.provider,
        model_calls.input_tokens,
        model_calls.output_tokens,
        model_calls.cache_read_tokens,
        model_calls.cache_write_tokens,
        model_calls.reasoning_tokens,
        model_calls.latency_ms,
        model_calls.status,
        model_calls.error_type,
        model_calls.cost_usd as recorded_cost_usd,
        owners.event_key is not null as has_owner
    from model_calls
    left join ranked_owners as owners
        on
            model_calls.llm_call_key = owners.llm_call_key
            and owners.owner_rank = 1
),

-- An answer that names no model, no token and no cost used none that we know of, and is no usage
-- record: it would only swell the count of unpriced ones.
invocation_usage as (
    select
        'invocation:' || answers.invocation_event_key as usage_key,
        'invocation' as origin,
        answers.source_name,
        answers.event_date,
        answers.responded_at as used_at,
        answers.agent_key,
        answers.tenant_key,
        answers.publisher_key,
        cast(null as {{ dbt.type_string() }}) as llm_call_id,
        answers.invocation_key,
        answers.invocation_event_key,
        answers.task_key,
        answers.user_key,
        answers.model,
        answers.provider,
        answers.input_tokens,
        answers.output_tokens,
        answers.cache_read_tokens,
        answers.cache_write_tokens,
        answers.reasoning_tokens,
        answers.llm_latency_ms as latency_ms,
        cast(null as {{ dbt.type_string() }}) as status,
        answers.error_type,
        answers.cost_usd as recorded_cost_usd,
        true as has_owner
    from {{ ref('fct_answers') }} as answers
    where
        {{ in_pending_dates('answers.event_date') }}
        and coalesce(
            cast(answers.input_tokens as decimal(38, 12)),
            answers.output_tokens,
            answers.cost_usd,
            case when answers.model is not null then 0 end
        ) is not null
        and not exists (
            select 1
            from {{ ref('int_llm_calls_linked') }} as calls
            where calls.invocation_key = answers.invocation_key
        )
),

pending_tasks as (
    select *
    from {{ ref('int_tasks_resolved') }}
    where {{ in_pending_dates('used_date') }}
),

-- Usage, not the bare mention: a request alone that names the task says nothing about tokens.
carried_tasks as (
    select answers.task_key
    from {{ ref('fct_answers') }} as answers
    where answers.task_key in (select pending_tasks.task_key from pending_tasks)
    union
    select requests.task_key
    from {{ ref('fct_user_messages') }} as requests
    inner join {{ ref('int_llm_calls_linked') }} as calls
        on requests.invocation_key = calls.invocation_key
    where requests.task_key in (select pending_tasks.task_key from pending_tasks)
),

task_usage as (
    select
        'task:' || pending_tasks.task_key as usage_key,
        'task' as origin,
        pending_tasks.source_name,
        pending_tasks.used_date as event_date,
        pending_tasks.used_at,
        pending_tasks.agent_key,
        pending_tasks.tenant_key,
        cast(null as {{ dbt.type_string() }}) as publisher_key,
        cast(null as {{ dbt.type_string() }}) as llm_call_id,
        cast(null as {{ dbt.type_string() }}) as invocation_key,
        cast(null as {{ dbt.type_string() }}) as invocation_event_key,
        pending_tasks.task_key,
        pending_tasks.user_key,
        pending_tasks.model,
        cast(null as {{ dbt.type_string() }}) as provider,  -- noqa: RF04
        pending_tasks.input_tokens,
        pending_tasks.output_tokens,
        cast(null as bigint) as cache_read_tokens,
        cast(null as bigint) as cache_write_tokens,
        cast(null as bigint) as reasoning_tokens,
        cast(null as bigint) as latency_ms,
        cast(null as {{ dbt.type_string() }}) as status,
        cast(null as {{ dbt.type_string() }}) as error_type,
        pending_tasks.cost_usd as recorded_cost_usd,
        true as has_owner
    from pending_tasks
    where
        coalesce(
            cast(pending_tasks.input_tokens as decimal(38, 12)),
            pending_tasks.output_tokens,
            pending_tasks.cost_usd
        ) is not null
        and not exists (
            select 1
            from carried_tasks
            where carried_tasks.task_key = pending_tasks.task_key
        )
),

usage_records as (
    select * from call_usage
    union all
    select * from invocation_usage
    union all
    select * from task_usage
),

-- At the price of the day; a later price is never used for an earlier day (D-04).
priced as (
    select
        usage_records.*,
        {{ model_key_of('usage_records.model', 'usage_records.provider') }} as model_key,
        {{ priced_cost_usd('usage_records', 'prices') }} as priced_cost_usd
    from usage_records
    left join {{ ref('dim_model_prices') }} as prices
        on
            {{ model_key_of('usage_records.model', 'usage_records.provider') }} = prices.model_key
            and usage_records.event_date >= prices.valid_from
            and usage_records.event_date < prices.valid_to
),

final as (
    select
        priced.usage_key,
        priced.origin,
        priced.source_name,
        priced.event_date,
        priced.used_at,
        priced.agent_key,
        agents.agent_type_key,
        priced.tenant_key,
        coalesce(priced.publisher_key, agents.publisher_key) as publisher_key,
        priced.llm_call_id,
        priced.invocation_key,
        priced.invocation_event_key,
        priced.task_key,
        priced.user_key,
        priced.model_key,
        priced.model,
        priced.provider,
        priced.input_tokens,
        priced.output_tokens,
        case
            when priced.input_tokens is not null or priced.output_tokens is not null
                then coalesce(priced.input_tokens, 0) + coalesce(priced.output_tokens, 0)
        end as total_tokens,
        priced.cache_read_tokens,
        priced.cache_write_tokens,
        priced.reasoning_tokens,
        priced.latency_ms,
        priced.status,
        priced.error_type,
        coalesce(priced.recorded_cost_usd, priced.priced_cost_usd) as cost_usd,
        priced.recorded_cost_usd,
        priced.priced_cost_usd,
        case
            when priced.recorded_cost_usd is not null then 'recorded'
            when priced.priced_cost_usd is not null then 'priced'
            else 'unpriced'
        end as cost_basis,
        priced.has_owner
    from priced
    left join {{ ref('dim_agents_history') }} as agents
        on {{ agent_valid_at('agents', 'priced.agent_key', 'priced.used_at') }}
)

select * from final
