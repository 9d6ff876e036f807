{#
    Two versions of an agent beside each other, by experiment (FL-124).

    An experiment that ran at any time in the window is compared from its start to its end or the window's end, whichever
    comes first: of a part of it another verdict could come. An answer counts for the version that gave it. Answers count
    as independent of each other; where one user gives many, the intervals are a little too narrow.

    Belongs here: who is in which arm, what is compared and how it is put. Does not belong here: statistics
    (domain/statistics.sql) and levels (settings).
#}

{# What is compared: metrics of the catalogue, the unit of the whole numbers they are added up in, and their kind. #}
{% macro experiment_metrics_compared() -%}
    {{ return([
        {'metric': 'message_success_rate', 'per_unit': 1, 'is_share': true},
        {'metric': 'average_rating', 'per_unit': 1, 'is_share': false},
        {'metric': 'avg_response_time_ms', 'per_unit': 1, 'is_share': false},
        {'metric': 'cost_per_message_usd', 'per_unit': 1000000000, 'is_share': false},
    ]) }}
{%- endmacro %}

{# The CTEs up to `compared`, one row per experiment and metric, and `flagged`, one row per experiment. #}
{% macro experiment_comparisons(windows) -%}
    experiment_windows as (
        select
            windows.window_key || '|' || experiments.experiment_key as window_key,
            windows.window_key as asked_window_key,
            windows.scope_kind,
            windows.scope_key,
            experiments.source_name,
            experiments.agent_key,
            windows.time_zone,
            experiments.experiment_key,
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
        {{ rows_in_windows(ref('fct_invocations'), 'responded_at', 'experiment_windows') }}
    ),

    answers as (
        select
            experiment_windows.asked_window_key as window_key,
            experiment_windows.experiment_key,
            experiment_windows.end_at,
            case when answer_rows.agent_version = experiment_windows.version_a then 'a' else 'b' end as arm,
            answer_rows.tenant_key,
            answer_rows.user_key,
            answer_rows.invocation_key,
            answer_rows.invocation_event_key,
            answer_rows.is_completed,
            answer_rows.duration_ms
        from answer_rows
        inner join experiment_windows
            on answer_rows.window_key = experiment_windows.window_key
            and answer_rows.agent_version in (experiment_windows.version_a, experiment_windows.version_b)
    ),

    {# A rating is of the request; its last version is that which the user saw. -#}
    rated_answers as (
        select
            window_key,
            experiment_key,
            invocation_key,
            max(arm) as arm,
            min(end_at) as end_at
        from answers
        group by window_key, experiment_key, invocation_key
    ),

    {# An answer that used nothing cost nothing; what has no price is unknown. -#}
    usage_costs as (
        select
            usage_records.invocation_event_key,
            sum(usage_records.cost_usd) as cost_usd
        from {{ in_currency_of_windows(ref('fct_llm_calls'), windows) }} as usage_records
        inner join (select distinct answers.invocation_event_key from answers) as wanted
            on usage_records.invocation_event_key = wanted.invocation_event_key
        where usage_records.has_owner
        group by usage_records.invocation_event_key
    ),

    observations as (
        select
            window_key,
            experiment_key,
            arm,
            tenant_key,
            'message_success_rate' as metric,
            cast(case when is_completed then 1 else 0 end as decimal(18, 0)) as observed
        from answers
        union all
        select
            window_key,
            experiment_key,
            arm,
            tenant_key,
            'avg_response_time_ms',
            cast(duration_ms as decimal(18, 0))
        from answers
        where duration_ms is not null
        union all
        select
            answers.window_key,
            answers.experiment_key,
            answers.arm,
            answers.tenant_key,
            'cost_per_message_usd',
            cast(round(
                case when usage_costs.invocation_event_key is null then 0 else usage_costs.cost_usd end * 1000000000
            ) as decimal(18, 0))
        from answers
        left join usage_costs
            on answers.invocation_event_key = usage_costs.invocation_event_key
        where usage_costs.invocation_event_key is null or usage_costs.cost_usd is not null
        union all
        select
            rated_answers.window_key,
            rated_answers.experiment_key,
            rated_answers.arm,
            ratings.tenant_key,
            'average_rating',
            cast(ratings.rating as decimal(18, 0))
        from rated_answers
        inner join {{ ref('fct_feedback') }} as ratings
            on rated_answers.invocation_key = ratings.invocation_key
            and ratings.rated_at < rated_answers.end_at
    ),

    sums as (
        select
            window_key,
            experiment_key,
            metric,
            {%- for arm in ['a', 'b'] %}
            count(*) filter (where arm = '{{ arm }}') as observations_{{ arm }},
            cast(coalesce(sum(observed) filter (where arm = '{{ arm }}'), 0) as double) as total_{{ arm }},
            {{ sample_variance(
                "count(*) filter (where arm = '" ~ arm ~ "')",
                "sum(observed) filter (where arm = '" ~ arm ~ "')",
                "sum(observed * observed) filter (where arm = '" ~ arm ~ "')"
            ) }} as variance_{{ arm }},
            count(distinct tenant_key) filter (where arm = '{{ arm }}') as tenants_{{ arm }}{{ "," if not loop.last }}
            {%- endfor %}
        from observations
        group by window_key, experiment_key, metric
    ),

    levels as (
        select
            cast({{ setting('experiment_z') }} as double) as z,
            {{ setting('experiment_min_observations') }} as min_observations,
            {{ setting('experiment_min_days') }} as min_days,
            cast({{ setting('experiment_split_chi_square') }} as double) as max_chi_square,
            cast({{ setting('experiment_max_mixed_users') }} as double) as max_mixed_users
    ),

    metrics as (
        {% for compared in experiment_metrics_compared() -%}
        select
            {{ loop.index }} as metric_order,
            '{{ compared.metric }}' as metric,
            cast({{ compared.per_unit }} as double) as per_unit,
            {{ compared.is_share }} as is_share
        {{ "union all" if not loop.last }}
        {% endfor -%}
    ),

    arms as (
        select
            experiment_windows.asked_window_key as window_key,
            experiment_windows.experiment_key,
            metrics.metric_order,
            metrics.metric,
            metrics.is_share,
            catalogue.higher_is_better,
            levels.z,
            levels.min_observations,
            {%- for arm in ['a', 'b'] %}
            coalesce(sums.observations_{{ arm }}, 0) as observations_{{ arm }},
            sums.total_{{ arm }},
            {{ safe_divide('sums.total_' ~ arm, 'sums.observations_' ~ arm) }} / metrics.per_unit as value_{{ arm }},
            {{ safe_divide('sums.variance_' ~ arm, 'sums.observations_' ~ arm) }} / power(metrics.per_unit, 2)
                as squared_error_{{ arm }},
            case when metrics.is_share then {{ wilson_bound('sums.total_' ~ arm, 'sums.observations_' ~ arm, 'levels.z', '-') }} end
                as low_{{ arm }},
            case when metrics.is_share then {{ wilson_bound('sums.total_' ~ arm, 'sums.observations_' ~ arm, 'levels.z', '+') }} end
                as high_{{ arm }}{{ "," if not loop.last }}
            {%- endfor %}
        from experiment_windows
        cross join metrics
        cross join levels
        inner join {{ ref('metric_catalogue') }} as catalogue
            on metrics.metric = catalogue.metric_key
        left join sums
            on experiment_windows.asked_window_key = sums.window_key
            and experiment_windows.experiment_key = sums.experiment_key
            and metrics.metric = sums.metric
    ),

    half_widths as (
        select
            arms.*,
            arms.value_b - arms.value_a as difference,
            case
                when arms.is_share then {{ newcombe_below('arms.value_a', 'arms.high_a', 'arms.value_b', 'arms.low_b') }}
                when arms.squared_error_a + arms.squared_error_b = 0 then 0
                else {{ t_quantile('arms.z', welch_freedom(
                    'arms.squared_error_a', 'arms.observations_a', 'arms.squared_error_b', 'arms.observations_b'
                )) }} * sqrt(arms.squared_error_a + arms.squared_error_b)
            end as width_below,
            case
                when arms.is_share then {{ newcombe_above('arms.value_a', 'arms.low_a', 'arms.value_b', 'arms.high_b') }}
                when arms.squared_error_a + arms.squared_error_b = 0 then 0
                else {{ t_quantile('arms.z', welch_freedom(
                    'arms.squared_error_a', 'arms.observations_a', 'arms.squared_error_b', 'arms.observations_b'
                )) }} * sqrt(arms.squared_error_a + arms.squared_error_b)
            end as width_above
        from arms
    ),

    compared as (
        select
            half_widths.*,
            half_widths.difference - half_widths.width_below as difference_low,
            half_widths.difference + half_widths.width_above as difference_high,
            case
                when
                    half_widths.observations_a < half_widths.min_observations
                    or half_widths.observations_b < half_widths.min_observations
                    then 'too_few'
                when half_widths.difference > half_widths.width_below
                    then case when half_widths.higher_is_better then 'b_better' else 'a_better' end
                when -half_widths.difference > half_widths.width_above
                    then case when half_widths.higher_is_better then 'a_better' else 'b_better' end
                else 'no_difference'
            end as finding
        from half_widths
    ),

    {# Users who saw both versions are in neither arm of the split. -#}
    users as (
        select
            window_key,
            experiment_key,
            user_key,
            min(arm) as first_arm,
            max(arm) as last_arm
        from answers
        where user_key is not null
        group by window_key, experiment_key, user_key
    ),

    split_users as (
        select
            window_key,
            experiment_key,
            count(*) filter (where first_arm = 'a' and last_arm = 'a') as users_a,
            count(*) filter (where first_arm = 'b' and last_arm = 'b') as users_b,
            count(*) filter (where first_arm <> last_arm) as mixed_users
        from users
        group by window_key, experiment_key
    ),

    {# The fewest tenants behind any figure of an arm. -#}
    split_answers as (
        select
            window_key,
            experiment_key,
            max(observations_a) filter (where metric = 'message_success_rate') as answers_a,
            max(observations_b) filter (where metric = 'message_success_rate') as answers_b,
            least(
                coalesce(min(tenants_a) filter (where tenants_a > 0), min(tenants_b) filter (where tenants_b > 0)),
                coalesce(min(tenants_b) filter (where tenants_b > 0), min(tenants_a) filter (where tenants_a > 0))
            ) as tenant_count
        from sums
        group by window_key, experiment_key
    ),

    sized as (
        select
            experiment_windows.asked_window_key as window_key,
            experiment_windows.experiment_key,
            experiment_windows.split_a,
            {{ integer_divide(ms_between('experiment_windows.start_at', 'experiment_windows.end_at'), 86400000) }} as run_days,
            coalesce(split_answers.answers_a, 0) as answers_a,
            coalesce(split_answers.answers_b, 0) as answers_b,
            coalesce(split_users.users_a, 0) as users_a,
            coalesce(split_users.users_b, 0) as users_b,
            coalesce(split_users.mixed_users, 0) as mixed_users,
            coalesce(split_answers.tenant_count, 0) as tenant_count,
            coalesce(
                split_users.mixed_users <= levels.max_mixed_users
                * (split_users.users_a + split_users.users_b + split_users.mixed_users),
                false
            ) as is_split_by_user,
            levels.max_chi_square,
            levels.min_days
        from experiment_windows
        cross join levels
        left join split_answers
            on experiment_windows.asked_window_key = split_answers.window_key
            and experiment_windows.experiment_key = split_answers.experiment_key
        left join split_users
            on experiment_windows.asked_window_key = split_users.window_key
            and experiment_windows.experiment_key = split_users.experiment_key
        {# A tenant learns of an experiment by taking part. -#}
        where experiment_windows.scope_kind <> 'tenant' or split_answers.window_key is not null
    ),

    flagged as (
        {{ flag_suppressed_cells(
            'sized',
            windows,
            part_of=['window_key', 'experiment_key'],
            size='answers_a',
            cell='experiment_key',
            tenants='tenant_count'
        ) }}
    )
{%- endmacro %}


{# One row per window and experiment that ran in it: its arms, whether the traffic split as planned, and the verdict. #}
{% macro experiments_sql(windows) -%}
    with {{ experiment_comparisons(windows) }},

    findings as (
        select
            window_key,
            experiment_key,
            count(*) filter (where finding = 'a_better') as a_better_metrics,
            count(*) filter (where finding = 'b_better') as b_better_metrics,
            count(*) filter (where finding <> 'too_few') as compared_metrics
        from compared
        group by window_key, experiment_key
    ),

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
            and flagged.experiment_key = findings.experiment_key
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
        decided.experiment_key,
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
        on decided.experiment_key = experiments.experiment_key
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
        compared.experiment_key,
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
        and compared.experiment_key = flagged.experiment_key
{%- endmacro %}
