{#
    The days before and after a deployment of an agent's version beside each other (FL-123).

    Seven local days before the day of the deployment against seven after it, so both hold each weekday once; that day
    itself is in neither. Where fewer days after it are over by the end of the window, those of the same weekdays before
    it are compared with them.

    Belongs here: which days are held against each other and how the outcome is put. Does not belong here: what is
    compared (comparisons.sql).
#}

{# The CTEs up to `compared`, one row per deployment and metric, and `flagged`, one row per deployment. #}
{% macro deployment_comparisons(windows) -%}
    deployed as (
        select
            windows.window_key || '|' || deployments.deployment_key as window_key,
            windows.window_key as asked_window_key,
            windows.scope_kind,
            windows.scope_key,
            deployments.source_name,
            deployments.agent_key,
            windows.time_zone,
            deployments.deployment_key as comparison_key,
            {{ local_date('deployments.deployed_at', 'windows.time_zone') }} as deployed_on,
            {{ local_date('windows.end_at', 'windows.time_zone') }} as window_end_on
        from {{ windows }} as windows
        inner join {{ ref('fct_deployments') }} as deployments
            on deployments.deployed_at >= windows.start_at
            and deployments.deployed_at < windows.end_at
            and (windows.source_name is null or windows.source_name = deployments.source_name)
            and (windows.agent_key is null or windows.agent_key = deployments.agent_key)
            and (windows.scope_kind <> 'publisher' or windows.scope_key = deployments.publisher_key)
    ),

    {# The first local date that is no part of the days after: the eighth day, or one that is not over. -#}
    compared_windows as (
        select
            deployed.*,
            least({{ date_add_days('deployed.deployed_on', 8) }}, deployed.window_end_on) as compared_until,
            cast(null as double) as split_a,
            {{ to_utc_timestamp(date_add_days('deployed.deployed_on', -7), 'deployed.time_zone') }} as start_at,
            {{ to_utc_timestamp(
                'least(' ~ date_add_days('deployed.deployed_on', 8) ~ ', deployed.window_end_on)', 'deployed.time_zone'
            ) }} as end_at
        from deployed
    ),

    answer_rows as (
        {{ local_rows_in_windows(ref('fct_invocations'), 'responded_at', 'compared_windows') }}
    ),

    {# The seventh day after has the weekday of the deployment, and so has the seventh before. -#}
    answers as (
        select
            compared_windows.asked_window_key as window_key,
            compared_windows.comparison_key,
            compared_windows.end_at,
            case when answer_rows.local_date < compared_windows.deployed_on then 'a' else 'b' end as arm,
            answer_rows.tenant_key,
            answer_rows.user_key,
            answer_rows.invocation_key,
            answer_rows.invocation_event_key,
            answer_rows.is_completed,
            answer_rows.duration_ms
        from answer_rows
        inner join compared_windows
            on answer_rows.window_key = compared_windows.window_key
            and answer_rows.local_date <> compared_windows.deployed_on
            and case
                when answer_rows.local_date > compared_windows.deployed_on then answer_rows.local_date
                when answer_rows.local_date = {{ date_add_days('compared_windows.deployed_on', -7) }}
                    then {{ date_add_days('compared_windows.deployed_on', 7) }}
                else {{ date_add_days('answer_rows.local_date', 7) }}
            end < compared_windows.compared_until
    ),

    {{ arm_comparisons(windows) }}
{%- endmacro %}


{# One row per window and deployment in it: how much is compared, and the verdict. #}
{% macro deployments_sql(windows) -%}
    with {{ deployment_comparisons(windows) }},

    decided as (
        select
            flagged.window_key,
            flagged.comparison_key,
            flagged.is_suppressed,
            flagged.answers_a as answers_before,
            flagged.answers_b as answers_after,
            findings.a_better_metrics as worse_metrics,
            findings.b_better_metrics as better_metrics,
            findings.compared_metrics,
            case
                when flagged.answers_a = 0 or flagged.answers_b = 0 then 'no_data'
                when findings.compared_metrics = 0 then 'too_early'
                when findings.b_better_metrics > 0 and findings.a_better_metrics > 0 then 'mixed'
                when findings.b_better_metrics > 0 then 'better'
                when findings.a_better_metrics > 0 then 'worse'
                else 'no_difference'
            end as verdict
        from flagged
        inner join findings
            on flagged.window_key = findings.window_key
            and flagged.comparison_key = findings.comparison_key
    )

    select
        decided.window_key,
        decided.comparison_key as deployment_key,
        deployments.deployment_id,
        deployments.agent_key,
        agents.agent_id,
        agents.agent_name,
        deployments.agent_version,
        deployments.deployed_at,
        deployments.note,
        compared_windows.deployed_on,
        cast(greatest(
            0, {{ days_between('compared_windows.deployed_on', 'compared_windows.compared_until') }} - 1
        ) as bigint) as compared_days,
        {%- for column in ['answers_before', 'answers_after', 'better_metrics', 'worse_metrics', 'compared_metrics', 'verdict'] %}
        case when not decided.is_suppressed then decided.{{ column }} end as {{ column }},
        {%- endfor %}
        case
            when decided.is_suppressed then null
            when decided.verdict = 'no_data' then 'No answers before it or none after it.'
            when decided.verdict = 'too_early' then 'Too early: too few observations before or after it.'
            when decided.verdict = 'mixed' then 'Better at something and worse at something else.'
            when decided.verdict = 'better' then 'Better than before, and at nothing worse.'
            when decided.verdict = 'worse' then 'Worse than before, and at nothing better.'
            else 'No difference that chance would not explain.'
        end as verdict_text,
        decided.is_suppressed
    from decided
    inner join {{ ref('fct_deployments') }} as deployments
        on decided.comparison_key = deployments.deployment_key
    inner join compared_windows
        on decided.window_key = compared_windows.asked_window_key
        and decided.comparison_key = compared_windows.comparison_key
    left join {{ ref('dim_agents') }} as agents
        on deployments.agent_key = agents.agent_key
{%- endmacro %}


{#
    One row per window, deployment in it and metric: before and after, the difference and its 95 % interval. A share has
    Newcombe's, a mean Welch's.
#}
{% macro deployment_metrics_sql(windows) -%}
    with {{ deployment_comparisons(windows) }}

    select
        compared.window_key,
        compared.comparison_key as deployment_key,
        compared.metric,
        cast(compared.metric_order as bigint) as metric_order,
        {%- for column, name in {
            'observations_a': 'observations_before', 'observations_b': 'observations_after', 'value_a': 'value_before',
            'value_b': 'value_after', 'difference': 'difference', 'difference_low': 'difference_low',
            'difference_high': 'difference_high',
        }.items() %}
        case when not flagged.is_suppressed then compared.{{ column }} end as {{ name }},
        {%- endfor %}
        case
            when flagged.is_suppressed then null
            when compared.finding = 'a_better' then 'worse'
            when compared.finding = 'b_better' then 'better'
            else compared.finding
        end as finding,
        flagged.is_suppressed
    from compared
    inner join flagged
        on compared.window_key = flagged.window_key
        and compared.comparison_key = flagged.comparison_key
{%- endmacro %}
