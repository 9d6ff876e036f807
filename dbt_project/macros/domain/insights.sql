{#
    Findings: what a person should look at, with the reason and the advice, from rules that are data.

    A rule of seeds/reference/insight_rules.csv names a metric, up to two more conditions, a minimum sample, the windows
    and scopes it is for, and its texts. Below, each rule has one select of measurements, one row per window and
    subject; one query then compares all of them and writes the texts. A measurement that is NULL or rests on too small
    a sample finds nothing.

    Belongs here: measurements, comparison, texts. Does not belong here: a formula that a mart has, or a threshold.
#}

{# Whether the `|` separated list of a rule holds a value. #}
{% macro listed_in(list, value) -%}
    ('|' || {{ list }} || '|' like '%|' || {{ value }} || '|%')
{%- endmacro %}

{# `left` compared with `right` by an operator that is data. #}
{% macro compared(left, operator, right) -%}
    case {{ operator }}
        when '>' then {{ left }} > {{ right }}
        when '>=' then {{ left }} >= {{ right }}
        when '<' then {{ left }} < {{ right }}
        when '<=' then {{ left }} <= {{ right }}
    end
{%- endmacro %}

{# A measured value in its unit, for a sentence. #}
{% macro measure_text(value, unit) -%}
    case {{ unit }}
        when 'fraction' then {{ format_number('(' ~ value ~ ') * 100', 1) }} || '%'
        when 'small_fraction' then {{ format_number('(' ~ value ~ ') * 100', 2) }} || '%'
        when 'milliseconds' then {{ format_number('(' ~ value ~ ') / 1000.0', 2) }} || ' s'
        when 'seconds' then {{ format_number(value, 0) }} || ' s'
        when 'usd' then 'USD ' || {{ format_number(value, 2) }}
        when 'rating' then {{ format_number(value, 2) }}
        when 'times' then {{ format_number(value, 1) }}
        when 'count' then {{ format_number(value, 0) }}
    end
{%- endmacro %}

{# A threshold likewise, without trailing zeros: thresholds are round numbers. #}
{% macro threshold_text(value, unit) -%}
    {%- set scaled = {'fraction': '(' ~ value ~ ') * 100', 'milliseconds': '(' ~ value ~ ') / 1000.0'} -%}
    case {{ unit }}
        when 'fraction' then {{ trimmed_number(scaled['fraction']) }} || '%'
        when 'small_fraction' then {{ trimmed_number(scaled['fraction']) }} || '%'
        when 'milliseconds' then {{ trimmed_number(scaled['milliseconds']) }} || ' s'
        when 'seconds' then {{ trimmed_number(value) }} || ' s'
        when 'usd' then 'USD ' || {{ format_number(value, 2) }}
        else {{ trimmed_number(value) }}
    end
{%- endmacro %}

{% macro trimmed_number(value) -%}
    trim(trailing '.' from trim(trailing '0' from {{ format_number(value, 2) }}))
{%- endmacro %}

{# A template of a rule with its placeholders filled. A value that does not exist reads "unknown". #}
{% macro filled_text(template) -%}
    {%- set placeholders = {
        'value': 'value_text',
        'second_value': 'second_value_text',
        'third_value': 'third_value_text',
        'threshold': 'threshold_text',
        'second_threshold': 'second_threshold_text',
        'third_threshold': 'third_threshold_text',
        'sample_size': 'sample_size_text',
        'subject': 'shown_name',
        'detail': 'detail',
        'limit': 'limit_text',
        'period': 'period_text',
    } -%}
    {%- set filled = namespace(sql=template) -%}
    {%- for placeholder, column in placeholders.items() -%}
        {%- set filled.sql = "replace(" ~ filled.sql ~ ", '{" ~ placeholder ~ "}', coalesce(" ~ column ~ ", 'unknown'))" -%}
    {%- endfor -%}
    {{ filled.sql }}
{%- endmacro %}

{# A summary the rules read: the mart where it is built already, else its SQL over the windows at hand. #}
{% macro insight_input(name, windows, from_marts) -%}
    {%- if from_marts -%}
        select * from {{ ref(name) }}
    {%- else -%}
        {{ context[name ~ '_sql'](windows) }}
    {%- endif -%}
{%- endmacro %}

{# The windows one rule is for, with the columns rows_in_windows needs, for rules that read facts. #}
{% macro windows_of_rule_sql(rule_id) -%}
    select
        rule_windows.window_key,
        rule_windows.scope_kind,
        rule_windows.scope_key,
        rule_windows.source_name,
        rule_windows.agent_key,
        rule_windows.time_zone,
        rule_windows.start_at,
        rule_windows.end_at
    from rule_windows
    where rule_windows.rule_id = '{{ rule_id }}'
{%- endmacro %}


{#
    One row per finding. `windows` may hold windows of kinds no rule names, such as one made up for an export: then
    every rule of the scope is evaluated on it.
#}
{% macro insight_findings_sql(windows, from_marts=false) -%}
    with rules as (
        select
            rule_id,
            severity,
            category,
            subject_kind,
            scope_kinds,
            window_kinds,
            metric,
            unit,
            comparison,
            cast(threshold as double) as threshold,
            min_sample,
            second_unit,
            second_comparison,
            cast(second_threshold as double) as second_threshold,
            third_unit,
            third_comparison,
            cast(third_threshold as double) as third_threshold,
            condition_logic,
            title,
            description,
            recommendation
        from {{ ref('insight_rules') }}
    ),

    known_kinds as (
        select {{ string_agg_ordered('window_kinds', '|') }} as window_kinds
        from rules
    ),

    rule_windows as (
        select
            rules.rule_id,
            windows.window_key,
            windows.scope_kind,
            windows.scope_key,
            windows.source_name,
            windows.agent_key,
            windows.time_zone,
            windows.start_at,
            windows.end_at
        from {{ windows }} as windows
        cross join known_kinds
        inner join rules
            on {{ listed_in('rules.scope_kinds', 'windows.scope_kind') }}
            and (
                {{ listed_in('rules.window_kinds', 'windows.window_kind') }}
                or windows.window_kind is null
                or not {{ listed_in('known_kinds.window_kinds', 'windows.window_kind') }}
            )
    ),

    usage_summaries as (
        {{ insight_input('usage_summary', windows, from_marts) }}
    ),

    usage_by_agents as (
        {{ insight_input('usage_by_agent', windows, from_marts) }}
    ),

    feedback_summaries as (
        {{ insight_input('feedback_summary', windows, from_marts) }}
    ),

    feedback_by_loads as (
        {{ insight_input('feedback_by_load', windows, from_marts) }}
    ),

    feedback_by_agent_types as (
        {{ insight_input('feedback_by_agent_type', windows, from_marts) }}
    ),

    compliance_summaries as (
        {{ insight_input('compliance_summary', windows, from_marts) }}
    ),

    tool_usages as (
        {{ insight_input('tool_usage', windows, from_marts) }}
    ),

    {# A session of one or two messages is a question, at most with its answer. -#}
    low_engagement_windows as (
        {{ windows_of_rule_sql('low_engagement') }}
    ),

    session_lengths as (
        select
            window_key,
            count(*) as sessions,
            count(*) filter (where message_count <= 2) as short_sessions
        from ({{ rows_in_windows(ref('fct_sessions'), 'started_at', 'low_engagement_windows') }}) as sessions
        group by window_key
    ),

    scope_measurements as (
        select
            window_key,
            'high_error_rate' as rule_id,
            message_error_rate as value,
            cast(null as double) as second_value,
            agent_messages as sample_size
        from usage_summaries

        union all

        select
            window_key,
            'slow_p95_response' as rule_id,
            p95_completed_duration_ms as value,
            cast(null as double) as second_value,
            completed_duration_count as sample_size
        from usage_summaries

        union all

        select
            window_key,
            'low_user_satisfaction' as rule_id,
            avg_rating as value,
            cast(null as double) as second_value,
            feedback_count as sample_size
        from feedback_summaries

        union all

        select
            window_key,
            'high_toxicity_rate' as rule_id,
            toxic_rate as value,
            cast(null as double) as second_value,
            total_messages as sample_size
        from compliance_summaries

        union all

        select
            usage_summaries.window_key,
            'low_engagement' as rule_id,
            usage_summaries.median_session_duration_s as value,
            {{ safe_divide('session_lengths.short_sessions', 'session_lengths.sessions') }} as second_value,
            session_lengths.sessions as sample_size
        from usage_summaries
        inner join session_lengths on usage_summaries.window_key = session_lengths.window_key
    ),

    failing_tools as (
        select
            window_key,
            'tool_failing_often' as rule_id,
            tool_name as subject_key,
            tool_name as subject_id,
            tool_name as subject_name,
            tool_failure_rate as value,
            attempt_count as sample_size
        from tool_usages
        where not is_suppressed
    ),

    slow_models as (
        select
            window_key,
            'slow_agent_model' as rule_id,
            agent_key as subject_key,
            agent_id as subject_id,
            agent_name as subject_name,
            avg_llm_latency_ms as value,
            agent_messages as sample_size
        from usage_by_agents
        where not is_suppressed
    ),

    median_agents as (
        select
            window_key,
            {{ median('avg_tokens_per_message') }} as median_tokens_per_message
        from usage_by_agents
        where not is_suppressed and agent_messages > 0
        group by window_key
    ),

    costly_agents as (
        select
            usage_by_agents.window_key,
            'agent_cost_concentration' as rule_id,
            usage_by_agents.agent_key as subject_key,
            usage_by_agents.agent_id as subject_id,
            usage_by_agents.agent_name as subject_name,
            {{ safe_divide('usage_by_agents.cost_usd', 'usage_summaries.cost_usd') }} as value,
            {{ safe_divide('usage_by_agents.avg_tokens_per_message', 'median_agents.median_tokens_per_message') }}
                as second_value,
            usage_by_agents.agent_messages as sample_size,
            {{ format_number('usage_by_agents.avg_tokens_per_message', 0) }} || ' tokens per answer against a median of '
            || {{ format_number('median_agents.median_tokens_per_message', 0) }} || ' over the agents, USD '
            || {{ format_number('usage_by_agents.cost_usd', 2) }} || ' of USD '
            || {{ format_number('usage_summaries.cost_usd', 2) }} as detail
        from usage_by_agents
        inner join usage_summaries on usage_by_agents.window_key = usage_summaries.window_key
        inner join median_agents on usage_by_agents.window_key = median_agents.window_key
        where not usage_by_agents.is_suppressed
    ),

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

    slow_agents as (
        select
            usage_by_agents.window_key,
            'slow_agent_response' as rule_id,
            usage_by_agents.agent_key as subject_key,
            usage_by_agents.agent_id as subject_id,
            usage_by_agents.agent_name as subject_name,
            usage_by_agents.p95_response_time_ms as value,
            usage_by_agents.agent_messages as sample_size,
            case
                when answering_time.duration_ms > 0 and ranked_tools.duration_ms > 0
                    then ' Its slowest tool, ' || ranked_tools.tool_name || ', takes '
                        || {{ format_number(
                            safe_divide('ranked_tools.duration_ms', 'answering_time.duration_ms') ~ ' * 100', 1
                        ) }} || '% of its answering time.'
                else ''
            end as detail
        from usage_by_agents
        left join answering_time
            on usage_by_agents.window_key = answering_time.window_key
            and usage_by_agents.agent_key = answering_time.agent_key
        left join ranked_tools
            on usage_by_agents.window_key = ranked_tools.window_key
            and usage_by_agents.agent_key = ranked_tools.agent_key
            and ranked_tools.place = 1
        where not usage_by_agents.is_suppressed
    ),

    degrading_types as (
        select
            feedback_by_loads.window_key,
            'rating_degrades_at_load' as rule_id,
            feedback_by_loads.agent_type_key as subject_key,
            feedback_by_loads.agent_type_id as subject_id,
            feedback_by_loads.agent_type_name as subject_name,
            feedback_by_loads.drop_from_low as value,
            feedback_by_loads.low_avg_rating as baseline,
            least(feedback_by_loads.feedback_count, feedback_by_loads.low_feedback_count) as sample_size,
            'from ' || {{ format_number('feedback_by_loads.low_avg_rating', 2) }} || ' at the lowest load to '
            || {{ format_number('feedback_by_loads.avg_rating', 2) }} || ' with ' || feedback_by_loads.instances_range
            || ' running instances' as detail,
            {{ format_number('feedback_by_loads.min_instances', 0) }} as limit_text
        from feedback_by_loads
        inner join feedback_by_agent_types
            on feedback_by_loads.window_key = feedback_by_agent_types.window_key
            and feedback_by_loads.agent_type_key is not distinct from feedback_by_agent_types.agent_type_key
            and feedback_by_loads.min_instances = feedback_by_agent_types.rating_degrades_at_load
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
            window_key,
            'errors_under_load' as rule_id,
            source_name || ':' || service as subject_key,
            service as subject_id,
            service as subject_name,
            {{ safe_divide('failed_requests', 'requests') }} as value,
            {{ safe_divide('requests_against_capacity * 60', 'capacity_rpm_seconds') }} as second_value,
            queue_depth_p95 as third_value,
            requests as sample_size,
            hour_at as evidence_start,
            {{ timestamp_add_seconds('hour_at', 'cast(3600 as bigint)') }} as evidence_end,
            {{ format_minute(to_local_timestamp('hour_at', 'service_hours.time_zone')) }}
            || ' (' || service_hours.time_zone || ')' as detail
        from service_hours
    ),

    cost_anomaly_windows as (
        {{ windows_of_rule_sql('cost_anomaly') }}
    ),

    {# An answer costs what all its model calls cost; the costliest call names the model. -#}
    priced_calls as (
        select
            calls.window_key,
            calls.source_name,
            calls.agent_key,
            calls.invocation_key,
            calls.used_at,
            calls.model,
            calls.cost_usd,
            row_number() over (
                partition by calls.window_key, calls.invocation_key order by calls.cost_usd desc, calls.usage_key
            ) as place
        from ({{ rows_in_windows(ref('fct_llm_calls'), 'used_at', 'cost_anomaly_windows') }}) as calls
        where calls.has_owner and calls.invocation_key is not null and calls.cost_usd is not null
    ),

    priced_answers as (
        select
            window_key,
            invocation_key,
            min(case when place = 1 then source_name end) as source_name,
            min(case when place = 1 then agent_key end) as agent_key,
            min(case when place = 1 then model end) as model,
            max(used_at) as answered_at,
            sum(cost_usd) as cost_usd
        from priced_calls
        group by window_key, invocation_key
        having sum(cost_usd) > 0
    ),

    cost_medians as (
        select
            window_key,
            {{ median('ln(cost_usd)') }} as median_log_cost,
            {{ median('cost_usd') }} as median_cost_usd,
            count(*) as sample_size
        from priced_answers
        group by window_key
    ),

    {#
        Costs of answers spread over orders of magnitude, so their distance is measured on the logarithm, in robust
        standard deviations (1.4826 x the median absolute deviation), which one wild value cannot move. At least 0.1:
        where most answers cost the same the deviation is 0 and nothing could be divided by it.
    -#}
    cost_spreads as (
        select
            priced_answers.window_key,
            greatest(
                1.4826 * {{ median('abs(ln(priced_answers.cost_usd) - cost_medians.median_log_cost)') }}, 0.1
            ) as log_cost_spread
        from priced_answers
        inner join cost_medians on priced_answers.window_key = cost_medians.window_key
        group by priced_answers.window_key
    ),

    costly_answers as (
        select
            priced_answers.window_key,
            'cost_anomaly' as rule_id,
            priced_answers.invocation_key as subject_key,
            substr(priced_answers.invocation_key, length(priced_answers.source_name) + 2) as subject_id,
            substr(priced_answers.invocation_key, length(priced_answers.source_name) + 2) as subject_name,
            cast(priced_answers.cost_usd as double) as value,
            (ln(priced_answers.cost_usd) - cost_medians.median_log_cost) / cost_spreads.log_cost_spread as second_value,
            {{ safe_divide('priced_answers.cost_usd', 'cost_medians.median_cost_usd') }} as third_value,
            cost_medians.median_cost_usd as baseline,
            cost_medians.sample_size,
            priced_answers.answered_at as evidence_start,
            priced_answers.answered_at as evidence_end,
            'agent ' || coalesce(dim_agents.agent_name, 'unknown') || ', model '
            || coalesce(priced_answers.model, 'unknown') || ', '
            || {{ format_minute(to_local_timestamp('priced_answers.answered_at', 'cost_anomaly_windows.time_zone')) }}
            || ' (' || cost_anomaly_windows.time_zone || ')' as detail,
            {{ format_number('cost_medians.median_cost_usd', 4) }} as limit_text
        from priced_answers
        inner join cost_medians on priced_answers.window_key = cost_medians.window_key
        inner join cost_spreads on priced_answers.window_key = cost_spreads.window_key
        inner join cost_anomaly_windows on priced_answers.window_key = cost_anomaly_windows.window_key
        left join {{ ref('dim_agents') }} as dim_agents on priced_answers.agent_key = dim_agents.agent_key
    ),

    measurements as (
        {{ measurements_sql('scope_measurements', ['second_value']) }}

        union all

        {{ measurements_sql('failing_tools', ['subject']) }}

        union all

        {{ measurements_sql('slow_models', ['subject']) }}

        union all

        {{ measurements_sql('costly_agents', ['subject', 'second_value', 'detail']) }}

        union all

        {{ measurements_sql('slow_agents', ['subject', 'detail']) }}

        union all

        {{ measurements_sql('degrading_types', ['subject', 'baseline', 'detail', 'limit_text']) }}

        union all

        {{ measurements_sql(
            'overloaded_services', ['subject', 'second_value', 'third_value', 'evidence', 'detail']
        ) }}

        union all

        {{ measurements_sql(
            'costly_answers',
            ['subject', 'second_value', 'third_value', 'baseline', 'evidence', 'detail', 'limit_text']
        ) }}
    ),

    compared as (
        select
            rules.rule_id,
            rules.severity,
            rules.category,
            rules.subject_kind,
            rules.metric,
            rules.unit,
            rules.second_unit,
            rules.third_unit,
            rules.threshold,
            rules.second_threshold,
            rules.third_threshold,
            rules.condition_logic,
            rules.title,
            rules.description,
            rules.recommendation,
            measurements.window_key,
            measurements.subject_key,
            measurements.subject_id,
            measurements.subject_name,
            measurements.value,
            measurements.second_value,
            measurements.third_value,
            measurements.baseline,
            measurements.sample_size,
            measurements.evidence_start,
            measurements.evidence_end,
            measurements.detail,
            measurements.limit_text,
            coalesce({{ compared(
                'measurements.value', 'rules.comparison', 'rules.threshold'
            ) }}, false) as is_first_met,
            coalesce({{ compared(
                'measurements.second_value', 'rules.second_comparison', 'rules.second_threshold'
            ) }}, false) as is_second_met,
            coalesce({{ compared(
                'measurements.third_value', 'rules.third_comparison', 'rules.third_threshold'
            ) }}, false) as is_third_met
        from measurements
        inner join rule_windows
            on measurements.window_key = rule_windows.window_key
            and measurements.rule_id = rule_windows.rule_id
        inner join rules on measurements.rule_id = rules.rule_id
        where measurements.sample_size >= rules.min_sample
    ),

    {# A subject measured more than once in a window, such as hour by hour, is found once, at its worst. -#}
    found as (
        select
            compared.*,
            row_number() over (
                partition by window_key, rule_id, subject_key order by value desc, evidence_start
            ) as place
        from compared
        where is_first_met
            and case condition_logic
                when 'first' then true
                when 'first_and_second' then is_second_met
                when 'all' then is_second_met and is_third_met
                when 'first_and_any' then is_second_met or is_third_met
            end
    ),

    named as (
        select
            found.*,
            windows.scope_kind,
            windows.scope_id,
            windows.scope_key,
            windows.source_name,
            windows.agent_key,
            windows.window_kind,
            windows.start_at,
            windows.end_at,
            case
                when found.subject_kind = 'scope'
                    then coalesce(tenants.tenant_name, publishers.publisher_name, 'Platform')
                else coalesce(found.subject_name, found.subject_id, 'unknown')
            end as shown_name,
            case
                when windows.start_local is null then 'until '
                else {{ format_date('windows.start_local') }} || ' to '
            end || {{ format_date(local_date(
                timestamp_add_seconds('windows.end_at', 'cast(-1 as bigint)'), 'windows.time_zone'
            )) }} as period_text
        from found
        inner join {{ windows }} as windows
            on found.window_key = windows.window_key
        left join {{ ref('dim_tenants') }} as tenants
            on windows.scope_kind = 'tenant'
            and windows.scope_key = tenants.tenant_key
        left join {{ ref('dim_publishers') }} as publishers
            on windows.scope_kind = 'publisher'
            and windows.scope_key = publishers.publisher_key
        where found.place = 1
    ),

    worded as (
        select
            named.*,
            {{ measure_text('named.value', 'named.unit') }} as value_text,
            {{ measure_text('named.second_value', 'named.second_unit') }} as second_value_text,
            {{ measure_text('named.third_value', 'named.third_unit') }} as third_value_text,
            {{ threshold_text('named.threshold', 'named.unit') }} as threshold_text,
            {{ threshold_text('named.second_threshold', 'named.second_unit') }} as second_threshold_text,
            {{ threshold_text('named.third_threshold', 'named.third_unit') }} as third_threshold_text,
            {{ format_number('named.sample_size', 0) }} as sample_size_text
        from named
    )

    select
        worded.window_key,
        {{ hash_key([
            'worded.rule_id',
            'worded.scope_kind',
            'worded.scope_key',
            'worded.source_name',
            'worded.agent_key',
            'worded.subject_key',
            'worded.window_kind',
        ]) }} as insight_id,
        worded.rule_id,
        worded.subject_kind,
        case when worded.subject_kind = 'scope' then worded.scope_id else worded.subject_id end as subject_id,
        worded.shown_name as subject_name,
        worded.severity,
        worded.category,
        {{ filled_text('worded.title') }} as title,
        {{ filled_text('worded.description') }} as description,
        {{ filled_text('worded.recommendation') }} as recommendation,
        worded.metric,
        worded.value,
        worded.threshold,
        worded.baseline,
        worded.sample_size,
        coalesce(worded.evidence_start, worded.start_at) as evidence_start,
        coalesce(worded.evidence_end, worded.end_at) as evidence_end,
        'open' as state
    from worded
{%- endmacro %}


{# A relation of measurements with every column of the common shape; those it does not have are NULL. #}
{% macro measurements_sql(relation, columns) -%}
    {%- set types = {
        'subject_key': dbt.type_string(),
        'subject_id': dbt.type_string(),
        'subject_name': dbt.type_string(),
        'second_value': 'double',
        'third_value': 'double',
        'baseline': 'double',
        'evidence_start': 'timestamp',
        'evidence_end': 'timestamp',
        'detail': dbt.type_string(),
        'limit_text': dbt.type_string(),
    } -%}
    {%- set groups = {
        'subject': ['subject_key', 'subject_id', 'subject_name'],
        'evidence': ['evidence_start', 'evidence_end'],
    } -%}
    {%- set present = [] -%}
    {%- for column in columns -%}
        {%- do present.extend(groups.get(column, [column])) -%}
    {%- endfor -%}
    select
        window_key,
        rule_id,
        {%- for column, type in types.items() %}
        {{ column if column in present else 'cast(null as ' ~ type ~ ')' }} as {{ column }},
        {%- endfor %}
        cast(value as double) as value,
        cast(sample_size as bigint) as sample_size
    from {{ relation }}
{%- endmacro %}
