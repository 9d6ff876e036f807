{#
    Quality by window: conversations, judge scores, tasks, tools, and ratings beside them.

    Belongs here: the SQL of the quality marts, each formula once. Does not belong here: ratings (feedback.sql),
    tasks (tasks.sql), response times and message errors (usage).
#}

{# The dimensions a judge scores, in the order of the contract. #}
{% macro judge_dimensions() -%}
    {{ return(['accuracy', 'helpfulness', 'tone', 'completeness']) }}
{%- endmacro %}


{#
    Of conversations: rows of fct_conversations, which belong to their start, whenever they ended (RO-020). An open
    conversation is neither completed nor abandoned.
#}
{% macro conversation_measures(rows, keys) -%}
    select
        {{ keys | join(', ') }},
        {{ measure_columns('fct_conversations') }},
        count(distinct tenant_key) as conversing_tenants
    from {{ rows }}
    group by {{ keys | join(', ') }}
{%- endmacro %}

{#
    Of judge scores: rows of fct_quality_scores. The overall score is the mean of the dimensions that have one, by the
    weights of the deployment (RO-067).
#}
{% macro judge_measures(rows, keys) -%}
    select
        scored.*,
        (
            {%- for dimension in judge_dimensions() %}
            coalesce(avg_{{ dimension }}_score, 0) * {{ var('judge_weights')[dimension] }}{{ " +" if not loop.last }}
            {%- endfor %}
        ) / nullif(
            {%- for dimension in judge_dimensions() %}
            case
                when avg_{{ dimension }}_score is null then 0
                else {{ var('judge_weights')[dimension] }}
            end{{ " +" if not loop.last }}
            {%- endfor %},
            0
        ) as avg_overall_score
    from (
        select
            {{ keys | join(', ') }},
            {{ measure_columns('fct_quality_scores') }}
        from {{ rows }}
        group by {{ keys | join(', ') }}
    ) as scored
{%- endmacro %}


{#
    One row per window. Scores count when they were given; coverage is the share of the window's completed conversations
    that a judge had scored by its end (RO-068).
#}
{% macro quality_summary_sql(windows) -%}
    with rating_rows as (
        {{ rows_in_windows(ref('fct_feedback'), 'rated_at', windows) }}
    ),

    conversation_rows as (
        {{ local_rows_in_windows(ref('fct_conversations'), 'created_at', windows) }}
    ),

    score_rows as (
        {{ rows_in_windows(ref('fct_quality_scores'), 'judged_at', windows) }}
    ),

    task_rows as (
        {{ rows_in_windows(ref('fct_tasks'), 'terminal_at', windows) }}
    ),

    ratings as (
        {{ rating_measures('rating_rows', ['window_key']) }}
    ),

    conversations as (
        {{ conversation_measures('conversation_rows', ['window_key']) }}
    ),

    conversation_dates as (
        select
            window_key,
            count(distinct local_date) as conversation_days
        from conversation_rows
        group by window_key
    ),

    scores as (
        {{ judge_measures('score_rows', ['window_key']) }}
    ),

    tasks as (
        {{ task_measures('task_rows', ['window_key']) }}
    ),

    first_scores as (
        select
            conversation_key,
            min(judged_at) as judged_at
        from {{ ref('fct_quality_scores') }}
        group by conversation_key
    ),

    judged as (
        select
            conversation_rows.window_key,
            count(*) as judged_conversations
        from conversation_rows
        inner join {{ windows }} as windows
            on conversation_rows.window_key = windows.window_key
        inner join first_scores
            on conversation_rows.conversation_key = first_scores.conversation_key
            and first_scores.judged_at < windows.end_at
        where conversation_rows.is_completed
        group by conversation_rows.window_key
    )

    select
        windows.window_key,
        {{ counts_or_zero(['feedback_count'], 'ratings') }},
        ratings.avg_rating,
        {{ counts_or_zero(rating_columns(), 'ratings') }},
        {{ counts_or_zero(
            [
                'conversations',
                'completed_conversations',
                'resolved_conversations',
                'escalated_conversations',
                'abandoned_conversations',
                'agents_with_conversations',
            ],
            'conversations'
        ) }},
        {{ counts_or_zero(['conversation_days'], 'conversation_dates') }},
        conversations.resolution_rate,
        conversations.escalation_rate,
        conversations.abandonment_rate,
        conversations.avg_satisfaction_score,
        {{ counts_or_zero(['satisfaction_count'], 'conversations') }},
        conversations.satisfaction_response_rate,
        {{ counts_or_zero(['judged_conversations'], 'judged') }},
        {{ safe_divide('coalesce(judged.judged_conversations, 0)', 'conversations.completed_conversations') }}
            as judge_coverage,
        {%- for dimension in judge_dimensions() %}
        scores.avg_{{ dimension }}_score,
        {%- endfor %}
        scores.avg_overall_score,
        {{ counts_or_zero(['terminal_tasks', 'completed_tasks', 'failed_tasks', 'retried_tasks'], 'tasks') }},
        tasks.task_success_rate,
        tasks.task_error_rate,
        tasks.retry_rate,
        tasks.avg_task_duration_s
    from {{ windows }} as windows
    left join ratings
        on windows.window_key = ratings.window_key
    left join conversations
        on windows.window_key = conversations.window_key
    left join conversation_dates
        on windows.window_key = conversation_dates.window_key
    left join scores
        on windows.window_key = scores.window_key
    left join tasks
        on windows.window_key = tasks.window_key
    left join judged
        on windows.window_key = judged.window_key
{%- endmacro %}


{# One row per window and agent with ratings or conversations in it. #}
{% macro agent_quality_sql(windows) -%}
    {%- set cell = ['window_key', 'agent_key'] -%}
    with rating_rows as (
        {{ rows_in_windows(ref('fct_feedback'), 'rated_at', windows) }}
    ),

    conversation_rows as (
        {{ rows_in_windows(ref('fct_conversations'), 'created_at', windows) }}
    ),

    ratings as (
        {{ rating_measures('rating_rows', cell) }}
    ),

    conversations as (
        {{ conversation_measures('conversation_rows', cell) }}
    ),

    parts as (
        select window_key, agent_key, rating_tenants as tenant_count from ratings
        union all
        select window_key, agent_key, conversing_tenants from conversations
    ),

    {# The fewest tenants of any part: ratings of one tenant show that tenant's satisfaction. -#}
    cells as (
        select
            window_key,
            agent_key,
            min(tenant_count) as tenant_count
        from parts
        group by window_key, agent_key
    ),

    measured as (
        select
            cells.window_key,
            cells.agent_key,
            {{ counts_or_zero(['feedback_count'], 'ratings') }},
            ratings.avg_rating,
            {{ counts_or_zero(
                ['conversations', 'completed_conversations', 'resolved_conversations'], 'conversations'
            ) }},
            conversations.resolution_rate,
            conversations.escalation_rate,
            conversations.avg_satisfaction_score,
            coalesce(ratings.feedback_count, 0) + coalesce(conversations.conversations, 0) as cell_size,
            cells.tenant_count as active_tenants
        from cells
        left join ratings
            on cells.window_key = ratings.window_key
            and cells.agent_key = ratings.agent_key
        left join conversations
            on cells.window_key = conversations.window_key
            and cells.agent_key = conversations.agent_key
    ),

    flagged as (
        {{ flag_suppressed_cells(
            'measured', windows, part_of=['window_key'], size='cell_size', cell='agent_key'
        ) }}
    )

    select
        flagged.window_key,
        flagged.agent_key,
        agents.agent_id,
        agents.agent_name,
        agents.agent_type_name,
        {%- for column in [
                'feedback_count',
                'avg_rating',
                'conversations',
                'completed_conversations',
                'resolved_conversations',
                'resolution_rate',
                'escalation_rate',
                'avg_satisfaction_score',
                'active_tenants',
        ] %}
        {{ unless_suppressed(column) }},
        {%- endfor %}
        flagged.is_suppressed
    from flagged
    left join {{ ref('dim_agents') }} as agents
        on flagged.agent_key = agents.agent_key
{%- endmacro %}


{#
    Of uses of tools: rows of fct_tool_calls. The time of a tool is that of its attempts: the row of a failure repeats the
    time of one of them.
#}
{% macro tool_measures(rows, keys) -%}
    select
        {{ keys | join(', ') }},
        {{ measure_columns('fct_tool_calls') }},
        count(distinct tenant_key) as active_tenants,
        count(*) as record_count
    from {{ rows }}
    group by {{ keys | join(', ') }}
{%- endmacro %}

{# One row per window: all tools together. #}
{% macro tool_summary_sql(windows) -%}
    with tool_rows as (
        {{ rows_in_windows(ref('fct_tool_calls'), 'called_at', windows) }}
    ),

    tools as (
        {{ tool_measures('tool_rows', ['window_key']) }}
    )

    select
        windows.window_key,
        {{ counts_or_zero(
            ['attempt_count', 'failure_count', 'listed_completed_count', 'listed_count'], 'tools'
        ) }},
        tools.tool_failure_rate,
        tools.total_duration_ms
    from {{ windows }} as windows
    left join tools
        on windows.window_key = tools.window_key
{%- endmacro %}


{# One row per window and tool used in it. Attempts and failures are those of the fact (D-20). #}
{% macro tool_usage_sql(windows) -%}
    with tool_rows as (
        {{ rows_in_windows(ref('fct_tool_calls'), 'called_at', windows) }}
    ),

    tools as (
        {{ tool_measures('tool_rows', ['window_key', 'tool_name']) }}
    ),

    tool_times as (
        select
            window_key,
            sum(total_duration_ms) as total_duration_ms
        from tools
        group by window_key
    ),

    measured as (
        select
            tools.*,
            {{ safe_divide('tools.total_duration_ms', 'tool_times.total_duration_ms') }} as duration_share
        from tools
        inner join tool_times
            on tools.window_key = tool_times.window_key
    ),

    flagged as (
        {{ flag_suppressed_cells(
            'measured', windows, part_of=['window_key'], size='record_count', cell='tool_name'
        ) }}
    )

    select
        flagged.window_key,
        flagged.tool_name,
        {%- for column in [
                'attempt_count',
                'failure_count',
                'tool_failure_rate',
                'listed_completed_count',
                'listed_count',
                'total_duration_ms',
                'duration_share',
                'active_tenants',
        ] %}
        {{ unless_suppressed(column) }},
        {%- endfor %}
        flagged.is_suppressed
    from flagged
{%- endmacro %}
