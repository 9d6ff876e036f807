{#
    Two versions of an agent beside each other, by experiment (FL-124).

    An experiment that ran at any time in the window is compared from its start to its end or the window's end, whichever
    comes first: of a part of it another verdict could come. An answer counts for the version that gave it. Answers count
    as independent of each other; where one user gives many, the intervals are a little too narrow.

    Belongs here: who is in which arm and how the outcome is put. Does not belong here: what is compared
    (comparisons.sql), statistics (domain/statistics.sql) and levels (settings).
#}

{# The CTEs up to `compared`, one row per experiment and metric, and `flagged`, one row per experiment. #}
{% macro experiment_comparisons(windows) -%}
    compared_windows as (
        select
            windows.window_key || '|' || experiments.experiment_key as window_key,
            windows.window_key as asked_window_key,
            windows.scope_kind,
            windows.scope_key,
            experiments.source_name,
            experiments.agent_key,
            windows.time_zone,
            experiments.experiment_key as comparison_key,
            experiments.version_a,
            experiments.version_b,
            experiments.split_a,
            experiments.started_at as start_at,
            least(windows.end_at, coalesce(experiments.ended_at, windows.end_at)) as end_at
        from {{ windows }} as windows
        inner join {{ ref('dim_experiments') }} as experiments
            on experiments.started_at < windows.end_at
            and (experiments.ended_at is null or experiments.ended_at > windows.start_at)
            and (windows.source_name is null or windows.source_name = experiments.source_name)
            and (windows.agent_key is null or windows.agent_key = experiments.agent_key)
            and (windows.scope_kind <> 'publisher' or windows.scope_key = experiments.publisher_key)
    ),

    answer_rows as (
        {{ rows_in_windows(ref('fct_invocations'), 'responded_at', 'compared_windows') }}
    ),

    answers as (
        select
            compared_windows.asked_window_key as window_key,
            compared_windows.comparison_key,
            compared_windows.end_at,
            case when answer_rows.agent_version = compared_windows.version_a then 'a' else 'b' end as arm,
            answer_rows.tenant_key,
            answer_rows.user_key,
            answer_rows.invocation_key,
            answer_rows.invocation_event_key,
            answer_rows.is_completed,
            answer_rows.duration_ms
        from answer_rows
        inner join compared_windows
            on answer_rows.window_key = compared_windows.window_key
            and answer_rows.agent_version in (compared_windows.version_a, compared_windows.version_b)
    ),

    {{ arm_comparisons(windows) }}
{%- endmacro %}


{# One row per window and experiment that ran in it: its arms, whether the traffic split as planned, and the verdict. #}
{% macro experiments_sql(windows) -%}
    with {{ experiment_comparisons(windows) }},

    checked as (
        select
            flagged.*,
            findings.a_better_metrics,
            findings.b_better_metrics,
            findings.compared_metrics,
            case when flagged.is_split_by_user then flagged.users_a else flagged.answers_a end as split_count_a,
            case when flagged.is_split_by_user then flagged.users_b else flagged.answers_b end as split_count_b
        from flagged
        inner join findings
            on flagged.window_key = findings.window_key
            and flagged.comparison_key = findings.comparison_key
    ),

    judged as (
        select
            checked.*,
            {{ split_chi_square('checked.split_count_a', 'checked.split_count_b', 'checked.split_a') }} as split_chi_square,
            {{ safe_divide('checked.split_count_a', 'checked.split_count_a + checked.split_count_b') }} as observed_split_a
        from checked
    ),

    decided as (
        select
            judged.*,
            coalesce(judged.split_chi_square > judged.max_chi_square, false) as is_split_wrong,
            case
                when judged.answers_a = 0 or judged.answers_b = 0 then 'no_data'
                when judged.split_chi_square > judged.max_chi_square then 'split_is_wrong'
                when judged.run_days < judged.min_days or judged.compared_metrics = 0 then 'too_early'
                when judged.a_better_metrics > 0 and judged.b_better_metrics > 0 then 'mixed'
                when judged.b_better_metrics > 0 then 'b_better'
                when judged.a_better_metrics > 0 then 'a_better'
                else 'no_difference'
            end as verdict
        from judged
    )

    select
        decided.window_key,
        decided.comparison_key as experiment_key,
        experiments.experiment_id,
        experiments.agent_key,
        agents.agent_id,
        agents.agent_name,
        experiments.version_a,
        experiments.version_b,
        experiments.started_at,
        experiments.ended_at,
        cast(decided.run_days as bigint) as run_days,
        decided.split_a as planned_split_a,
        case when not decided.is_suppressed then decided.observed_split_a end as observed_split_a,
        case
            when not decided.is_suppressed then case when decided.is_split_by_user then 'user' else 'answer' end
        end as split_by,
        {%- for column in [
            'answers_a', 'answers_b', 'users_a', 'users_b', 'mixed_users', 'split_chi_square', 'is_split_wrong',
            'a_better_metrics', 'b_better_metrics', 'compared_metrics', 'verdict',
        ] %}
        case when not decided.is_suppressed then decided.{{ column }} end as {{ column }},
        {%- endfor %}
        case
            when decided.is_suppressed then null
            when decided.verdict = 'no_data' then 'One of the versions has not answered yet.'
            when decided.verdict = 'split_is_wrong'
                then 'The traffic did not split as planned: find out why before reading the figures.'
            when decided.verdict = 'too_early'
                then 'Too early: no verdict before the minimum of days and observations is reached.'
            when decided.verdict = 'mixed'
                then 'Each version is better at something: weigh the metrics against each other.'
            when decided.verdict = 'b_better'
                then experiments.version_b || ' is better than ' || experiments.version_a || ' and at nothing worse.'
            when decided.verdict = 'a_better'
                then experiments.version_a || ' is better than ' || experiments.version_b || ' and at nothing worse.'
            else 'No difference that chance would not explain.'
        end as verdict_text,
        decided.is_suppressed
    from decided
    inner join {{ ref('dim_experiments') }} as experiments
        on decided.comparison_key = experiments.experiment_key
    left join {{ ref('dim_agents') }} as agents
        on experiments.agent_key = agents.agent_key
{%- endmacro %}


{#
    One row per window, experiment and metric: both versions, the second minus the first, and the 95 % interval of that
    difference. A share has Newcombe's, a mean Welch's.
#}
{% macro experiment_metrics_sql(windows) -%}
    with {{ experiment_comparisons(windows) }}

    select
        compared.window_key,
        compared.comparison_key as experiment_key,
        compared.metric,
        cast(compared.metric_order as bigint) as metric_order,
        {%- for column in [
            'observations_a', 'observations_b', 'value_a', 'value_b', 'difference', 'difference_low', 'difference_high',
            'finding',
        ] %}
        case when not flagged.is_suppressed then compared.{{ column }} end as {{ column }},
        {%- endfor %}
        flagged.is_suppressed
    from compared
    inner join flagged
        on compared.window_key = flagged.window_key
        and compared.comparison_key = flagged.comparison_key
{%- endmacro %}
