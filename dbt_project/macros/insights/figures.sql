{#
    What the rules of the insights may name: figures of a window by their name, one row each.

    A rule about a scope names metrics of the metric catalogue, or one of those below; a rule about agents or tools names
    columns of their summaries. So a rule over them is a row of seeds/reference/insight_rules.csv and no SQL.

    Belongs here: figures by name. Does not belong here: a formula that a mart has, a threshold, a comparison.
#}

{# The summaries whose metrics of the catalogue a rule about a scope may name. #}
{% macro insight_summaries() -%}
    {{ return([
        'usage_summary',
        'quality_summary',
        'compliance_summary',
        'revenue_summary',
        'adoption_summary',
        'task_summary',
    ]) }}
{%- endmacro %}

{# Figures of a scope that only rules read. #}
{% macro insight_only_metrics() -%}
    {{ return([
        'completed_duration_count',
        'short_session_share',
        'unpriced_usage_share',
        'month_budget_utilization',
        'month_budget_run_rate_share',
        'month_elapsed_days',
        'success_drop_by_steps',
        'compared_step_tasks',
    ]) }}
{%- endmacro %}

{# Of an agent in a window: columns of usage_by_agent, and shares of the scope. #}
{% macro insight_agent_metrics() -%}
    {{ return([
        'agent_messages',
        'errored_count',
        'message_error_rate',
        'avg_llm_latency_ms',
        'avg_response_time_ms',
        'p95_response_time_ms',
        'total_tokens',
        'avg_tokens_per_message',
        'cost_usd',
        'cost_per_message_usd',
        'message_share',
        'cost_share',
        'tokens_per_message_ratio',
    ]) }}
{%- endmacro %}

{# Of a tool in a window: columns of tool_usage. #}
{% macro insight_tool_metrics() -%}
    {{ return(['attempt_count', 'failure_count', 'tool_failure_rate', 'total_duration_ms', 'duration_share']) }}
{%- endmacro %}

{# What is measured for the rules that macros/insights/measurements.sql has a select of its own for. #}
{% macro insight_own_metrics() -%}
    {{ return([
        'drop_from_low',
        'request_error_rate',
        'capacity_utilisation',
        'queue_depth_p95',
        'message_cost_usd',
        'robust_log_deviation',
        'cost_multiple',
        'cost_saving_share',
        'success_difference_low',
        'day_above_usual',
        'day_below_usual',
        'hour_above_usual',
    ]) }}
{%- endmacro %}

{# Those rules. #}
{% macro insight_own_rules() -%}
    {{ return([
        'rating_degrades_at_load',
        'errors_under_load',
        'cost_anomaly',
        'cheaper_model_of_equal_success',
        'cost_day_spike',
        'tokens_day_spike',
        'messages_day_spike',
        'messages_day_drop',
        'users_day_drop',
        'errors_day_spike',
        'response_time_day_spike',
        'rating_day_drop',
        'error_burst',
    ]) }}
{%- endmacro %}

{# The rules as they are compared: thresholds binary, and the setting instead where a rule names one. #}
{% macro insight_rules_sql() -%}
    select
        rules.rule_id,
        rules.severity,
        rules.category,
        rules.subject_kind,
        rules.scope_kinds,
        rules.window_kinds,
        nullif(rules.sample_metric, '') as sample_metric,
        rules.min_sample,
        nullif(rules.max_subjects, 0) as max_subjects,
        rules.condition_logic,
        rules.title,
        rules.description,
        rules.recommendation,
        {%- for prefix in ['', 'second_', 'third_'] %}
        nullif(rules.{{ prefix }}metric, '') as {{ prefix }}metric,
        nullif(rules.{{ prefix }}basis, '') as {{ prefix }}basis,
        rules.{{ prefix }}unit,
        rules.{{ prefix }}comparison,
        {%- endfor %}
        cast(coalesce(settings.setting_value, rules.threshold) as double) as threshold,
        cast(rules.second_threshold as double) as second_threshold,
        cast(rules.third_threshold as double) as third_threshold
    from {{ ref('insight_rules') }} as rules
    left join {{ ref('settings') }} as settings
        on rules.threshold_setting = settings.setting_key
{%- endmacro %}

{# Whether the `|` separated list of a rule holds a value. #}
{% macro listed_in(list, value) -%}
    ('|' || {{ list }} || '|' like '%|' || {{ value }} || '|%')
{%- endmacro %}

{# A summary the rules read: the mart where it is built already, else its SQL over the windows at hand. #}
{% macro insight_input(name, windows, from_marts) -%}
    {%- if from_marts -%}
        select * from {{ ref(name) }}
    {%- else -%}
        {{ context[name ~ '_sql'](windows) }}
    {%- endif -%}
{%- endmacro %}

{#
    The CTEs up to `figures`: one row per window, subject and figure that a rule names, with metric_value binary. Reads
    the CTE `rules`.
#}
{% macro insight_figures(windows, from_marts) -%}
    named_metrics as (
        {%- for column in ['metric', 'second_metric', 'third_metric', 'sample_metric'] %}
        select
            rules.subject_kind,
            rules.{{ column }} as metric
        from rules
        where rules.{{ column }} is not null
        {{ "union" if not loop.last }}
        {%- endfor %}
    ),

    {%- for summary in insight_summaries() %}
    {{ summary }}_rows as (
        {{ insight_input(summary, windows, from_marts) }}
    ),
    {% endfor %}

    agent_rows as (
        {{ insight_input('usage_by_agent', windows, from_marts) }}
    ),

    tool_rows as (
        {{ insight_input('tool_usage', windows, from_marts) }}
    ),

    budget_rows as (
        {{ insight_input('budgets', windows, from_marts) }}
    ),

    step_rows as (
        {{ insight_input('tasks_by_steps', windows, from_marts) }}
    ),

    summary_figures as (
        {%- for summary in insight_summaries() %}
        select
            by_name.window_key,
            '{{ summary }}' as summary_name,
            by_name.metric_name,
            by_name.metric_value
        from ({{ values_by_name(summary ~ '_rows', 'window_key') }}) as by_name
        {{ "union all" if not loop.last }}
        {%- endfor %}
    ),

    {# All of time is for single events alone. -#}
    figure_windows as (
        select * from {{ windows }} as windows
        where windows.window_kind is distinct from 'history'
    ),

    {# A session of one or two messages is a question, at most with its answer. -#}
    session_lengths as (
        select
            window_key,
            count(*) as sessions,
            count(*) filter (where message_count <= 2) as short_sessions
        from ({{ rows_in_windows(ref('fct_sessions'), 'started_at', 'figure_windows') }}) as session_rows
        group by window_key
    ),

    {# A window may reach into several months; the last one can still be kept to. -#}
    last_budgets as (
        select
            budget_rows.*,
            row_number() over (partition by budget_rows.window_key order by budget_rows.month_start desc) as place
        from budget_rows
    ),

    {#
        Tasks of more steps against those of the fewest. Bands without the tasks that the rule wants say nothing, so the
        longest that has them is compared; by whole numbers, for a difference of two rates would miss its threshold.
    -#}
    judged_steps as (
        select
            step_rows.window_key,
            step_rows.band_order,
            step_rows.terminal_tasks,
            step_rows.completed_tasks,
            step_rows.task_success_rate,
            step_rows.steps_range,
            row_number() over (partition by step_rows.window_key order by step_rows.band_order) as place,
            row_number() over (partition by step_rows.window_key order by step_rows.band_order desc) as place_from_end
        from step_rows
        inner join rules
            on rules.sample_metric = 'compared_step_tasks'
            and step_rows.terminal_tasks >= rules.min_sample
        where not step_rows.is_suppressed
    ),

    step_drops as (
        select
            shortest.window_key,
            {{ safe_divide(
                'shortest.completed_tasks * longest.terminal_tasks - longest.completed_tasks * shortest.terminal_tasks',
                'shortest.terminal_tasks * longest.terminal_tasks'
            ) }} as success_drop,
            least(shortest.terminal_tasks, longest.terminal_tasks) as compared_tasks,
            {{ format_number('shortest.task_success_rate * 100', 1) }} || '% of the tasks with ' || shortest.steps_range
            || ' steps succeed, and ' || {{ format_number('longest.task_success_rate * 100', 1) }}
            || '% of those with ' || longest.steps_range as detail
        from judged_steps as shortest
        inner join judged_steps as longest
            on shortest.window_key = longest.window_key
            and shortest.place = 1
            and longest.place_from_end = 1
            and shortest.band_order < longest.band_order
    ),

    {%- set own_figures = {
        'completed_duration_count': ['completed_duration_count', 'usage_summary_rows', 'true'],
        'short_session_share': [safe_divide('short_sessions', 'sessions'), 'session_lengths', 'true'],
        'unpriced_usage_share': [
            safe_divide('unpriced_usage_count', 'usage_count'), 'usage_summary_rows', 'true'
        ],
        'month_budget_utilization': ['month_budget_utilization', 'last_budgets', 'place = 1'],
        'month_budget_run_rate_share': [
            safe_divide('month_run_rate_usd', 'month_budget_usd'), 'last_budgets', 'place = 1'
        ],
        'month_elapsed_days': ['month_elapsed_days', 'last_budgets', 'place = 1'],
        'success_drop_by_steps': ['success_drop', 'step_drops', 'true'],
        'compared_step_tasks': ['compared_tasks', 'step_drops', 'true'],
    } %}

    scope_figures as (
        select
            summary_figures.window_key,
            named_metrics.metric,
            {{ try_cast('summary_figures.metric_value', 'double') }} as metric_value
        from named_metrics
        inner join {{ ref('metric_catalogue') }} as catalogue
            on named_metrics.subject_kind = 'scope'
            and named_metrics.metric = catalogue.metric_key
        inner join summary_figures
            on catalogue.summary = summary_figures.summary_name
            and catalogue.summary_column = summary_figures.metric_name
        {%- for metric, (value, relation, condition) in own_figures.items() %}
        union all
        select
            window_key,
            '{{ metric }}',
            cast({{ value }} as double)
        from {{ relation }}
        where {{ condition }}
        {%- endfor %}
    ),

    median_agents as (
        select
            window_key,
            {{ median('avg_tokens_per_message') }} as median_tokens_per_message
        from agent_rows
        where not is_suppressed and agent_messages > 0
        group by window_key
    ),

    compared_agents as (
        select
            agent_rows.*,
            usage_summary_rows.cost_usd as scope_cost_usd,
            median_agents.median_tokens_per_message,
            {{ safe_divide('agent_rows.agent_messages', 'usage_summary_rows.agent_messages') }} as message_share,
            {{ safe_divide('agent_rows.cost_usd', 'usage_summary_rows.cost_usd') }} as cost_share,
            {{ safe_divide('agent_rows.avg_tokens_per_message', 'median_agents.median_tokens_per_message') }}
                as tokens_per_message_ratio
        from agent_rows
        inner join usage_summary_rows
            on agent_rows.window_key = usage_summary_rows.window_key
        left join median_agents
            on agent_rows.window_key = median_agents.window_key
        where not agent_rows.is_suppressed
    ),

    figures as (
        select
            scope_figures.window_key,
            'scope' as subject_kind,
            '*' as subject_key,
            cast(null as {{ dbt.type_string() }}) as subject_id,
            cast(null as {{ dbt.type_string() }}) as subject_name,
            scope_figures.metric,
            scope_figures.metric_value
        from scope_figures
        {%- for metric in insight_agent_metrics() %}
        union all
        select
            compared_agents.window_key,
            'agent',
            compared_agents.agent_key,
            compared_agents.agent_id,
            compared_agents.agent_name,
            '{{ metric }}',
            cast(compared_agents.{{ metric }} as double)
        from compared_agents
        where '{{ metric }}' in (select named_metrics.metric from named_metrics where named_metrics.subject_kind = 'agent')
        {%- endfor %}
        {%- for metric in insight_tool_metrics() %}
        union all
        select
            tool_rows.window_key,
            'tool',
            tool_rows.tool_name,
            tool_rows.tool_name,
            tool_rows.tool_name,
            '{{ metric }}',
            cast(tool_rows.{{ metric }} as double)
        from tool_rows
        where
            not tool_rows.is_suppressed
            and '{{ metric }}' in (
                select named_metrics.metric from named_metrics where named_metrics.subject_kind = 'tool'
            )
        {%- endfor %}
    )
{%- endmacro %}
