{#
    What is measured for the rules of the insights: one row per window, rule and subject, whether the rule finds anything
    in it or not.

    Rules that name figures (figures.sql) are measured by one select. The others (a rating under load, a service hour by
    hour, one dear answer, two models of an agent) have a select of their own under their rule_id.

    Belongs here: measurements. Does not belong here: thresholds, comparisons and texts.
#}

{# The windows one rule is for, with the columns rows_in_windows needs, for rules that read facts. #}
{% macro windows_of_rule_sql(rule_id) -%}
    select
        rule_windows.window_key,
        rule_windows.scope_kind,
        rule_windows.scope_key,
        rule_windows.source_name,
        rule_windows.agent_key,
        rule_windows.time_zone,
        rule_windows.start_local,
        rule_windows.end_local,
        rule_windows.start_at,
        rule_windows.end_at
    from rule_windows
    where rule_windows.rule_id = '{{ rule_id }}'
{%- endmacro %}

{#
    The value of a condition: the figure itself, how much it changed since the window before, or that as a share of what
    it was (X-06). Differences are decimal, for two rates that differ by exactly the threshold do not as binary numbers.
#}
{% macro measured_value(basis, value, value_before) -%}
    case {{ basis }}
        when 'change' then cast({{ exact_difference(value, value_before) }} as double)
        when 'relative_change' then {{ safe_divide(exact_difference(value, value_before), value_before) }}
        else {{ value }}
    end
{%- endmacro %}

{% macro exact_difference(value, value_before) -%}
    (cast({{ value }} as decimal(38, 12)) - cast({{ value_before }} as decimal(38, 12)))
{%- endmacro %}


{#
    `windows` has the columns of a window, previous_window_key with previous_start_local, and is_evaluated: false for one that others are only
    compared with. It may hold windows of kinds no rule names, such as one made up for an export: then every rule of the
    scope is evaluated on it. A window `past_week` or `past_month` is for the rules over seven days or a week, or over
    thirty days or a month.
#}
{% macro insight_measurements_sql(windows, from_marts=false) -%}
    with rules as (
        {{ insight_rules_sql() }}
    ),

    known_kinds as (
        select {{ string_agg_ordered('window_kinds', '|') }} as window_kinds
        from rules
    ),

    {{ scope_starts() }},

    rule_windows as (
        select
            rules.rule_id,
            windows.window_key,
            {#
                A window that holds the beginning of the scope's data is no measure of what changed: growth would be how
                much of it is there. Of several days the first counts as whole, a day by itself does not.
            -#}
            case
                when {{ local_date('scope_starts.first_at', 'windows.time_zone') }} <= windows.previous_start_local
                    and {{ local_date('scope_starts.first_at', 'windows.time_zone') }}
                    < {{ date_add_days('windows.start_local', -1) }}
                    then windows.previous_window_key
            end as previous_window_key,
            windows.scope_kind,
            windows.scope_id,
            windows.scope_key,
            windows.source_name,
            windows.agent_key,
            windows.time_zone,
            windows.start_local,
            windows.end_local,
            windows.start_at,
            windows.end_at
        from {{ windows }} as windows
        cross join known_kinds
        left join scope_starts
            on windows.scope_kind = scope_starts.scope_kind
            and windows.scope_key = scope_starts.scope_key
        inner join rules
            on windows.is_evaluated
            and {{ listed_in('rules.scope_kinds', 'windows.scope_kind') }}
            and case windows.window_kind
                when 'past_week'
                    then rules.subject_kind <> 'message' and (
                        {{ listed_in('rules.window_kinds', "'7d'") }} or {{ listed_in('rules.window_kinds', "'weekly'") }}
                    )
                when 'past_month'
                    then rules.subject_kind <> 'message' and (
                        {{ listed_in('rules.window_kinds', "'30d'") }} or {{ listed_in('rules.window_kinds', "'monthly'") }}
                    )
                else
                    {{ listed_in('rules.window_kinds', 'windows.window_kind') }}
                    or windows.window_kind is null
                    or not {{ listed_in('known_kinds.window_kinds', 'windows.window_kind') }}
            end
    ),

    {{ insight_figures(windows, from_marts) }},

    {{ insight_details() }},

    named_measurements as (
        select
            rule_windows.window_key,
            rules.rule_id,
            figures.subject_key,
            figures.subject_id,
            figures.subject_name,
            {{ measured_value('rules.basis', 'figures.metric_value', 'figures_before.metric_value') }} as value,
            {{ measured_value('rules.second_basis', 'seconds.metric_value', 'seconds_before.metric_value') }}
                as second_value,
            {{ measured_value('rules.third_basis', 'thirds.metric_value', 'thirds_before.metric_value') }} as third_value,
            figures.metric_value as level_value,
            seconds.metric_value as second_level_value,
            case when rules.basis <> 'value' then figures_before.metric_value else details.baseline end as baseline,
            case when rules.second_basis <> 'value' then seconds_before.metric_value end as second_baseline,
            {#
                A change rests on both windows, so on the fewer observations of the two. A count that is its own sample
                may have fallen to nothing, which is what the rule looks for.
            -#}
            case
                when rules.sample_metric = rules.metric and rules.basis <> 'value'
                    then coalesce(samples_before.metric_value, 0)
                when 'change' in (rules.basis, rules.second_basis, rules.third_basis)
                    or 'relative_change' in (rules.basis, rules.second_basis, rules.third_basis)
                    then least(coalesce(samples.metric_value, 0), coalesce(samples_before.metric_value, 0))
                else coalesce(samples.metric_value, 0)
            end as sample_size,
            details.detail,
            details.limit_text
        from rule_windows
        inner join rules
            on rule_windows.rule_id = rules.rule_id
        inner join figures
            on rule_windows.window_key = figures.window_key
            and rules.subject_kind = figures.subject_kind
            and rules.metric = figures.metric
        left join figures as figures_before
            on rule_windows.previous_window_key = figures_before.window_key
            and rules.subject_kind = figures_before.subject_kind
            and figures.subject_key = figures_before.subject_key
            and rules.metric = figures_before.metric
        {%- for name, prefix in {'seconds': 'second_', 'thirds': 'third_'}.items() %}
        left join figures as {{ name }}
            on rule_windows.window_key = {{ name }}.window_key
            and rules.subject_kind = {{ name }}.subject_kind
            and figures.subject_key = {{ name }}.subject_key
            and rules.{{ prefix }}metric = {{ name }}.metric
        left join figures as {{ name }}_before
            on rule_windows.previous_window_key = {{ name }}_before.window_key
            and rules.subject_kind = {{ name }}_before.subject_kind
            and figures.subject_key = {{ name }}_before.subject_key
            and rules.{{ prefix }}metric = {{ name }}_before.metric
        {%- endfor %}
        left join figures as samples
            on rule_windows.window_key = samples.window_key
            and rules.subject_kind = samples.subject_kind
            and figures.subject_key = samples.subject_key
            and rules.sample_metric = samples.metric
        left join figures as samples_before
            on rule_windows.previous_window_key = samples_before.window_key
            and rules.subject_kind = samples_before.subject_kind
            and figures.subject_key = samples_before.subject_key
            and rules.sample_metric = samples_before.metric
        left join details
            on rule_windows.window_key = details.window_key
            and rules.rule_id = details.rule_id
            and figures.subject_key = details.subject_key
        where rules.sample_metric is not null
    ),

    {{ insight_own_measurements(windows, from_marts) }},

    {{ insight_unusual_days() }},

    {{ insight_error_hours() }}

    {{ measurements_sql('named_measurements', [
        'subject', 'second_value', 'third_value', 'levels', 'baseline', 'detail', 'limit_text'
    ]) }}

    union all

    {{ measurements_sql('degrading_types', ['subject', 'baseline', 'detail', 'limit_text']) }}

    union all

    {{ measurements_sql('overloaded_services', ['subject', 'second_value', 'third_value', 'evidence', 'detail']) }}

    union all

    {{ measurements_sql(
        'costly_answers',
        ['subject', 'second_value', 'third_value', 'baseline', 'evidence', 'detail', 'limit_text']
    ) }}

    union all

    {{ measurements_sql('cheaper_models', ['subject', 'second_value', 'baseline', 'detail', 'limit_text']) }}

    union all

    {{ measurements_sql(
        'unusual_days', ['second_value', 'third_value', 'baseline', 'evidence', 'detail']
    ) }}

    union all

    {{ measurements_sql('error_hours', ['second_value', 'third_value', 'baseline', 'evidence', 'detail']) }}
{%- endmacro %}


{# The CTE `scope_starts`: when the first event of each scope came that used an agent or a model. #}
{% macro scope_starts() -%}
    scope_events as (
        select
            tenant_key,
            publisher_key,
            min(responded_at) as first_at
        from {{ ref('fct_invocations') }}
        group by tenant_key, publisher_key

        union all

        select
            tenant_key,
            publisher_key,
            min(used_at) as first_at
        from {{ ref('fct_llm_calls') }}
        group by tenant_key, publisher_key
    ),

    scope_starts as (
        select
            'platform' as scope_kind,
            '*' as scope_key,
            min(first_at) as first_at
        from scope_events

        union all

        select
            'tenant' as scope_kind,
            tenant_key as scope_key,
            min(first_at) as first_at
        from scope_events
        group by tenant_key

        union all

        select
            'publisher' as scope_kind,
            publisher_key as scope_key,
            min(first_at) as first_at
        from scope_events
        group by publisher_key
    )
{%- endmacro %}


{# A relation of measurements with every column of the common shape; those it does not have are NULL. #}
{% macro measurements_sql(relation, columns) -%}
    {%- set types = {
        'subject_key': dbt.type_string(),
        'subject_id': dbt.type_string(),
        'subject_name': dbt.type_string(),
        'second_value': 'double',
        'third_value': 'double',
        'level_value': 'double',
        'second_level_value': 'double',
        'baseline': 'double',
        'second_baseline': 'double',
        'evidence_start': 'timestamp',
        'evidence_end': 'timestamp',
        'detail': dbt.type_string(),
        'limit_text': dbt.type_string(),
    } -%}
    {%- set groups = {
        'subject': ['subject_key', 'subject_id', 'subject_name'],
        'levels': ['level_value', 'second_level_value', 'second_baseline'],
        'evidence': ['evidence_start', 'evidence_end'],
    } -%}
    {%- set present = [] -%}
    {%- for column in columns -%}
        {%- do present.extend(groups.get(column, [column])) -%}
    {%- endfor -%}
    select
        {{ relation }}.window_key,
        {{ relation }}.rule_id,
        {%- for column, type in types.items() %}
        {%- if column == 'subject_key' %}
        coalesce({{ relation }}.subject_key, '*') as subject_key,
        {%- elif column in present %}
        cast({{ relation }}.{{ column }} as {{ type }}) as {{ column }},
        {%- else %}
        cast(null as {{ type }}) as {{ column }},
        {%- endif %}
        {%- endfor %}
        cast({{ relation }}.value as double) as value,
        {#- A service without a count of requests has none. #}
        cast(coalesce({{ relation }}.sample_size, 0) as bigint) as sample_size
    from {{ relation }}
{%- endmacro %}


{#
    The CTEs up to `details`: what the texts of some rules say beyond their figures. Reads the CTEs of insight_figures.
#}
{% macro insight_details() -%}
    slow_agent_windows as (
        {{ windows_of_rule_sql('slow_agent_response') }}
    ),

    answering_time as (
        select
            window_key,
            agent_key,
            sum(duration_ms) as duration_ms
        from ({{ rows_in_windows(ref('fct_invocations'), 'responded_at', 'slow_agent_windows') }}) as answers
        group by window_key, agent_key
    ),

    tool_time as (
        select
            window_key,
            agent_key,
            tool_name,
            sum(duration_ms) as duration_ms,
            count(distinct tenant_key) as active_tenants
        from ({{ rows_in_windows(ref('fct_tool_calls'), 'called_at', 'slow_agent_windows') }}) as calls
        where attempt_count > 0 and duration_ms is not null
        group by window_key, agent_key, tool_name
    ),

    {# A publisher may not learn of a tool that under k tenants make an agent use. -#}
    ranked_tools as (
        select
            tool_time.window_key,
            tool_time.agent_key,
            tool_time.tool_name,
            tool_time.duration_ms,
            row_number() over (
                partition by tool_time.window_key, tool_time.agent_key
                order by tool_time.duration_ms desc, tool_time.tool_name
            ) as place
        from tool_time
        inner join slow_agent_windows on tool_time.window_key = slow_agent_windows.window_key
        where
            slow_agent_windows.scope_kind <> 'publisher'
            or tool_time.active_tenants >= {{ setting('suppression_min_tenants') }}
    ),

    details as (
        select
            compared_agents.window_key,
            'agent_cost_concentration' as rule_id,
            compared_agents.agent_key as subject_key,
            {{ format_number('compared_agents.avg_tokens_per_message', 0) }} || ' tokens per answer against a median of '
            || {{ format_number('compared_agents.median_tokens_per_message', 0) }} || ' over the agents, USD '
            || {{ format_number('compared_agents.cost_usd', 2) }} || ' of USD '
            || {{ format_number('compared_agents.scope_cost_usd', 2) }} as detail,
            cast(null as {{ dbt.type_string() }}) as limit_text,
            compared_agents.median_tokens_per_message as baseline
        from compared_agents

        union all

        select
            compared_agents.window_key,
            'dearest_agent',
            compared_agents.agent_key,
            'USD ' || {{ format_number('compared_agents.cost_usd', 2) }} || ' of USD '
            || {{ format_number('compared_agents.scope_cost_usd', 2) }},
            null,
            null
        from compared_agents

        union all

        select
            compared_agents.window_key,
            'slow_agent_response',
            compared_agents.agent_key,
            case
                when answering_time.duration_ms > 0 and ranked_tools.duration_ms > 0
                    then ' Its slowest tool, ' || ranked_tools.tool_name || ', takes '
                        || {{ format_number(
                            safe_divide('ranked_tools.duration_ms', 'answering_time.duration_ms') ~ ' * 100', 1
                        ) }} || '% of its answering time.'
                else ''
            end,
            null,
            null
        from compared_agents
        left join answering_time
            on compared_agents.window_key = answering_time.window_key
            and compared_agents.agent_key = answering_time.agent_key
        left join ranked_tools
            on compared_agents.window_key = ranked_tools.window_key
            and compared_agents.agent_key = ranked_tools.agent_key
            and ranked_tools.place = 1

        union all

        select
            step_drops.window_key,
            'success_falls_with_steps',
            '*',
            step_drops.detail,
            null,
            null
        from step_drops

        {%- for rule_id in ['budget_overrun', 'budget_at_risk'] %}

        union all

        select
            last_budgets.window_key,
            '{{ rule_id }}',
            '*',
            'USD ' || {{ format_number('last_budgets.month_spent_usd', 2) }} || ' of USD '
            || {{ format_number('last_budgets.month_budget_usd', 2) }} || ' in '
            || {{ format_number('last_budgets.month_elapsed_days', 0) }} || ' of '
            || {{ format_number('last_budgets.month_days', 0) }} || ' days of '
            || {{ format_month('last_budgets.month_start') }},
            'USD ' || {{ format_number('last_budgets.month_run_rate_usd', 2) }},
            cast(last_budgets.month_budget_usd as double)
        from last_budgets
        where last_budgets.place = 1
        {%- endfor %}
    )
{%- endmacro %}


{#
    The CTEs of the rules that name no figures: `degrading_types`, `overloaded_services`, `costly_answers` and
    `cheaper_models`.
#}
{% macro insight_own_measurements(windows, from_marts) -%}
    feedback_by_loads as (
        {{ insight_input('feedback_by_load', windows, from_marts) }}
    ),

    {#
        The band whose mean is furthest below, where none is by the threshold: a rule that finds nothing has measured
        something too. Where one is, the first of them (AG-091).
    -#}
    ranked_bands as (
        select
            feedback_by_loads.*,
            least(feedback_by_loads.feedback_count, feedback_by_loads.low_feedback_count) as compared_ratings,
            row_number() over (
                partition by feedback_by_loads.window_key, feedback_by_loads.agent_type_key
                order by
                    case
                        when feedback_by_loads.feedback_count >= rules.min_sample
                            and feedback_by_loads.low_feedback_count >= rules.min_sample
                            and feedback_by_loads.drop_from_low >= rules.threshold
                            then 1
                        when feedback_by_loads.feedback_count >= rules.min_sample then 2
                        else 3
                    end,
                    feedback_by_loads.min_instances
            ) as place
        from feedback_by_loads
        inner join rules
            on rules.rule_id = 'rating_degrades_at_load'
            and feedback_by_loads.min_instances is not null
            and feedback_by_loads.drop_from_low is not null
            and feedback_by_loads.band_order > 1
        inner join rule_windows
            on feedback_by_loads.window_key = rule_windows.window_key
            and rules.rule_id = rule_windows.rule_id
        where not feedback_by_loads.is_suppressed
    ),

    degrading_types as (
        select
            ranked_bands.window_key,
            'rating_degrades_at_load' as rule_id,
            ranked_bands.agent_type_key as subject_key,
            ranked_bands.agent_type_id as subject_id,
            ranked_bands.agent_type_name as subject_name,
            ranked_bands.drop_from_low as value,
            ranked_bands.low_avg_rating as baseline,
            ranked_bands.compared_ratings as sample_size,
            'from ' || {{ format_number('ranked_bands.low_avg_rating', 2) }} || ' at the lowest load to '
            || {{ format_number('ranked_bands.avg_rating', 2) }} || ' with ' || ranked_bands.instances_range
            || ' running instances' as detail,
            {{ format_number('ranked_bands.min_instances', 0) }} as limit_text
        from ranked_bands
        where ranked_bands.place = 1
    ),

    errors_under_load_windows as (
        {{ windows_of_rule_sql('errors_under_load') }}
    ),

    service_hours as (
        select
            errors_under_load_windows.window_key,
            errors_under_load_windows.time_zone,
            samples.source_name,
            samples.service,
            {{ timestamp_floor('samples.sampled_at', 3600) }} as hour_at,
            sum(samples.requests) as requests,
            sum(samples.failed_requests) as failed_requests,
            sum(samples.requests) filter (where samples.capacity_rpm is not null) as requests_against_capacity,
            sum(samples.capacity_rpm * samples.interval_s) as capacity_rpm_seconds,
            {{ percentile_cont('samples.queue_depth', 0.95) }} as queue_depth_p95
        from errors_under_load_windows
        inner join {{ ref('fct_health_samples') }} as samples
            on samples.sampled_at >= errors_under_load_windows.start_at
            and samples.sampled_at < errors_under_load_windows.end_at
            and coalesce(errors_under_load_windows.source_name, samples.source_name) = samples.source_name
        where errors_under_load_windows.agent_key is null
        group by 1, 2, 3, 4, 5
    ),

    overloaded_services as (
        select
            service_hours.window_key,
            'errors_under_load' as rule_id,
            service_hours.source_name || ':' || service_hours.service as subject_key,
            service_hours.service as subject_id,
            service_hours.service as subject_name,
            {{ safe_divide('service_hours.failed_requests', 'service_hours.requests') }} as value,
            {{ safe_divide('service_hours.requests_against_capacity * 60', 'service_hours.capacity_rpm_seconds') }}
                as second_value,
            service_hours.queue_depth_p95 as third_value,
            service_hours.requests as sample_size,
            service_hours.hour_at as evidence_start,
            {{ timestamp_add_seconds('service_hours.hour_at', 'cast(3600 as bigint)') }} as evidence_end,
            {{ format_minute(to_local_timestamp('service_hours.hour_at', 'service_hours.time_zone')) }}
            || ' (' || service_hours.time_zone || ')' as detail
        from service_hours
    ),

    cost_anomaly_windows as (
        select
            windows.*,
            row_number() over (order by windows.window_key) as window_number
        from (
            {{ windows_of_rule_sql('cost_anomaly') }}
        ) as windows
    ),

    {#
        An answer costs what all its model calls cost. A window may be all of time, so keys are short and what tells of
        few answers is looked up for those: with the keys as texts, the 19 million answers of 100 million events took
        more than 28 GB of disk.
    -#}
    priced_answers as (
        select
            numbers.window_number,
            {{ short_key('calls.invocation_key') }} as answer_key,
            sum(calls.cost_usd) as cost_usd
        from ({{ rows_in_windows(ref('fct_llm_calls'), 'used_at', 'cost_anomaly_windows') }}) as calls
        inner join cost_anomaly_windows as numbers on calls.window_key = numbers.window_key
        where calls.has_owner and calls.invocation_key is not null and calls.cost_usd is not null
        group by 1, 2
        having sum(calls.cost_usd) > 0
    ),

    cost_medians as (
        select
            window_number,
            {{ median('ln(cost_usd)') }} as median_log_cost,
            {{ median('cost_usd') }} as median_cost_usd,
            max(cost_usd) as greatest_cost_usd,
            count(*) as sample_size
        from priced_answers
        group by window_number
    ),

    {#
        Costs of answers spread over orders of magnitude, so their distance is measured on the logarithm, in robust
        standard deviations (1.4826 x the median absolute deviation), which one wild value cannot move. At least 0.1:
        where most answers cost the same the deviation is 0 and nothing could be divided by it.
    -#}
    cost_spreads as (
        select
            priced_answers.window_number,
            greatest(
                1.4826 * {{ median('abs(ln(priced_answers.cost_usd) - cost_medians.median_log_cost)') }}, 0.1
            ) as log_cost_spread
        from priced_answers
        inner join cost_medians on priced_answers.window_number = cost_medians.window_number
        group by priced_answers.window_number
    ),

    {# Those over the threshold, and the dearest of all, which says that the others were looked at too. -#}
    told_answers as (
        select
            priced_answers.*,
            cost_anomaly_windows.window_key,
            cost_medians.median_log_cost,
            cost_medians.median_cost_usd,
            cost_medians.sample_size
        from priced_answers
        inner join rules on rules.rule_id = 'cost_anomaly'
        inner join cost_medians on priced_answers.window_number = cost_medians.window_number
        inner join cost_anomaly_windows on priced_answers.window_number = cost_anomaly_windows.window_number
        where
            priced_answers.cost_usd > rules.threshold
            or priced_answers.cost_usd = cost_medians.greatest_cost_usd
    ),

    told_calls as (
        select
            calls.*,
            {{ short_key('calls.invocation_key') }} as answer_key
        from {{ ref('fct_llm_calls') }} as calls
        where
            calls.has_owner
            and calls.cost_usd is not null
            and {{ short_key('calls.invocation_key') }} in (select told_answers.answer_key from told_answers)
    ),

    {# The costliest call names agent and model. -#}
    calls_of_told_answers as (
        select
            calls.window_key,
            calls.answer_key,
            calls.invocation_key,
            calls.source_name,
            calls.agent_key,
            calls.model,
            max(calls.used_at) over (partition by calls.window_key, calls.answer_key) as answered_at,
            row_number() over (
                partition by calls.window_key, calls.answer_key
                order by calls.cost_usd desc, calls.usage_key
            ) as place
        from ({{ rows_in_windows('told_calls', 'used_at', 'cost_anomaly_windows') }}) as calls
    ),

    costly_answers as (
        select
            told_answers.window_key,
            'cost_anomaly' as rule_id,
            calls_of_told_answers.invocation_key as subject_key,
            {{ id_of_key('calls_of_told_answers.invocation_key', 'calls_of_told_answers.source_name') }} as subject_id,
            {{ id_of_key('calls_of_told_answers.invocation_key', 'calls_of_told_answers.source_name') }} as subject_name,
            cast(told_answers.cost_usd as double) as value,
            (ln(told_answers.cost_usd) - told_answers.median_log_cost) / cost_spreads.log_cost_spread as second_value,
            {{ safe_divide('told_answers.cost_usd', 'told_answers.median_cost_usd') }} as third_value,
            told_answers.median_cost_usd as baseline,
            told_answers.sample_size,
            calls_of_told_answers.answered_at as evidence_start,
            calls_of_told_answers.answered_at as evidence_end,
            'agent ' || coalesce(dim_agents.agent_name, 'unknown') || ', model '
            || coalesce(calls_of_told_answers.model, 'unknown') || ', '
            || {{ format_minute(to_local_timestamp('calls_of_told_answers.answered_at', 'cost_anomaly_windows.time_zone')) }}
            || ' (' || cost_anomaly_windows.time_zone || ')' as detail,
            {{ format_number('told_answers.median_cost_usd', 4) }} as limit_text
        from told_answers
        inner join cost_spreads on told_answers.window_number = cost_spreads.window_number
        inner join cost_anomaly_windows on told_answers.window_key = cost_anomaly_windows.window_key
        inner join calls_of_told_answers
            on told_answers.window_key = calls_of_told_answers.window_key
            and told_answers.answer_key = calls_of_told_answers.answer_key
            and calls_of_told_answers.place = 1
        left join {{ ref('dim_agents') }} as dim_agents on calls_of_told_answers.agent_key = dim_agents.agent_key
    ),

    {{ cheaper_models_of_agents() }}
{%- endmacro %}


{#
    The CTEs up to `cheaper_models`: one row per window, agent and pair of its models of which the second costs less per
    answer (DI-088). An answer counts for its primary model, cost for the model that caused it (D-07). Success is equal
    where the interval of its difference (Newcombe, statistics.sql) does not reach below the rule's second threshold.
#}
{% macro cheaper_models_of_agents() -%}
    cheaper_model_windows as (
        {{ windows_of_rule_sql('cheaper_model_of_equal_success') }}
    ),

    answers_by_model as (
        select
            window_key,
            agent_key,
            primary_model_key as model_key,
            min(primary_model) as model,
            count(*) as answers,
            count(*) filter (where is_completed) as completed_answers,
            count(distinct tenant_key) as active_tenants
        from ({{ rows_in_windows(ref('fct_invocations'), 'responded_at', 'cheaper_model_windows') }}) as answer_rows
        where primary_model_key is not null
        group by window_key, agent_key, primary_model_key
    ),

    {# Without a price for a part of its calls a model seems cheaper than it is. -#}
    cost_by_model as (
        select
            window_key,
            agent_key,
            model_key,
            case when count(cost_usd) = count(*) then sum(cost_usd) end as cost_usd
        from ({{ rows_in_windows(ref('fct_llm_calls'), 'used_at', 'cheaper_model_windows') }}) as usage_rows
        where has_owner and invocation_key is not null
        group by window_key, agent_key, model_key
    ),

    judged_models as (
        select
            answers_by_model.window_key,
            answers_by_model.agent_key,
            answers_by_model.model_key,
            answers_by_model.model,
            answers_by_model.answers,
            answers_by_model.completed_answers,
            {{ safe_divide('answers_by_model.completed_answers', 'answers_by_model.answers') }} as success_rate,
            {{ wilson_bound(
                'answers_by_model.completed_answers', 'answers_by_model.answers', setting('experiment_z'), '-'
            ) }} as success_low,
            {{ wilson_bound(
                'answers_by_model.completed_answers', 'answers_by_model.answers', setting('experiment_z'), '+'
            ) }} as success_high,
            {{ safe_divide('cost_by_model.cost_usd', 'answers_by_model.answers') }} as cost_per_answer_usd
        from answers_by_model
        inner join cost_by_model
            on answers_by_model.window_key = cost_by_model.window_key
            and answers_by_model.agent_key = cost_by_model.agent_key
            and answers_by_model.model_key = cost_by_model.model_key
        inner join cheaper_model_windows
            on answers_by_model.window_key = cheaper_model_windows.window_key
            and (
                cheaper_model_windows.scope_kind <> 'publisher'
                or answers_by_model.active_tenants >= {{ setting('suppression_min_tenants') }}
            )
        where cost_by_model.cost_usd > 0
    ),

    cheaper_models as (
        select
            dear.window_key,
            'cheaper_model_of_equal_success' as rule_id,
            compared_agents.agent_key as subject_key,
            compared_agents.agent_id as subject_id,
            compared_agents.agent_name as subject_name,
            1 - cheap.cost_per_answer_usd / dear.cost_per_answer_usd as value,
            cheap.success_rate - dear.success_rate
            - {{ newcombe_below('dear.success_rate', 'dear.success_high', 'cheap.success_rate', 'cheap.success_low') }}
                as second_value,
            dear.cost_per_answer_usd as baseline,
            least(dear.answers, cheap.answers) as sample_size,
            cheap.model || ' costs USD ' || {{ format_number('cheap.cost_per_answer_usd', 4) }} || ' per answer, '
            || dear.model || ' USD ' || {{ format_number('dear.cost_per_answer_usd', 4) }} || '; '
            || {{ format_number('cheap.success_rate * 100', 1) }} || '% of ' || {{ format_number('cheap.answers', 0) }}
            || ' answers succeed against ' || {{ format_number('dear.success_rate * 100', 1) }} || '% of '
            || {{ format_number('dear.answers', 0) }} as detail,
            cheap.model as limit_text
        from judged_models as dear
        inner join judged_models as cheap
            on dear.window_key = cheap.window_key
            and dear.agent_key = cheap.agent_key
            and cheap.cost_per_answer_usd < dear.cost_per_answer_usd
        inner join compared_agents
            on dear.window_key = compared_agents.window_key
            and dear.agent_key = compared_agents.agent_key
    )
{%- endmacro %}
