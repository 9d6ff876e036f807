{{ config(materialized='incremental', incremental_strategy='replace_dates') }}

with answers as (
    select *
    from {{ ref('fct_answers') }}
    where {{ in_pending_dates('event_date') }}
),

-- By invocation, not by attempt: one whose calls were all made for its sibling has model calls too.
-- An engine keeps every column that is named here, for it is read three times.
usage_records as (
    select
        invocation_key,
        invocation_event_key,
        origin,
        model_key,
        model,
        provider,
        latency_ms,
        output_tokens,
        total_tokens
    from {{ ref('fct_llm_calls') }}
    where
        invocation_key in (
            select pending.invocation_key
            from {{ ref('fct_answers') }} as pending
            where {{ in_pending_dates('pending.event_date') }}
        )
),

invocations_with_calls as (
    select distinct usage_records.invocation_key
    from usage_records
    where usage_records.origin = 'call'
),

usage_by_answer as (
    select
        usage_records.invocation_event_key,
        sum(usage_records.latency_ms) as latency_ms,
        sum(usage_records.output_tokens) as output_tokens
    from usage_records
    where usage_records.invocation_event_key is not null
    group by usage_records.invocation_event_key
),

tokens_by_model as (
    select
        usage_records.invocation_event_key,
        usage_records.model_key,
        usage_records.model,
        usage_records.provider,
        sum(coalesce(usage_records.total_tokens, 0)) as total_tokens
    from usage_records
    where
        usage_records.invocation_event_key is not null
        and usage_records.model is not null
    group by
        usage_records.invocation_event_key,
        usage_records.model_key,
        usage_records.model,
        usage_records.provider
),

-- Most tokens, ties by model name (D-07).
ranked_models as (
    select
        tokens_by_model.*,
        row_number() over (
            partition by tokens_by_model.invocation_event_key
            order by
                tokens_by_model.total_tokens desc,
                tokens_by_model.model asc,
                tokens_by_model.model_key asc
        ) as model_rank
    from tokens_by_model
),

-- An attempt whose calls were all made for its sibling still says itself which model it used.
modelled as (
    select
        answers.*,
        usage_by_answer.latency_ms as calls_latency_ms,
        usage_by_answer.output_tokens as response_output_tokens,
        invocations_with_calls.invocation_key is not null as has_llm_calls,
        coalesce(ranked_models.model, answers.model) as primary_model,
        case
            when ranked_models.model is not null then ranked_models.provider
            else answers.provider
        end as primary_provider
    from answers
    left join usage_by_answer
        on answers.invocation_event_key = usage_by_answer.invocation_event_key
    left join ranked_models
        on
            answers.invocation_event_key = ranked_models.invocation_event_key
            and ranked_models.model_rank = 1
    left join invocations_with_calls
        on answers.invocation_key = invocations_with_calls.invocation_key
),

final as (
    select
        modelled.invocation_event_key,
        modelled.source_name,
        modelled.event_date,
        modelled.responded_at,
        modelled.agent_key,
        agents.agent_type_key,
        modelled.tenant_key,
        modelled.publisher_key,
        {{ id_of_key('modelled.invocation_event_key', 'modelled.source_name') }} as event_id,
        {{ id_of_key('modelled.invocation_key', 'modelled.source_name') }} as invocation_id,
        modelled.invocation_key,
        modelled.conversation_key,
        modelled.session_id,
        modelled.task_key,
        modelled.user_key,
        modelled.instance_id,
        modelled.agent_version,
        modelled.event_type = 'agent_completed' as is_completed,
        modelled.event_type = 'agent_errored' as is_errored,
        modelled.error_type,
        modelled.attempt,
        modelled.duration_ms,
        cast(coalesce(modelled.llm_latency_ms, modelled.calls_latency_ms) as bigint)
            as llm_latency_ms,
        cast(modelled.response_output_tokens as bigint) as response_output_tokens,
        modelled.api_calls,
        modelled.tool_call_count,
        {{ model_key_of('modelled.primary_model', 'modelled.primary_provider') }}
            as primary_model_key,
        modelled.primary_model,
        modelled.primary_provider,
        modelled.has_llm_calls
    from modelled
    left join {{ ref('dim_agents_history') }} as agents
        on {{ agent_valid_at('agents', 'modelled.agent_key', 'modelled.responded_at') }}
)

select * from final
