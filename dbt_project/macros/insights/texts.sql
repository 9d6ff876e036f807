{#
    The words of a finding: values in their units, and the templates of a rule filled in.

    Belongs here: numbers and placeholders to text. Does not belong here: the sentences (seeds/reference/insight_rules.csv).
#}

{# The unit a condition is written in: a change of a share in points, a relative change in percent of what was. #}
{% macro condition_unit(basis, unit) -%}
    case
        when {{ basis }} = 'relative_change' then 'fraction'
        when {{ basis }} = 'change' and {{ unit }} in ('fraction', 'small_fraction') then 'points'
        else {{ unit }}
    end
{%- endmacro %}

{# A measured value in its unit, for a sentence. A change is written without its sign: the sentence says the direction. #}
{% macro measure_text(value, unit, basis="'value'") -%}
    {%- set shown = 'case when ' ~ basis ~ " = 'value' then " ~ value ~ ' else abs(' ~ value ~ ') end' -%}
    case {{ condition_unit(basis, unit) }}
        when 'fraction' then {{ format_number('(' ~ shown ~ ') * 100', 1) }} || '%'
        when 'small_fraction' then {{ format_number('(' ~ shown ~ ') * 100', 2) }} || '%'
        when 'points' then {{ format_number('(' ~ shown ~ ') * 100', 1) }} || ' points'
        when 'milliseconds' then {{ format_number('(' ~ shown ~ ') / 1000.0', 2) }} || ' s'
        when 'seconds' then {{ format_number(shown, 0) }} || ' s'
        when 'usd' then 'USD ' || {{ format_number(shown, 2) }}
        when 'small_usd' then 'USD ' || {{ format_number(shown, 4) }}
        when 'rating' then {{ format_number(shown, 2) }}
        when 'times' then {{ format_number(shown, 1) }}
        when 'count' then {{ format_number(shown, 0) }}
    end
{%- endmacro %}

{# A threshold likewise, without trailing zeros: thresholds are round numbers. #}
{% macro threshold_text(value, unit, basis="'value'") -%}
    {%- set shown = 'case when ' ~ basis ~ " = 'value' then " ~ value ~ ' else abs(' ~ value ~ ') end' -%}
    {%- set percent = '(' ~ shown ~ ') * 100' -%}
    case {{ condition_unit(basis, unit) }}
        when 'fraction' then {{ trimmed_number(percent) }} || '%'
        when 'small_fraction' then {{ trimmed_number(percent) }} || '%'
        when 'points' then {{ trimmed_number(percent) }} || ' points'
        when 'milliseconds' then {{ trimmed_number('(' ~ shown ~ ') / 1000.0') }} || ' s'
        when 'seconds' then {{ trimmed_number(shown) }} || ' s'
        when 'usd' then 'USD ' || {{ format_number(shown, 2) }}
        when 'small_usd' then 'USD ' || {{ format_number(shown, 4) }}
        else {{ trimmed_number(shown) }}
    end
{%- endmacro %}

{% macro trimmed_number(value) -%}
    trim(trailing '.' from trim(trailing '0' from {{ format_number(value, 2) }}))
{%- endmacro %}

{#
    The placeholders of a rule's texts and the columns of a finding that fill them. {value} is what the first condition
    compares; {level} is the metric itself, {baseline} what it was in the window before or what is usual.
#}
{% macro insight_placeholders() -%}
    {{ return({
        'value': 'value_text',
        'second_value': 'second_value_text',
        'third_value': 'third_value_text',
        'threshold': 'threshold_text',
        'second_threshold': 'second_threshold_text',
        'third_threshold': 'third_threshold_text',
        'level': 'level_text',
        'second_level': 'second_level_text',
        'baseline': 'baseline_text',
        'second_baseline': 'second_baseline_text',
        'sample_size': 'sample_size_text',
        'min_sample': 'min_sample_text',
        'subject': 'shown_name',
        'detail': 'detail',
        'limit': 'limit_text',
        'period': 'period_text',
    }) }}
{%- endmacro %}

{# A template of a rule with its placeholders filled. A value that does not exist reads "unknown". #}
{% macro filled_text(template) -%}
    {%- set filled = namespace(sql=template) -%}
    {%- for placeholder, column in insight_placeholders().items() -%}
        {%- set filled.sql = "replace(" ~ filled.sql ~ ", '{" ~ placeholder ~ "}', coalesce(" ~ column ~ ", 'unknown'))" -%}
    {%- endfor -%}
    {{ filled.sql }}
{%- endmacro %}

{# The days of a window as text: from its first to its last local date. #}
{% macro window_period_text(window) -%}
    case
        when {{ window }}.start_local is null then 'until '
        else {{ format_date(window ~ '.start_local') }} || ' to '
    end || {{ format_date(local_date(
        timestamp_add_seconds(window ~ '.end_at', 'cast(-1 as bigint)'), window ~ '.time_zone'
    )) }}
{%- endmacro %}

{#
    Rows of findings in words. `found` has the columns of a measurement and of its rule, those of the window it is told of
    (scope_kind, scope_id, scope_key, source_name, agent_key, window_kind), period_text, evidence, state, first_seen,
    last_seen and reason; NULL evidence is the window's own.
#}
{% macro worded_findings(found) -%}
    with named as (
        select
            found_rows.*,
            case
                when found_rows.subject_kind = 'scope'
                    then coalesce(tenants.tenant_name, publishers.publisher_name, 'Platform')
                when found_rows.subject_key is null then 'every ' || replace(found_rows.subject_kind, '_', ' ')
                else coalesce(found_rows.subject_name, found_rows.subject_id, 'unknown')
            end as shown_name
        from {{ found }} as found_rows
        left join {{ ref('dim_tenants') }} as tenants
            on found_rows.scope_kind = 'tenant'
            and found_rows.scope_key = tenants.tenant_key
        left join {{ ref('dim_publishers') }} as publishers
            on found_rows.scope_kind = 'publisher'
            and found_rows.scope_key = publishers.publisher_key
    ),

    measured as (
        select
            named.*,
            {%- for prefix in ['', 'second_', 'third_'] %}
            {%- set basis = 'named.' ~ prefix ~ 'basis' %}
            {%- set unit = 'named.' ~ prefix ~ 'unit' %}
            {{ measure_text('named.' ~ prefix ~ 'value', unit, basis) }} as {{ prefix }}value_text,
            {{ threshold_text('named.' ~ prefix ~ 'threshold', unit, basis) }} as {{ prefix }}threshold_text,
            {%- endfor %}
            {{ measure_text('named.level_value', 'named.unit') }} as level_text,
            {{ measure_text('named.baseline', 'named.unit') }} as baseline_text,
            {{ measure_text('named.second_level_value', 'named.second_unit') }} as second_level_text,
            {{ measure_text('named.second_baseline', 'named.second_unit') }} as second_baseline_text,
            {{ format_number('named.sample_size', 0) }} as sample_size_text,
            {{ format_number('named.min_sample', 0) }} as min_sample_text,
            case when named.basis <> 'value' then named.level_value - named.baseline end as change_since,
            catalogue.higher_is_better,
            catalogue.unit = 'fraction' as is_rate
        from named
        left join {{ ref('metric_catalogue') }} as catalogue
            on named.metric = catalogue.metric_key
    ),

    directed as (
        select
            measured.*,
            case
                when measured.change_since is null then null
                when measured.change_since = 0 then 'flat'
                when measured.is_rate and abs(measured.change_since) < {{ setting('flat_rate_change') }} then 'flat'
                when not coalesce(measured.is_rate, false)
                    and abs(measured.change_since) < abs(measured.baseline) * {{ setting('flat_relative_change') }}
                    then 'flat'
                when measured.change_since > 0 then 'up'
                else 'down'
            end as direction
        from measured
    )

    select
        directed.window_key,
        {{ hash_key([
            'directed.rule_id',
            'directed.scope_kind',
            'directed.scope_key',
            'directed.source_name',
            'directed.agent_key',
            "nullif(directed.subject_key, '*')",
            'directed.window_kind',
        ]) }} as insight_id,
        directed.rule_id,
        directed.subject_kind,
        case when directed.subject_kind = 'scope' then directed.scope_id else directed.subject_id end as subject_id,
        directed.shown_name as subject_name,
        directed.severity,
        directed.category,
        case
            when directed.state <> 'could_not_evaluate' then {{ filled_text('directed.title') }}
            else upper(substr(directed.rule_id, 1, 1)) || replace(substr(directed.rule_id, 2), '_', ' ')
                || ': Could Not Be Evaluated'
        end as title,
        case
            when directed.state <> 'could_not_evaluate' then {{ filled_text('directed.description') }}
            else directed.reason || ' (' || directed.period_text || ').'
        end as description,
        case when directed.state <> 'could_not_evaluate' then {{ filled_text('directed.recommendation') }} end
            as recommendation,
        directed.metric,
        directed.basis,
        directed.value,
        directed.threshold,
        directed.baseline,
        directed.direction,
        case
            when directed.direction is null then null
            when directed.direction = 'flat' then 'stable'
            when directed.higher_is_better is null then 'neutral'
            when (directed.direction = 'up') = directed.higher_is_better then 'improving'
            else 'worsening'
        end as assessment,
        directed.sample_size,
        directed.evidence_start,
        directed.evidence_end,
        directed.first_seen,
        directed.last_seen,
        directed.state,
        directed.reason
    from directed
{%- endmacro %}
