with tasks as (
    select * from {{ ref('stg_tasks') }}
),

timed as (
    select
        tasks.*,
        {{ task_is_terminal('tasks') }} as is_terminal,
        {{ task_terminal_at('tasks') }} as terminal_at,
        {{ task_used_at('tasks') }} as used_at
    from tasks
),

final as (
    select
        timed.task_key,
        timed.source_name,
        timed.task_id,
        timed.tenant_key,
        timed.agent_key,
        timed.user_key,
        timed.team_id,
        timed.project_id,
        timed.status,
        timed.is_terminal,
        timed.model,
        timed.attempts,
        timed.steps,
        timed.api_calls,
        timed.input_tokens,
        timed.output_tokens,
        timed.cost_usd,
        timed.created_at,
        timed.started_at,
        timed.ended_at,
        timed.terminal_at,
        timed.used_at,
        cast(timed.used_at as date) as used_date
    from timed
)

select * from final
