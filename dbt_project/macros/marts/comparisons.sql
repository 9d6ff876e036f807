{#
    Two groups of an agent's answers, its arms, beside each other on the same metrics: versions of an experiment, or the
    days before and after a deployment.

    Belongs here: what is compared, and from how much. Does not belong here: who is in which arm and what the outcome
    means (experiments.sql, deployments.sql), statistics (domain/statistics.sql), levels (settings).
#}

{# What is compared: metrics of the catalogue, the unit of the whole numbers they are added up in, and their kind. #}
{% macro metrics_of_comparisons() -%}
    {{ return([
        {'metric': 'message_success_rate', 'per_unit': 1, 'is_share': true},
        {'metric': 'average_rating', 'per_unit': 1, 'is_share': false},
        {'metric': 'avg_response_time_ms', 'per_unit': 1, 'is_share': false},
        {'metric': 'cost_per_message_usd', 'per_unit': 1000000000, 'is_share': false},
    ]) }}
{%- endmacro %}

{#
    The CTEs up to `compared`, one row per comparison and metric, and `findings` and `flagged`, one row per comparison
    each. They read `compared_windows` (comparison_key, asked_window_key, split_a, start_at, end_at) and `answers`, each
    in arm a or b.
#}
{% macro arm_comparisons(windows) -%}
    {# A rating is of the request; its last version is that which the user saw. -#}
    rated_answers as (
        select
            window_key,
            comparison_key,
            invocation_key,
            max(arm) as arm,
            min(end_at) as end_at
        from answers
        group by window_key, comparison_key, invocation_key
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
            comparison_key,
            arm,
            tenant_key,
            'message_success_rate' as metric,
            cast(case when is_completed then 1 else 0 end as decimal(18, 0)) as observed
        from answers
        union all
        select
            window_key,
            comparison_key,
            arm,
            tenant_key,
            'avg_response_time_ms',
            cast(duration_ms as decimal(18, 0))
        from answers
        where duration_ms is not null
        union all
        select
            answers.window_key,
            answers.comparison_key,
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
            rated_answers.comparison_key,
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
            comparison_key,
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
        group by window_key, comparison_key, metric
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
        {% for compared in metrics_of_comparisons() -%}
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
            compared_windows.asked_window_key as window_key,
            compared_windows.comparison_key,
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
        from compared_windows
        cross join metrics
        cross join levels
        inner join {{ ref('metric_catalogue') }} as catalogue
            on metrics.metric = catalogue.metric_key
        left join sums
            on compared_windows.asked_window_key = sums.window_key
            and compared_windows.comparison_key = sums.comparison_key
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

    findings as (
        select
            window_key,
            comparison_key,
            count(*) filter (where finding = 'a_better') as a_better_metrics,
            count(*) filter (where finding = 'b_better') as b_better_metrics,
            count(*) filter (where finding <> 'too_few') as compared_metrics
        from compared
        group by window_key, comparison_key
    ),

    {# Users who saw both versions are in neither arm of the split. -#}
    users as (
        select
            window_key,
            comparison_key,
            user_key,
            min(arm) as first_arm,
            max(arm) as last_arm
        from answers
        where user_key is not null
        group by window_key, comparison_key, user_key
    ),

    split_users as (
        select
            window_key,
            comparison_key,
            count(*) filter (where first_arm = 'a' and last_arm = 'a') as users_a,
            count(*) filter (where first_arm = 'b' and last_arm = 'b') as users_b,
            count(*) filter (where first_arm <> last_arm) as mixed_users
        from users
        group by window_key, comparison_key
    ),

    {# The fewest tenants behind any figure of an arm. -#}
    split_answers as (
        select
            window_key,
            comparison_key,
            max(observations_a) filter (where metric = 'message_success_rate') as answers_a,
            max(observations_b) filter (where metric = 'message_success_rate') as answers_b,
            least(
                coalesce(min(tenants_a) filter (where tenants_a > 0), min(tenants_b) filter (where tenants_b > 0)),
                coalesce(min(tenants_b) filter (where tenants_b > 0), min(tenants_a) filter (where tenants_a > 0))
            ) as tenant_count
        from sums
        group by window_key, comparison_key
    ),

    sized as (
        select
            compared_windows.asked_window_key as window_key,
            compared_windows.comparison_key,
            compared_windows.split_a,
            {{ integer_divide(ms_between('compared_windows.start_at', 'compared_windows.end_at'), 86400000) }} as run_days,
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
        from compared_windows
        cross join levels
        left join split_answers
            on compared_windows.asked_window_key = split_answers.window_key
            and compared_windows.comparison_key = split_answers.comparison_key
        left join split_users
            on compared_windows.asked_window_key = split_users.window_key
            and compared_windows.comparison_key = split_users.comparison_key
        {# A tenant learns of a comparison by taking part. -#}
        where compared_windows.scope_kind <> 'tenant' or split_answers.window_key is not null
    ),

    flagged as (
        {{ flag_suppressed_cells(
            'sized',
            windows,
            part_of=['window_key', 'comparison_key'],
            size='answers_a',
            cell='comparison_key',
            tenants='tenant_count'
        ) }}
    )
{%- endmacro %}
