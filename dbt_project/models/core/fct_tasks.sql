with tasks as (
    select * from {{ ref('int_tasks_resolved') }}
),

api_calls_of_invocations as (
    select
        invocations.task_key,
        sum(invocations.api_calls) as api_calls
    from {{ ref('fct_invocations') }} as invocations
    where invocations.task_key is not null
    group by invocations.task_key
),

tokens_by_model as (
    select
        usage_records.task_key,
        usage_records.model_key,
        usage_records.model,
        usage_records.provider,
        sum(coalesce(usage_records.total_tokens, 0)) as total_tokens
    from {{ ref('fct_llm_calls') }} as usage_records
    where
        usage_records.task_key is not null
        and usage_records.model is not null
    group by
        usage_records.task_key,
        usage_records.model_key,
        usage_records.model,
        usage_records.provider
),

-- Most tokens, ties by model name, as for invocations (D-07).
ranked_models as (
    select
        tokens_by_model.*,
        row_number() over (
            partition by tokens_by_model.task_key
            order by
                tokens_by_model.total_tokens desc,
                tokens_by_model.model asc,
                tokens_by_model.model_key asc
        ) as model_rank
    from tokens_by_model
),

modelled as (
    select
        tasks.*,
        coalesce(tasks.terminal_at, tasks.created_at) as counted_at,
        coalesce(api_calls_of_invocations.api_calls, tasks.api_calls) as counted_api_calls,
        coalesce(ranked_models.model, tasks.model) as primary_model,
        ranked_models.provider as primary_provider
    from tasks
    left join api_calls_of_invocations
        on tasks.task_key = api_calls_of_invocations.task_key
    left join ranked_models
        on
            tasks.task_key = ranked_models.task_key
            and ranked_models.model_rank = 1
),

final as (
    select
        modelled.task_key,
        modelled.source_name,
        cast(modelled.counted_at as date) as event_date,
        modelled.agent_key,
        agents.agent_type_key,
        modelled.tenant_key,
        agents.publisher_key,
        modelled.task_id,
        modelled.status,
        modelled.is_terminal,
        modelled.status = 'completed' as is_completed,
        modelled.status = 'failed' as is_failed,
        modelled.attempts,
        coalesce(modelled.attempts > 1, false) as is_retried,
        modelled.steps,
        cast(modelled.counted_api_calls as bigint) as api_calls,
        modelled.user_key,
        modelled.team_id,
        modelled.project_id,
        modelled.created_at,
        modelled.started_at,
        modelled.ended_at,
        modelled.terminal_at,
        modelled.used_at,
        {{ seconds_between('modelled.started_at', 'modelled.terminal_at') }} as duration_s,
        {{ model_key_of('modelled.primary_model', 'modelled.primary_provider') }}
            as primary_model_key,
        modelled.primary_model,
        modelled.primary_provider
    from modelled
    left join {{ ref('dim_agents_history') }} as agents
        on {{ agent_valid_at('agents', 'modelled.agent_key', 'modelled.counted_at') }}
)

select * from final
