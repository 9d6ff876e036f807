{#
    Rules over the course of time: what each one measured minute by minute or day by day, and where its state changed
    (X-25). Rules are rows of seeds/reference/alert_rules.csv, overridden by the stream alert_rules as of the moment
    (core.dim_alert_rules).

    Belongs here: how a metric is followed through time. Does not belong here: the formula of a metric (measures), which
    rules there are, and who is told (orchestration/alerting).

    A window that moves over the data changes at two kinds of moments alone: when a minute has ended that holds data, and
    when that minute leaves. So every minute is a change of what the window holds, +x as it enters and -x as it leaves;
    the running sum of changes is the window, and between changes nothing can happen. Days enter and leave likewise, and
    the cost of a day starts anew with each.

    Time that no extract reaches yet is unknown, not quiet: past the last data a rule is looked at again only when its
    window is empty.
#}

{#
    One row per change of state of a rule for a scope, and its last evaluation: `is_change`, `is_last`. States are ok,
    firing, no_data (too small a sample) and inactive (switched off). `sample_until` is the last moment of which the rule
    knew anything.
#}
{% macro alert_evaluations_sql() -%}
    {%- set measured = alert_metrics_of('measure') -%}
    {%- set percentiles = alert_metrics_of('percentile') -%}
    {%- set distincts = alert_metrics_of('distinct') -%}
    {%- set facts = [] -%}
    {%- for name, metric in alert_metrics().items() -%}
        {%- for fact in [metric['fact']] + metric.get('sample', [])[:1] -%}
            {%- if fact not in facts -%}{%- do facts.append(fact) -%}{%- endif -%}
        {%- endfor -%}
    {%- endfor -%}
    {%- set quotients = [] -%}
    {%- for name in alert_metrics() -%}
        {%- if is_quotient(name) -%}{%- do quotients.append(name) -%}{%- endif -%}
    {%- endfor -%}
    with horizon as (
        select {{ setting('alert_history_days') }} as history_days
    ),

    spans as (
        select
            spans.*,
            spans.scope_kind || ':' || spans.scope_key as scope_text,
            cast(
                {{ date_add_days('cast(spans.known_until as date)', '-horizon.history_days') }} as timestamp
            ) as history_from
        from {{ ref('dim_alert_rules') }} as spans
        cross join horizon
    ),

    {# Two days more than the window: a local day begins within one of its UTC day. -#}
    rules as (
        select
            spans.*,
            greatest(spans.valid_from, spans.history_from) as active_from,
            least(spans.valid_to, spans.known_until) as reads_until,
            {{ timestamp_add_seconds(
                'greatest(spans.valid_from, spans.history_from)', '-(spans.window_minutes * 60 + 172800)'
            ) }} as reads_from,
            {{ integer_divide('spans.window_minutes', 1440) }} as window_days,
            cast(spans.threshold as double) as limit_value
        from spans
        where
            spans.is_active
            and spans.valid_to > spans.history_from
    ),
{% for fact in facts %}
    {%- set names = [] -%}
    {%- set samples = {} -%}
    {%- for name, metric in alert_metrics().items() -%}
        {%- if name in measured and metric['fact'] == fact -%}
            {%- do names.append(name) -%}
            {%- do samples.update({name: metric.get('measure', name)}) -%}
        {%- elif metric.get('sample', [none])[0] == fact -%}
            {%- do names.append(name) -%}
            {%- do samples.update({name: metric['sample'][1]}) -%}
        {%- endif -%}
    {%- endfor %}
    {%- if names %}
    watched_{{ fact }} as (
        {{ watched_windows(names_of_metrics(names)) }}
    ),

    minutes_of_{{ fact }} as (
        select
            window_key,
            {{ timestamp_floor(facts_measured()[fact]['time'], 60) }} as minute_at
            {%- for name in samples.values() | unique %}
            {%- set parts = additive_parts(fact, name) %},
            {{ parts[0] }} as {{ name }}_value,
            {{ parts[1] }} as {{ name }}_divisor,
            {{ parts[2] }} as {{ name }}_sample
            {%- endfor %}
        from ({{ alert_rows(fact, 'watched_' ~ fact) }}) as watched_rows
        {{ rows_measured(fact) }}
        group by window_key, minute_at
    ),
    {%- endif %}

    ends_of_{{ fact }} as (
        select max(seen.{{ facts_measured()[fact]['time'] }}) as last_at
        from {{ ref(fact) }} as seen
        inner join (select max(rules.known_until) as known_until from rules) as bounds
            on seen.{{ facts_measured()[fact]['time'] }} < bounds.known_until
    ),
{% endfor %}
    {# Of distinct values, the days say the denominator or the sample here, and nothing of the value. -#}
    metric_minutes as (
        {%- for name, metric in alert_metrics().items() if name not in percentiles %}
        {%- set fact = metric.get('sample', [metric['fact']])[0] %}
        {%- set column = metric.get('sample', [none, metric.get('measure', name)])[1] %}
        select
            {{ sql_text(name) }} as metric,
            window_key as scope_text,
            minute_at,
            cast({{ '0' if name in distincts else column ~ '_value' }} as decimal(38, 12)) as value_part,
            cast({{ column ~ ('_sample' if name in distincts else '_divisor') }} as decimal(38, 12)) as divisor_part,
            cast({{ column }}_sample as bigint) as sample_part
        from minutes_of_{{ fact }}
        {{ "union all" if not loop.last }}
        {%- endfor %}
    ),

    {#
        Of a percentile, how many values lie on the near side of the limit: with the number of all, that nearly always
        tells on which side the percentile lies.
    -#}
    {%- for fact in ['fct_invocations'] %}
    percentile_windows as (
        {{ windows_of_rules(names_of_metrics(percentiles)) }}
    ),

    percentile_minutes as (
        select
            rules.alert_rule_key,
            {{ timestamp_floor('watched_rows.' ~ facts_measured()[fact]['time'], 60) }} as minute_at,
            count(*) filter (
                where case
                    when rules.comparison in ('>', '<=') then watched_rows.duration_ms <= rules.limit_value
                    else watched_rows.duration_ms < rules.limit_value
                end
            ) as value_part,
            0 as divisor_part,
            count(*) as sample_part
        from ({{ alert_rows(fact, 'percentile_windows') }}) as watched_rows
        inner join rules
            on watched_rows.window_key = rules.alert_rule_key
        where watched_rows.duration_ms is not null
        group by rules.alert_rule_key, minute_at
    ),
    {%- endfor %}

    rule_minutes as (
        select
            rules.alert_rule_key,
            metric_minutes.minute_at,
            metric_minutes.value_part,
            metric_minutes.divisor_part,
            metric_minutes.sample_part
        from metric_minutes
        inner join rules
            on metric_minutes.metric = rules.metric
            and metric_minutes.scope_text = rules.scope_text
            and metric_minutes.minute_at >= rules.reads_from
            and metric_minutes.minute_at < rules.reads_until
        union all
        select * from percentile_minutes
    ),

    {# Every zone's midnight falls on a quarter of an hour. -#}
    local_quarters as (
        select
            quarters.time_zone,
            quarters.quarter_at,
            {{ local_date('quarters.quarter_at', 'quarters.time_zone') }} as local_day
        from (
            select distinct
                rules.time_zone,
                {{ timestamp_floor('rule_minutes.minute_at', 900) }} as quarter_at
            from rule_minutes
            inner join rules
                on rule_minutes.alert_rule_key = rules.alert_rule_key
            where rules.evaluation <> 'trailing'
        ) as quarters
    ),

    dated_minutes as (
        select
            rule_minutes.*,
            rules.evaluation,
            rules.window_days,
            rules.time_zone,
            local_quarters.local_day
        from rule_minutes
        inner join rules
            on rule_minutes.alert_rule_key = rules.alert_rule_key
        inner join local_quarters
            on rules.time_zone = local_quarters.time_zone
            and {{ timestamp_floor('rule_minutes.minute_at', 900) }} = local_quarters.quarter_at
        where rules.evaluation <> 'trailing'
    ),

    rule_days as (
        select
            alert_rule_key,
            evaluation,
            window_days,
            time_zone,
            local_day,
            {{ to_utc_timestamp(date_add_days('local_day', 1), 'time_zone') }} as day_end_at,
            sum(value_part) as value_part,
            sum(divisor_part) as divisor_part,
            sum(sample_part) as sample_part
        from dated_minutes
        group by alert_rule_key, evaluation, window_days, time_zone, local_day
    ),
{% for fact in ['fct_user_messages', 'fct_audits'] %}
    distinct_windows_of_{{ fact }} as (
        {{ windows_of_rules(names_of_metrics(alert_metrics_of('distinct', fact))) }}
    ),

    values_of_{{ fact }} as (
        select distinct
            rules.alert_rule_key,
            rules.window_days,
            rules.time_zone,
            day_rows.value_key,
            day_rows.local_date as local_day
        from (
            {%- for name, metric in alert_metrics_of('distinct', fact).items() %}
            select
                {{ sql_text(name) }} as metric,
                window_key,
                {{ metric['key'] }} as value_key,
                local_date
            from (
                {{ local_rows_in_windows(ref(fact), facts_measured()[fact]['time'], 'distinct_windows_of_' ~ fact) }}
            ) as local_rows
            where {{ metric['where'] }}
            {{ "union all" if not loop.last }}
            {%- endfor %}
        ) as day_rows
        inner join rules
            on day_rows.window_key = rules.alert_rule_key
            and day_rows.metric = rules.metric
    ),
{% endfor %}
    {# A value stays counted until the window has left its day, or until its next day takes over. -#}
    value_days as (
        select
            all_values.*,
            lead(all_values.local_day) over (
                partition by all_values.alert_rule_key, all_values.value_key order by all_values.local_day
            ) as next_day
        from (
            select * from values_of_fct_user_messages
            union all
            select * from values_of_fct_audits
        ) as all_values
    ),

    {# By day: how many values begin to count, and how many cease to. -#}
    value_changes as (
        select
            alert_rule_key,
            time_zone,
            local_day,
            count(*) as value_change
        from value_days
        group by alert_rule_key, time_zone, local_day
        union all
        select
            alert_rule_key,
            time_zone,
            least({{ date_add_days('local_day', 'window_days') }}, coalesce(next_day, date '9999-01-01')) as left_day,
            -count(*) as value_change
        from value_days
        group by alert_rule_key, time_zone, left_day
    ),

    changes as (
        select
            rule_minutes.alert_rule_key,
            cast(null as date) as counted_day,
            {{ timestamp_add_seconds('rule_minutes.minute_at', 60) }} as evaluated_at,
            rule_minutes.value_part,
            rule_minutes.divisor_part,
            rule_minutes.sample_part
        from rule_minutes
        inner join rules
            on rule_minutes.alert_rule_key = rules.alert_rule_key
            and rules.evaluation = 'trailing'
        union all
        select
            rule_minutes.alert_rule_key,
            null,
            {{ timestamp_add_seconds('rule_minutes.minute_at', '(rules.window_minutes + 1) * 60') }},
            -rule_minutes.value_part,
            -rule_minutes.divisor_part,
            -rule_minutes.sample_part
        from rule_minutes
        inner join rules
            on rule_minutes.alert_rule_key = rules.alert_rule_key
            and rules.evaluation = 'trailing'
        union all
        {# The last minute of a day belongs to it, and midnight to the next. -#}
        select
            dated_minutes.alert_rule_key,
            dated_minutes.local_day,
            least(
                {{ timestamp_add_seconds('dated_minutes.minute_at', 60) }},
                {{ timestamp_add_seconds('rule_days.day_end_at', -1) }}
            ),
            dated_minutes.value_part,
            dated_minutes.divisor_part,
            dated_minutes.sample_part
        from dated_minutes
        inner join rule_days
            on dated_minutes.alert_rule_key = rule_days.alert_rule_key
            and dated_minutes.local_day = rule_days.local_day
            and rule_days.evaluation = 'day_to_date'
        union all
        select
            alert_rule_key,
            {{ date_add_days('local_day', 1) }},
            day_end_at,
            0,
            0,
            0
        from rule_days
        where evaluation = 'day_to_date'
        union all
        select
            alert_rule_key,
            null,
            day_end_at,
            value_part,
            divisor_part,
            sample_part
        from rule_days
        where evaluation = 'closed_day'
        union all
        select
            alert_rule_key,
            null,
            {{ to_utc_timestamp(date_add_days('local_day', 'window_days + 1'), 'time_zone') }},
            -value_part,
            -divisor_part,
            -sample_part
        from rule_days
        where evaluation = 'closed_day'
        union all
        select
            alert_rule_key,
            null,
            {{ to_utc_timestamp(date_add_days('local_day', 1), 'time_zone') }},
            value_change,
            0,
            0
        from value_changes
        union all
        {# A rule begins to hold, or holds with other numbers: what the window holds then is looked at anew. -#}
        select
            rules.alert_rule_key,
            case
                when rules.evaluation = 'day_to_date' then {{ local_date('rules.active_from', 'rules.time_zone') }}
            end,
            rules.active_from,
            0,
            0,
            0
        from rules
    ),

    changes_at as (
        select
            alert_rule_key,
            counted_day,
            evaluated_at,
            sum(value_part) as value_part,
            sum(divisor_part) as divisor_part,
            sum(sample_part) as sample_part
        from changes
        group by alert_rule_key, counted_day, evaluated_at
    ),

    running as (
        select
            changes_at.alert_rule_key,
            changes_at.counted_day,
            changes_at.evaluated_at,
            sum(changes_at.value_part) over (
                partition by changes_at.alert_rule_key, changes_at.counted_day
                order by changes_at.evaluated_at
                rows between unbounded preceding and current row
            ) as value_sum,
            sum(changes_at.divisor_part) over (
                partition by changes_at.alert_rule_key, changes_at.counted_day
                order by changes_at.evaluated_at
                rows between unbounded preceding and current row
            ) as divisor_sum,
            sum(changes_at.sample_part) over (
                partition by changes_at.alert_rule_key, changes_at.counted_day
                order by changes_at.evaluated_at
                rows between unbounded preceding and current row
            ) as sample_size
        from changes_at
    ),

    data_ends as (
        {%- for name, metric in alert_metrics().items() %}
        select
            {{ sql_text(name) }} as metric,
            {{ timestamp_add_seconds(timestamp_floor('last_at', 60), 60) }} as data_until
        from ends_of_{{ metric['fact'] }}
        {{ "union all" if not loop.last }}
        {%- endfor %}
    ),

    points as (
        select
            running.*,
            rules.rule_id,
            rules.scope_kind,
            rules.scope_key,
            rules.metric,
            rules.evaluation,
            rules.comparison,
            rules.limit_value,
            rules.window_minutes,
            rules.window_days,
            rules.min_samples,
            rules.source_name,
            rules.time_zone
        from running
        inner join rules
            on running.alert_rule_key = rules.alert_rule_key
        inner join data_ends
            on rules.metric = data_ends.metric
        where
            running.evaluated_at >= rules.active_from
            and running.evaluated_at < rules.valid_to
            and running.evaluated_at <= rules.known_until
            and (
                rules.evaluation <> 'trailing'
                or running.sample_size = 0
                or running.evaluated_at <= data_ends.data_until
            )
    ),

    {# The place of a percentile lies between two values; on which side of the limit both are, counting tells. -#}
    placed as (
        select
            points.*,
            {% if percentiles -%}
            case points.metric
                {%- for name, metric in percentiles.items() %}
                when {{ sql_text(name) }}
                    then {{ integer_divide((metric['fraction'] * 100) | round | int ~ ' * (points.sample_size - 1)', 100) }}
                {%- endfor %}
            end
            {%- endif %} as lower_place,
            case
                when points.metric in ({{ names_of_metrics(quotients) }})
                    then {{ safe_divide('points.value_sum', 'points.divisor_sum') }}
                when points.metric not in ({{ names_of_metrics(percentiles) }})
                    then cast(points.value_sum as double)
            end as exact_value
        from points
    ),

    judged as (
        select
            placed.*,
            case
                when placed.sample_size < placed.min_samples then 'no_data'
                when placed.lower_place is not null
                    then case
                        when placed.sample_size = 0 then 'no_data'
                        when placed.value_sum >= placed.lower_place + 3
                            then case when placed.comparison in ('<', '<=') then 'firing' else 'ok' end
                        when placed.value_sum < placed.lower_place
                            then case when placed.comparison in ('>', '>=') then 'firing' else 'ok' end
                        else 'unsure'
                    end
                when placed.exact_value is null then 'no_data'
                when {{ compared('placed.exact_value', 'placed.comparison', 'placed.limit_value') }} then 'firing'
                else 'ok'
            end as likely_state
        from placed
    ),

    watched_points as (
        select
            judged.*,
            lag(judged.likely_state) over (
                partition by judged.rule_id, judged.scope_kind, judged.scope_key order by judged.evaluated_at
            ) as likely_state_before,
            row_number() over (
                partition by judged.rule_id, judged.scope_kind, judged.scope_key order by judged.evaluated_at desc
            ) as place_from_end,
            max(case when judged.sample_size > 0 then judged.evaluated_at end) over (
                partition by judged.rule_id, judged.scope_kind, judged.scope_key
            ) as sample_until
        from judged
    ),

    {# What changes nothing needs no value. -#}
    telling_points as (
        select
            watched_points.*,
            case watched_points.evaluation
                when 'trailing'
                    then {{ timestamp_add_seconds('watched_points.evaluated_at', '-watched_points.window_minutes * 60') }}
                when 'day_to_date' then {{ to_utc_timestamp('watched_points.counted_day', 'watched_points.time_zone') }}
                else {{ to_utc_timestamp(
                    date_add_days(
                        local_date('watched_points.evaluated_at', 'watched_points.time_zone'),
                        '-watched_points.window_days'
                    ),
                    'watched_points.time_zone'
                ) }}
            end as window_start_at,
            watched_points.alert_rule_key || '@' || cast(watched_points.evaluated_at as {{ dbt.type_string() }})
                as point_key
        from watched_points
        where
            watched_points.likely_state = 'unsure'
            or watched_points.likely_state is distinct from watched_points.likely_state_before
            or watched_points.place_from_end = 1
    ),

    percentile_points as (
        select
            telling_points.point_key,
            telling_points.alert_rule_key,
            case
                when telling_points.evaluation = 'trailing'
                    then {{ timestamp_floor('telling_points.window_start_at', 60) }}
                else telling_points.window_start_at
            end as start_at,
            case
                when telling_points.evaluation = 'trailing'
                    then {{ timestamp_floor('telling_points.evaluated_at', 60) }}
                else {{ to_utc_timestamp(
                    local_date('telling_points.evaluated_at', 'telling_points.time_zone'), 'telling_points.time_zone'
                ) }}
            end as end_at
        from telling_points
        where
            telling_points.lower_place is not null
            and telling_points.likely_state <> 'no_data'
    ),

    {# By minute, because rows joined to spans of time take 2 million answers and 20,000 points 10 minutes and more. -#}
    percentile_point_minutes as (
        select
            percentile_points.point_key,
            percentile_points.alert_rule_key,
            {{ timestamp_add_seconds('percentile_points.start_at', 'minutes.number * 60') }} as minute_at
        from percentile_points
        {{ join_numbers(
            0,
            integer_divide(ms_between('percentile_points.start_at', 'percentile_points.end_at'), 60000) ~ ' - 1',
            'minutes'
        ) }}
    ),

    point_percentiles as (
        select
            point_minutes.point_key
            {%- for name, metric in percentiles.items() %},
            {{ percentile_cont('watched_rows.' ~ metric['percentile_of'], metric['fraction']) }} as {{ name }}
            {%- endfor %}
        from percentile_point_minutes as point_minutes
        inner join ({{ alert_rows('fct_invocations', 'percentile_windows') }}) as watched_rows
            on point_minutes.alert_rule_key = watched_rows.window_key
            and point_minutes.minute_at = {{ timestamp_floor('watched_rows.responded_at', 60) }}
        group by point_minutes.point_key
    ),

    valued_points as (
        select
            telling_points.*,
            case telling_points.metric
                {%- for name in percentiles %}
                when {{ sql_text(name) }} then point_percentiles.{{ name }}
                {%- endfor %}
                else telling_points.exact_value
            end as value
        from telling_points
        left join point_percentiles
            on telling_points.point_key = point_percentiles.point_key
    ),

    switched_off as (
        select
            spans.alert_rule_key,
            spans.rule_id,
            spans.scope_kind,
            spans.scope_key,
            spans.valid_from as evaluated_at
        from spans
        where
            not spans.is_active
            and spans.valid_from >= spans.history_from
    ),

    states as (
        select
            alert_rule_key,
            rule_id,
            scope_kind,
            scope_key,
            evaluated_at,
            window_start_at,
            case
                when likely_state <> 'unsure' then likely_state
                when {{ compared('value', 'comparison', 'limit_value') }} then 'firing'
                else 'ok'
            end as state,
            value,
            cast(sample_size as bigint) as sample_size,
            sample_until
        from valued_points
        union all
        select
            alert_rule_key,
            rule_id,
            scope_kind,
            scope_key,
            evaluated_at,
            evaluated_at,
            'inactive',
            null,
            0,
            null
        from switched_off
    ),

    sequenced as (
        select
            states.*,
            lag(states.state) over (
                partition by states.rule_id, states.scope_kind, states.scope_key order by states.evaluated_at
            ) as state_before,
            row_number() over (
                partition by states.rule_id, states.scope_kind, states.scope_key order by states.evaluated_at desc
            ) as place_from_end
        from states
    )

    select
        sequenced.alert_rule_key,
        sequenced.evaluated_at,
        sequenced.window_start_at,
        sequenced.state_before,
        sequenced.state,
        sequenced.value,
        sequenced.sample_size,
        max(sequenced.sample_until) over (
            partition by sequenced.rule_id, sequenced.scope_kind, sequenced.scope_key
        ) as sample_until,
        sequenced.state <> coalesce(sequenced.state_before, '') as is_change,
        sequenced.place_from_end = 1 as is_last
    from sequenced
    where
        sequenced.state <> coalesce(sequenced.state_before, '')
        or sequenced.place_from_end = 1
{%- endmacro %}


{#
    CTE `decisions`: the moments at which an alert begins or ends. It stands from when its rule fires until it is measured
    and does not. A sample that is too small in between says nothing, so it ends no alert, until it has lasted for
    `alert_no_data_hours`: then the alert ends unmeasured, neither standing nor known to be over.
#}
{% macro alerts_from_transitions(transitions) -%}
    limits as (
        select cast({{ setting('alert_no_data_hours') }} as bigint) * 3600 as no_data_seconds
    ),

    followed as (
        select
            transitions.*,
            {{ timestamp_add_seconds('transitions.transition_at', 'limits.no_data_seconds') }} as unmeasured_at,
            lead(transitions.transition_at) over (
                partition by transitions.rule_id, transitions.scope_kind, transitions.scope_key
                order by transitions.transition_at
            ) as next_transition_at
        from {{ transitions }} as transitions
        cross join limits
    ),

    decided as (
        select
            rule_id,
            scope_kind,
            scope_key,
            transition_at as decided_at,
            state as decision,
            value,
            alert_rule_key,
            observed_from,
            sample_size
        from followed
        where state <> 'no_data'
        union all
        select
            followed.rule_id,
            followed.scope_kind,
            followed.scope_key,
            followed.unmeasured_at,
            'unmeasured',
            null,
            followed.alert_rule_key,
            followed.observed_from,
            followed.sample_size
        from followed
        inner join rules
            on followed.alert_rule_key = rules.alert_rule_key
        where
            followed.state = 'no_data'
            and followed.unmeasured_at <= rules.known_until
            and (followed.next_transition_at is null or followed.next_transition_at > followed.unmeasured_at)
    ),

    sequenced as (
        select
            decided.*,
            lag(decided.decision) over (
                partition by decided.rule_id, decided.scope_kind, decided.scope_key order by decided.decided_at
            ) as decision_before
        from decided
    ),

    decisions as (
        select
            sequenced.*,
            lead(sequenced.decided_at) over (
                partition by sequenced.rule_id, sequenced.scope_kind, sequenced.scope_key
                order by sequenced.decided_at
            ) as ended_at,
            lead(sequenced.decision) over (
                partition by sequenced.rule_id, sequenced.scope_kind, sequenced.scope_key
                order by sequenced.decided_at
            ) as ended_as,
            lead(sequenced.value) over (
                partition by sequenced.rule_id, sequenced.scope_kind, sequenced.scope_key
                order by sequenced.decided_at
            ) as ended_value
        from sequenced
        where sequenced.decision is distinct from sequenced.decision_before
    )
{%- endmacro %}

{# What a rule looked at, for a sentence. #}
{% macro alert_period_text(decision, rule) -%}
    case {{ rule }}.evaluation
        when 'trailing'
            then {{ format_number(rule ~ '.window_minutes', 0) }} || ' minutes to ' || {{ format_minute(
                to_local_timestamp(decision ~ '.decided_at', rule ~ '.time_zone')
            ) }} || ' (' || {{ rule }}.time_zone || ')'
        when 'day_to_date'
            then {{ format_date(local_date(decision ~ '.decided_at', rule ~ '.time_zone')) }}
        else
            case
                when {{ rule }}.window_minutes > 1440
                    then {{ format_number(integer_divide(rule ~ '.window_minutes', 1440), 0) }} || ' days to '
                else ''
            end || {{ format_date(date_add_days(
                local_date(decision ~ '.decided_at', rule ~ '.time_zone'), -1
            )) }}
    end
{%- endmacro %}

{# A template of a rule with its placeholders filled; a value that does not exist reads "unknown". #}
{% macro filled_alert_text(template) -%}
    {%- set filled = namespace(sql=template) -%}
    {%- for placeholder in ['value', 'threshold', 'sample_size', 'scope', 'period'] -%}
        {%- set filled.sql = "replace(" ~ filled.sql ~ ", '{" ~ placeholder ~ "}', coalesce("
            ~ placeholder ~ "_text, 'unknown'))" -%}
    {%- endfor -%}
    {{ filled.sql }}
{%- endmacro %}

{#
    One row per window and alert that stood at any time in it. What came after the window is not known in it: an alert
    that ended later stands.
#}
{% macro alerts_in_span_sql(windows) -%}
    select
        windows.window_key,
        alerts.alert_id,
        alerts.rule_id,
        alerts.subject_kind,
        alerts.subject_id,
        alerts.subject_name,
        alerts.severity,
        alerts.title,
        alerts.description,
        alerts.recommendation,
        alerts.metric,
        alerts.comparison,
        alerts.threshold,
        alerts.value,
        alerts.sample_size,
        alerts.observed_from,
        alerts.fired_at,
        case when alerts.ended_at <= windows.end_at then alerts.ended_at end as ended_at,
        case
            when alerts.ended_at > windows.end_at then 'firing'
            else alerts.state
        end as alert_state
    from {{ windows }} as windows
    inner join {{ ref('alerts') }} as alerts
        on windows.scope_kind = alerts.scope_kind
        and windows.scope_id = alerts.scope_id
        and windows.source_name is not distinct from alerts.source_name
        and alerts.fired_at < windows.end_at
        and (alerts.ended_at is null or alerts.ended_at > windows.start_at)
    where windows.agent_key is null
{%- endmacro %}
