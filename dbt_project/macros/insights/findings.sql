{#
    What becomes of a measurement: found, clear or not to be judged; and over a chain of windows a finding that opens,
    persists and is resolved.

    first_seen and last_seen are times of the data (D-58): every window of the chain is judged anew from the facts in
    every run, so that a full refresh says the same.

    Belongs here: comparison with thresholds and the course of time. Does not belong here: what is measured, and words.
#}

{# `left` compared with `right` by an operator that is data; NULL where either is unknown. #}
{% macro compared(left, operator, right) -%}
    case {{ operator }}
        when '>' then {{ left }} > {{ right }}
        when '>=' then {{ left }} >= {{ right }}
        when '<' then {{ left }} < {{ right }}
        when '<=' then {{ left }} <= {{ right }}
    end
{%- endmacro %}

{#
    Query of one row per window, rule and subject: its worst measurement with the columns of the rule, and its status:
    found, clear, or unknown where the sample is too small or a value does not exist. A subject measured more than once in
    a window, such as hour by hour, is found once, at its worst.
#}
{% macro judged_measurements(measurements, rules) -%}
    with conditions as (
        select
            measurements.*,
            {%- for column in insight_rule_columns() %}
            rules.{{ column }},
            {%- endfor %}
            {{ compared('measurements.value', 'rules.comparison', 'rules.threshold') }} as is_first_met,
            {{ compared('measurements.second_value', 'rules.second_comparison', 'rules.second_threshold') }}
                as is_second_met,
            {{ compared('measurements.third_value', 'rules.third_comparison', 'rules.third_threshold') }}
                as is_third_met
        from {{ measurements }} as measurements
        inner join {{ rules }} as rules
            on measurements.rule_id = rules.rule_id
    ),

    judged as (
        select
            conditions.*,
            case
                when conditions.sample_size < conditions.min_sample then null
                else case conditions.condition_logic
                    when 'first' then conditions.is_first_met
                    when 'first_and_second' then conditions.is_first_met and conditions.is_second_met
                    when 'all' then conditions.is_first_met and conditions.is_second_met and conditions.is_third_met
                    when 'first_and_any'
                        then conditions.is_first_met and (
                            coalesce(conditions.is_second_met, conditions.is_third_met)
                            or coalesce(conditions.is_third_met, conditions.is_second_met)
                        )
                end
            end as is_met
        from conditions
    ),

    ranked as (
        select
            judged.*,
            case when judged.is_met then 'found' when not judged.is_met then 'clear' else 'unknown' end as status,
            row_number() over (
                partition by judged.window_key, judged.rule_id, judged.subject_key
                order by
                    case when judged.is_met then 1 when not judged.is_met then 2 else 3 end,
                    {{ worst_first('judged') }},
                    judged.sample_size desc,
                    judged.evidence_start,
                    judged.detail
            ) as place
        from judged
    ),

    {# Of a rule that names only its first subjects, those after them are not found. -#}
    placed as (
        select
            ranked.*,
            row_number() over (
                partition by ranked.window_key, ranked.rule_id, ranked.status
                order by {{ worst_first('ranked') }}, ranked.subject_key
            ) as subject_place
        from ranked
        where ranked.place = 1
    )

    select
        placed.* ,
        case
            when placed.status = 'found' and placed.subject_place > placed.max_subjects then 'clear'
            else placed.status
        end as judged_status
    from placed
{%- endmacro %}

{# Order by how far a value is beyond a threshold of its comparison. #}
{% macro worst_first(relation) -%}
    case when {{ relation }}.comparison in ('>', '>=') then {{ relation }}.value else -1 * {{ relation }}.value end desc
    nulls last
{%- endmacro %}

{# What a judged measurement takes from its rule. #}
{% macro insight_rule_columns() -%}
    {{ return([
        'severity',
        'category',
        'subject_kind',
        'metric',
        'basis',
        'unit',
        'comparison',
        'threshold',
        'second_basis',
        'second_unit',
        'second_threshold',
        'third_basis',
        'third_unit',
        'third_threshold',
        'condition_logic',
        'min_sample',
        'max_subjects',
        'title',
        'description',
        'recommendation',
    ]) }}
{%- endmacro %}

{# What a finding is told by: columns of a judged measurement. #}
{% macro told_columns() -%}
    {{ return(insight_rule_columns() + [
        'rule_id',
        'subject_key',
        'subject_id',
        'subject_name',
        'value',
        'second_value',
        'third_value',
        'level_value',
        'second_level_value',
        'baseline',
        'second_baseline',
        'sample_size',
        'detail',
        'limit_text',
    ]) }}
{%- endmacro %}


{#
    One row per finding in the windows asked for, by the rules of their scope, whatever windows the rules are for. It is
    seen in the one window, so first_seen and last_seen are its evidence; what can not be judged is left out.

    Local times of the window before can be given, as SQL: dates do not tell an open week from three days. Where they are
    null the window's own dates tell, and of an open period the part that has elapsed is compared with the same part (X-06).
#}
{% macro insight_findings_sql(windows, previous_start='null', previous_end='null') -%}
    {%- set given_start = to_utc_timestamp('cast(' ~ previous_start ~ ' as timestamp)', 'windows.time_zone') -%}
    {%- set given_end = to_utc_timestamp('cast(' ~ previous_end ~ ' as timestamp)', 'asked.time_zone') -%}
    with asked_windows as (
        select
            windows.*,
            coalesce({{ given_start }}, {{ previous_start_at('windows') }}) as before_start_at
        from {{ windows }} as windows
    ),

    bounded_windows as (
        select
            asked.*,
            coalesce(
                {{ given_end }},
                case
                    when asked.is_partial then least(asked.start_at, {{ timestamp_add_seconds(
                        'asked.before_start_at', seconds_between('asked.start_at', 'asked.end_at')
                    ) }})
                    else asked.start_at
                end
            ) as before_end_at
        from asked_windows as asked
    ),

    compared_windows as (
        select
            asked.window_key,
            asked.window_key || '/before' as previous_window_key,
            {{ local_date('asked.before_start_at', 'asked.time_zone') }} as previous_start_local,
            asked.scope_kind,
            asked.scope_id,
            asked.source_name,
            asked.scope_key,
            asked.agent_key,
            asked.time_zone,
            asked.window_kind,
            asked.is_previous,
            asked.start_local,
            asked.end_local,
            asked.start_at,
            asked.end_at,
            asked.is_partial,
            true as is_evaluated
        from bounded_windows as asked
        union all
        select
            asked.window_key || '/before',
            null,
            null,
            asked.scope_kind,
            asked.scope_id,
            asked.source_name,
            asked.scope_key,
            asked.agent_key,
            asked.time_zone,
            asked.window_kind,
            true,
            {{ local_date('asked.before_start_at', 'asked.time_zone') }},
            {{ first_date_after('asked.before_end_at', 'asked.time_zone') }},
            asked.before_start_at,
            asked.before_end_at,
            false,
            false
        from bounded_windows as asked
    ),

    rules as (
        {{ insight_rules_sql() }}
    ),

    measurements as (
        {{ insight_measurements_sql('compared_windows') }}
    ),

    judged as (
        {{ judged_measurements('measurements', 'rules') }}
    ),

    found as (
        select
            asked.window_key,
            asked.scope_kind,
            asked.scope_id,
            asked.scope_key,
            asked.source_name,
            asked.agent_key,
            asked.window_kind,
            {%- for column in told_columns() %}
            judged.{{ column }},
            {%- endfor %}
            {{ window_period_text('asked') }} as period_text,
            coalesce(judged.evidence_start, asked.start_at) as evidence_start,
            coalesce(judged.evidence_end, asked.end_at) as evidence_end,
            coalesce(judged.evidence_start, asked.start_at) as first_seen,
            coalesce(judged.evidence_end, asked.end_at) as last_seen,
            'open' as state,
            cast(null as {{ dbt.type_string() }}) as reason
        from judged
        inner join {{ windows }} as asked
            on judged.window_key = asked.window_key
        where judged.judged_status = 'found'
    )

    select * from ({{ worded_findings('found') }}) as worded
{%- endmacro %}


{#
    The CTEs up to `told`: one row per finding that is open, was and is resolved, or can not be evaluated. `judged` has one
    row per window, rule and subject; `chain` the windows.

    A head is the window that a finding is told of. Behind it stand closed weeks (for seven days and a week) or months (for
    thirty days and a month), and each of them found the subject, was clear of it, or could not tell, which ends nothing.
    So a run of windows that found it began where the oldest of them did. One that only the head finds began after the
    last clear one: thus the date stays the same while the seven days move on.
#}
{% macro findings_over_time(chain, judged) -%}
    heads as (
        select *
        from {{ chain }} as windows
        where windows.steps_back is null
    ),

    past as (
        select
            windows.scope_kind,
            windows.scope_key,
            windows.source_name,
            windows.window_kind as past_kind,
            windows.steps_back,
            windows.start_at,
            windows.end_at,
            {{ window_period_text('windows') }} as period_text,
            judged.*
        from {{ judged }} as judged
        inner join {{ chain }} as windows
            on judged.window_key = windows.window_key
        where windows.steps_back is not null
    ),

    {# What the past says of the rule and subject of each head. -#}
    remembered as (
        select
            heads.window_key as head_key,
            past.*,
            row_number() over (
                partition by heads.window_key, past.rule_id, past.subject_key order by past.steps_back
            ) as recency,
            {# Clear windows since: 0 in the run that reaches the head. -#}
            count(*) filter (where past.judged_status = 'clear') over (
                partition by heads.window_key, past.rule_id, past.subject_key
                order by past.steps_back
                rows between unbounded preceding and current row
            ) as clear_since,
            min(past.steps_back) filter (where past.judged_status = 'found') over (
                partition by heads.window_key, past.rule_id, past.subject_key
            ) as last_found_step
        from heads
        inner join past
            on heads.scope_kind = past.scope_kind
            and heads.scope_key = past.scope_key
            and heads.source_name is not distinct from past.source_name
            and past.past_kind = case
                when heads.window_kind in ('7d', 'weekly') then 'past_week'
                when heads.window_kind in ('30d', 'monthly') then 'past_month'
            end
            {# The last closed week or month is the head itself where that is what is told of. -#}
            and (past.steps_back > 0 or heads.window_kind in ('7d', '30d'))
            and past.judged_status <> 'unknown'
        inner join {{ ref('insight_rules') }} as rules
            on past.rule_id = rules.rule_id
            and {{ listed_in('rules.window_kinds', 'heads.window_kind') }}
    ),

    runs as (
        select
            remembered.head_key,
            remembered.rule_id,
            remembered.subject_key,
            remembered.clear_since,
            min(coalesce(remembered.evidence_start, remembered.start_at)) as run_start,
            max(coalesce(remembered.evidence_end, remembered.end_at)) as run_end,
            min(remembered.steps_back) as last_step
        from remembered
        where remembered.judged_status = 'found'
        group by remembered.head_key, remembered.rule_id, remembered.subject_key, remembered.clear_since
    ),

    {# The latest run, and the end of the latest window that was judged. -#}
    last_runs as (
        select
            judged_past.head_key,
            judged_past.rule_id,
            judged_past.subject_key,
            judged_past.end_at as judged_until,
            judged_past.judged_status = 'found' as is_unbroken,
            runs.run_start,
            runs.run_end,
            runs.last_step
        from remembered as judged_past
        left join runs
            on judged_past.head_key = runs.head_key
            and judged_past.rule_id = runs.rule_id
            and judged_past.subject_key = runs.subject_key
            and judged_past.last_found_step = runs.last_step
        where judged_past.recency = 1
    ),

    now_judged as (
        select
            heads.window_key as head_key,
            heads.start_at,
            heads.end_at,
            {{ window_period_text('heads') }} as head_period_text,
            judged.*
        from {{ judged }} as judged
        inner join heads
            on judged.window_key = heads.window_key
    ),

    found_now as (
        select
            now_judged.head_key,
            'open' as state,
            {%- for column in told_columns() %}
            now_judged.{{ column }},
            {%- endfor %}
            now_judged.head_period_text as period_text,
            coalesce(now_judged.evidence_start, now_judged.start_at) as evidence_start,
            coalesce(now_judged.evidence_end, now_judged.end_at) as evidence_end,
            case
                when last_runs.is_unbroken
                    then least(last_runs.run_start, coalesce(now_judged.evidence_start, now_judged.start_at))
                when last_runs.judged_until is not null and now_judged.evidence_start is null
                    then greatest(
                        now_judged.start_at,
                        least(last_runs.judged_until, {{ timestamp_add_days('now_judged.end_at', -1) }})
                    )
                else coalesce(now_judged.evidence_start, now_judged.start_at)
            end as first_seen,
            coalesce(now_judged.evidence_end, now_judged.end_at) as last_seen,
            cast(null as {{ dbt.type_string() }}) as reason
        from now_judged
        left join last_runs
            on now_judged.head_key = last_runs.head_key
            and now_judged.rule_id = last_runs.rule_id
            and now_judged.subject_key = last_runs.subject_key
        where now_judged.judged_status = 'found'
    ),

    {#
        Found before and not now: resolved where the head was judged, or where a later window was clear of it; else nobody
        can tell. Told with the last window that found it.
    -#}
    found_before as (
        select
            remembered.head_key,
            case
                when now_judged.judged_status = 'clear' or not last_runs.is_unbroken then 'resolved'
                else 'could_not_evaluate'
            end as state,
            {%- for column in told_columns() %}
            {%- if column in ['value', 'sample_size'] %}
            case
                when now_judged.judged_status = 'clear' or not last_runs.is_unbroken then remembered.{{ column }}
                {%- if column == 'sample_size' %}
                else coalesce(now_judged.sample_size, 0)
                {%- endif %}
            end as {{ column }},
            {%- else %}
            remembered.{{ column }},
            {%- endif %}
            {%- endfor %}
            case
                when now_judged.judged_status = 'clear' or not last_runs.is_unbroken then remembered.period_text
                else {{ window_period_text('heads') }}
            end as period_text,
            coalesce(remembered.evidence_start, remembered.start_at) as evidence_start,
            coalesce(remembered.evidence_end, remembered.end_at) as evidence_end,
            last_runs.run_start as first_seen,
            last_runs.run_end as last_seen,
            case
                when now_judged.judged_status = 'clear' or not last_runs.is_unbroken then null
                else {{ unjudged_reason('now_judged', 'remembered') }}
            end as reason
        from remembered
        inner join last_runs
            on remembered.head_key = last_runs.head_key
            and remembered.rule_id = last_runs.rule_id
            and remembered.subject_key = last_runs.subject_key
            and remembered.steps_back = last_runs.last_step
        inner join heads
            on remembered.head_key = heads.window_key
        left join now_judged
            on remembered.head_key = now_judged.head_key
            and remembered.rule_id = now_judged.rule_id
            and remembered.subject_key = now_judged.subject_key
        where coalesce(now_judged.judged_status, 'unknown') <> 'found'
    ),

    {#
        A rule none of whose subjects could be judged in a head, though there was something to judge, says so once: by
        the subject with the largest sample.
    -#}
    unjudged as (
        select
            now_judged.*,
            row_number() over (
                partition by now_judged.head_key, now_judged.rule_id
                order by now_judged.sample_size desc, now_judged.subject_key
            ) as unjudged_place,
            max(now_judged.sample_size) over (partition by now_judged.head_key, now_judged.rule_id) as largest_sample,
            count(*) filter (where now_judged.judged_status <> 'unknown') over (
                partition by now_judged.head_key, now_judged.rule_id
            ) as judged_count
        from now_judged
    ),

    not_judged as (
        select
            unjudged.head_key,
            'could_not_evaluate' as state,
            {%- for column in told_columns() %}
            {%- if column in ['subject_key', 'subject_id', 'subject_name'] %}
            case when unjudged.subject_kind = 'scope' then unjudged.{{ column }} end as {{ column }},
            {%- else %}
            unjudged.{{ column }},
            {%- endif %}
            {%- endfor %}
            unjudged.head_period_text as period_text,
            unjudged.start_at as evidence_start,
            unjudged.end_at as evidence_end,
            cast(null as timestamp) as first_seen,
            cast(null as timestamp) as last_seen,
            {{ unjudged_reason('unjudged', 'unjudged') }} as reason
        from unjudged
        left join found_before
            on unjudged.head_key = found_before.head_key
            and unjudged.rule_id = found_before.rule_id
            {# A finding of the scope that ended is told as such: both would have one id. -#}
            and (found_before.state = 'could_not_evaluate' or unjudged.subject_kind = 'scope')
        where
            unjudged.unjudged_place = 1
            and unjudged.judged_count = 0
            and unjudged.largest_sample > 0
            and found_before.head_key is null
    ),

    told as (
        {%- for relation in ['found_now', 'found_before', 'not_judged'] %}
        select
            heads.window_key,
            heads.scope_kind,
            heads.scope_id,
            heads.scope_key,
            heads.source_name,
            heads.agent_key,
            heads.window_kind,
            {%- for column in told_columns() %}
            {{ relation }}.{{ column }},
            {%- endfor %}
            {{ relation }}.period_text,
            {{ relation }}.evidence_start,
            {{ relation }}.evidence_end,
            {{ relation }}.first_seen,
            {{ relation }}.last_seen,
            {{ relation }}.state,
            {{ relation }}.reason
        from {{ relation }}
        inner join heads
            on {{ relation }}.head_key = heads.window_key
        {{ "union all" if not loop.last }}
        {%- endfor %}
    )
{%- endmacro %}

{# Why a measurement could not be judged; of a subject that was not measured, that there was nothing. #}
{% macro unjudged_reason(measured, rule) -%}
    case
        when {{ measured }}.sample_size is null or {{ measured }}.sample_size = 0
            then 'There is nothing to judge by'
        when {{ measured }}.sample_size < {{ rule }}.min_sample
            then 'There are ' || {{ format_number(measured ~ '.sample_size', 0) }} || ' observations of the '
                || {{ format_number(rule ~ '.min_sample', 0) }} || ' it takes'
        else 'A figure it takes is unknown: ' || {{ rule }}.metric
    end
{%- endmacro %}
