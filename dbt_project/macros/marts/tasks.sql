{#
    Tasks by window: how many ended and how, what they used and cost, how long they took.

    Belongs here: the SQL of the summaries of tasks, each formula once. Does not belong here: when a task ends and which
    model is its own (fct_tasks), and messages that belong to no task (usage).

    A task counts at its end; tokens, cost and calls count when they were used, whenever the task ends (D-25). A task has
    one owner: what other agents used for it is the owner's.
#}

{# Of tasks that ended, completed or failed (D-25): rows of fct_tasks. A task without a start has no duration. #}
{% macro task_measures(rows, keys) -%}
    select
        {{ keys | join(', ') }},
        {{ measure_columns('fct_tasks') }},
        count(distinct tenant_key) as task_tenants
    from {{ rows }}
    {{ rows_measured('fct_tasks') }}
    group by {{ keys | join(', ') }}
{%- endmacro %}

{# Of requests made for tasks, to models and tools: rows of the CTE `task_calls`. #}
{% macro task_call_measures(rows, keys) -%}
    select
        {{ keys | join(', ') }},
        {{ integer_sum('api_calls') }} as task_api_calls,
        count(distinct tenant_key) as calling_tenants
    from {{ rows }}
    group by {{ keys | join(', ') }}
{%- endmacro %}

{# How a model is named in figures of tasks: provider/model, without a provider the bare name (D-09). #}
{% macro task_model_name(model, provider) -%}
    coalesce({{ provider }} || '/' || {{ model }}, {{ model }}, 'unknown')
{%- endmacro %}

{#
    The CTEs `task_rows`, `task_usage_rows` and `task_call_rows`: what of tasks falls into each window, under the owner of
    the task; with local_date when `by_day`.
#}
{% macro rows_of_tasks(windows, by_day=false) -%}
    {%- set choose = local_rows_in_windows if by_day else rows_in_windows -%}
    tasks as (
        select
            task_key,
            source_name,
            agent_key,
            tenant_key,
            publisher_key,
            terminal_at,
            used_at,
            is_completed,
            is_failed,
            is_retried,
            steps,
            api_calls,
            duration_s,
            {{ task_model_name('primary_model', 'primary_provider') }} as model_name
        from {{ ref('fct_tasks') }}
    ),

    task_usage as (
        select
            usage_records.source_name,
            usage_records.event_date,
            coalesce(tasks.agent_key, usage_records.agent_key) as agent_key,
            usage_records.tenant_key,
            usage_records.publisher_key,
            usage_records.used_at,
            usage_records.origin,
            usage_records.model_key,
            {{ task_model_name('usage_records.model', 'usage_records.provider') }} as model_name,
            usage_records.input_tokens,
            usage_records.output_tokens,
            usage_records.total_tokens,
            usage_records.cache_read_tokens,
            usage_records.cache_write_tokens,
            usage_records.reasoning_tokens,
            usage_records.cost_usd,
            usage_records.recorded_cost_usd,
            usage_records.cost_basis,
            usage_records.has_owner
        from {{ in_currency_of_windows(ref('fct_llm_calls'), windows) }} as usage_records
        left join tasks
            on usage_records.task_key = tasks.task_key
        where usage_records.task_key is not null
    ),

    {# Of the invocations that carry the task, else as the task itself says (D-25). -#}
    invocations_of_tasks as (
        select
            invocations.source_name,
            coalesce(tasks.agent_key, invocations.agent_key) as agent_key,
            invocations.tenant_key,
            invocations.publisher_key,
            invocations.task_key,
            invocations.responded_at as called_at,
            invocations.api_calls
        from {{ ref('fct_invocations') }} as invocations
        left join tasks
            on invocations.task_key = tasks.task_key
        where
            invocations.task_key is not null
            and invocations.api_calls is not null
    ),

    task_calls as (
        select
            source_name,
            agent_key,
            tenant_key,
            publisher_key,
            called_at,
            api_calls
        from invocations_of_tasks
        union all
        select
            tasks.source_name,
            tasks.agent_key,
            tasks.tenant_key,
            tasks.publisher_key,
            tasks.used_at,
            tasks.api_calls
        from tasks
        where
            tasks.api_calls is not null
            and tasks.task_key not in (select invocations_of_tasks.task_key from invocations_of_tasks)
    ),

    task_rows as (
        {{ choose('tasks', 'terminal_at', windows) }}
    ),

    task_usage_rows as (
        {{ choose('task_usage', 'used_at', windows) }}
    ),

    task_call_rows as (
        {{ choose('task_calls', 'called_at', windows) }}
    )
{%- endmacro %}

{# The CTEs `tasks_ended`, `tokens` and `calls`: the measures of rows_of_tasks by the keys. #}
{% macro measures_of_tasks(keys, has_calls=true) -%}
    tasks_ended as (
        {{ task_measures('task_rows', keys) }}
    ),

    tokens as (
        {{ token_measures('task_usage_rows', keys) }}
    )
    {%- if has_calls %},

    calls as (
        {{ task_call_measures('task_call_rows', keys) }}
    )
    {%- endif %}
{%- endmacro %}

{# Select list: the figures of tasks from the joined relations tasks_ended, tokens and calls. #}
{% macro task_figures(has_calls=true) -%}
    {{ counts_or_zero(
        ['terminal_tasks', 'completed_tasks', 'failed_tasks', 'retried_tasks', 'task_steps', 'timed_tasks'],
        'tasks_ended'
    ) }},
    tasks_ended.task_success_rate,
    tasks_ended.task_error_rate,
    tasks_ended.retry_rate,
    tasks_ended.total_task_duration_s,
    tasks_ended.avg_task_duration_s,
    tasks_ended.avg_completed_task_duration_s,
    {%- if has_calls %}
    {{ counts_or_zero(['task_api_calls'], 'calls') }},
    {%- endif %}
    {{ counts_or_zero(['usage_count'] + token_columns(), 'tokens') }},
    cast({{ cost_or_zero('tokens') }} as decimal(38, 12)) as cost_usd,
    {{ counts_or_zero(['unpriced_usage_count', 'unpriced_tokens'], 'tokens') }},
    {{ safe_divide('coalesce(tokens.total_tokens, 0)', 'tasks_ended.terminal_tasks') }} as tokens_per_task,
    {{ safe_divide('coalesce(tokens.total_tokens, 0) * 60', 'tasks_ended.total_task_duration_s') }}
        as task_tokens_per_minute,
    {{ safe_divide('coalesce(tasks_ended.terminal_tasks, 0) * 1000', 'tokens.total_tokens') }} as tasks_per_1k_tokens,
    {{ safe_divide_money(cost_or_zero('tokens'), 'tasks_ended.terminal_tasks') }} as cost_per_task_usd,
    {{ safe_divide_money(cost_or_zero('tokens'), 'tasks_ended.completed_tasks') }} as cost_per_completed_task_usd
{%- endmacro %}

{# The columns of task_figures, for a breakdown that may hide them. #}
{% macro task_figure_columns(has_calls=true) -%}
    {{ return(
        [
            'terminal_tasks',
            'completed_tasks',
            'failed_tasks',
            'retried_tasks',
            'task_steps',
            'timed_tasks',
            'task_success_rate',
            'task_error_rate',
            'retry_rate',
            'total_task_duration_s',
            'avg_task_duration_s',
            'avg_completed_task_duration_s',
        ]
        + (['task_api_calls'] if has_calls else [])
        + ['usage_count']
        + token_columns()
        + [
            'cost_usd',
            'unpriced_usage_count',
            'unpriced_tokens',
            'tokens_per_task',
            'task_tokens_per_minute',
            'tasks_per_1k_tokens',
            'cost_per_task_usd',
            'cost_per_completed_task_usd',
        ]
    ) }}
{%- endmacro %}


{#
    One row per window. `open_tasks` were created in the window and had not ended by its end; cancelled tasks are in no
    total and no rate.
#}
{% macro task_summary_sql(windows) -%}
    with {{ rows_of_tasks(windows) }},

    {{ measures_of_tasks(['window_key']) }},

    created_rows as (
        {{ rows_in_windows(ref('fct_tasks'), 'created_at', windows) }}
    ),

    open_tasks as (
        select
            created_rows.window_key,
            count(*) as open_tasks
        from created_rows
        inner join {{ windows }} as windows
            on created_rows.window_key = windows.window_key
        where created_rows.terminal_at is null or created_rows.terminal_at >= windows.end_at
        group by created_rows.window_key
    ),

    cancelled_tasks as (
        select
            window_key,
            count(*) as cancelled_tasks
        from task_rows
        where not is_completed and not is_failed
        group by window_key
    ),

    model_calls as (
        select
            window_key,
            count(*) as task_model_calls
        from task_usage_rows
        where origin = 'call' and has_owner
        group by window_key
    )

    select
        windows.window_key,
        {{ task_figures() }},
        {{ counts_or_zero(['task_model_calls'], 'model_calls') }},
        {{ counts_or_zero(['open_tasks'], 'open_tasks') }},
        {{ counts_or_zero(['cancelled_tasks'], 'cancelled_tasks') }}
    from {{ windows }} as windows
    left join tasks_ended
        on windows.window_key = tasks_ended.window_key
    left join tokens
        on windows.window_key = tokens.window_key
    left join calls
        on windows.window_key = calls.window_key
    left join model_calls
        on windows.window_key = model_calls.window_key
    left join open_tasks
        on windows.window_key = open_tasks.window_key
    left join cancelled_tasks
        on windows.window_key = cancelled_tasks.window_key
{%- endmacro %}


{#
    One row per window and band of the number of steps: how tasks of that size ended (DI-091). A band is half-open; a task
    that does not say how many steps it took is in none.
#}
{% macro tasks_by_steps_sql(windows) -%}
    with ended_rows as (
        {{ rows_in_windows(ref('fct_tasks'), 'terminal_at', windows) }}
    ),

    banded_rows as (
        select
            ended_rows.*,
            bands.band_order
        from ended_rows
        inner join {{ ref('task_step_bands') }} as bands
            on ended_rows.steps >= bands.lower_bound
            and (bands.upper_bound is null or ended_rows.steps < bands.upper_bound)
    ),

    tasks_ended as (
        {{ task_measures('banded_rows', ['window_key', 'band_order']) }}
    ),

    cells as (
        select
            windows.window_key,
            bands.band_order,
            bands.band_label as steps_range,
            {{ counts_or_zero(['terminal_tasks', 'completed_tasks', 'failed_tasks', 'retried_tasks'], 'tasks_ended') }},
            cast(coalesce(tasks_ended.task_tenants, 0) as bigint) as active_tenants,
            tasks_ended.task_success_rate,
            tasks_ended.retry_rate,
            tasks_ended.avg_task_duration_s
        from {{ windows }} as windows
        cross join {{ ref('task_step_bands') }} as bands
        left join tasks_ended
            on windows.window_key = tasks_ended.window_key
            and bands.band_order = tasks_ended.band_order
    ),

    flagged as (
        {{ flag_suppressed_cells(
            'cells',
            windows,
            part_of=['window_key'],
            size='terminal_tasks',
            cell='band_order'
        ) }}
    )

    select
        flagged.window_key,
        flagged.band_order,
        flagged.steps_range,
        {%- for column in [
                'terminal_tasks',
                'completed_tasks',
                'failed_tasks',
                'retried_tasks',
                'task_success_rate',
                'retry_rate',
                'avg_task_duration_s',
                'active_tenants',
            ] %}
        {{ unless_suppressed(column) }},
        {%- endfor %}
        flagged.is_suppressed
    from flagged
{%- endmacro %}


{# One row per window and agent whose tasks ended, used tokens or made calls in it. #}
{% macro tasks_by_agent_sql(windows) -%}
    with {{ rows_of_tasks(windows) }},

    {{ measures_of_tasks(['window_key', 'agent_key']) }},

    {{ flagged_tasks(windows, 'agent_key') }}

    select
        flagged.window_key,
        flagged.agent_key,
        agents.agent_id,
        agents.agent_name,
        {%- for column in task_figure_columns() + ['active_tenants'] %}
        {{ unless_suppressed(column) }},
        {%- endfor %}
        flagged.is_suppressed
    from flagged
    left join {{ ref('dim_agents') }} as agents
        on flagged.agent_key = agents.agent_key
{%- endmacro %}


{#
    One row per window and model whose tasks ended or that used tokens for tasks in it. A task belongs to its primary
    model, so that tasks add up; tokens and cost belong to the model that used them (DI-028). The model that nothing
    names is the row 'unknown'.
#}
{% macro tasks_by_model_sql(windows) -%}
    with {{ rows_of_tasks(windows) }},

    {{ measures_of_tasks(['window_key', 'model_name'], has_calls=false) }},

    {{ flagged_tasks(windows, 'model_name', has_calls=false) }}

    select
        flagged.window_key,
        flagged.model_name,
        {%- for column in task_figure_columns(has_calls=false) + ['active_tenants'] %}
        {{ unless_suppressed(column) }},
        {%- endfor %}
        flagged.is_suppressed
    from flagged
{%- endmacro %}


{# The CTEs up to `flagged`: the figures of each cell with anything in it, and whether a publisher may see it. #}
{% macro flagged_tasks(windows, cell, has_calls=true) -%}
    parts as (
        select window_key, {{ cell }}, task_tenants as tenant_count from tasks_ended
        union all
        select window_key, {{ cell }}, spending_tenants from tokens
        {%- if has_calls %}
        union all
        select window_key, {{ cell }}, calling_tenants from calls
        {%- endif %}
    ),

    {# The fewest tenants of any part: a cell whose tokens are one tenant's shows that tenant's tokens. -#}
    cells as (
        select
            window_key,
            {{ cell }},
            min(tenant_count) as tenant_count
        from parts
        where tenant_count > 0
        group by window_key, {{ cell }}
    ),

    measured as (
        select
            cells.window_key,
            cells.{{ cell }},
            {{ task_figures(has_calls) }},
            cells.tenant_count as active_tenants
        from cells
        left join tasks_ended
            on cells.window_key = tasks_ended.window_key
            and cells.{{ cell }} = tasks_ended.{{ cell }}
        left join tokens
            on cells.window_key = tokens.window_key
            and cells.{{ cell }} = tokens.{{ cell }}
        {%- if has_calls %}
        left join calls
            on cells.window_key = calls.window_key
            and cells.{{ cell }} = calls.{{ cell }}
        {%- endif %}
    ),

    flagged as (
        {{ flag_suppressed_cells('measured', windows, part_of=['window_key'], size='total_tokens', cell=cell) }}
    )
{%- endmacro %}


{# One row per window and local date of it: counts are 0 on a date without rows, averages and ratios NULL. #}
{% macro tasks_daily_sql(windows) -%}
    with {{ rows_of_tasks(windows, by_day=true) }},

    {{ measures_of_tasks(['window_key', 'local_date']) }},

    days as (
        {{ days_of_windows(windows) }}
    )

    select
        days.window_key,
        days.date_day,
        {{ task_figures() }}
    from days
    left join tasks_ended
        on days.window_key = tasks_ended.window_key
        and days.date_day = tasks_ended.local_date
    left join tokens
        on days.window_key = tokens.window_key
        and days.date_day = tokens.local_date
    left join calls
        on days.window_key = calls.window_key
        and days.date_day = calls.local_date
{%- endmacro %}
