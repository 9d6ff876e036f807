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
        timed.*,
        cast(timed.used_at as date) as used_date
    from timed
)

select * from final
