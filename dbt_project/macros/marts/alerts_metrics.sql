{#
    What alert rules may compare, and how it is followed through time. Belongs here: the metrics, and the rows and windows
    they are counted from. Does not belong here: rules, states and the formula of a metric (measures).
#}

{#
    How each metric is followed: the `measure` of a fact (macros/measures), of its own name when left out; distinct values of a `key` of a fact, counted by
    whole days, with `per` as their denominator or at least as their sample; or a percentile of a fact's column. A key of
    seeds/reference/alert_metrics.csv for each.
#}
{% macro alert_metrics() -%}
    {{ return({
        'agent_messages': {'fact': 'fct_invocations'},
        'message_error_rate': {'fact': 'fct_invocations'},
        'avg_response_time_ms': {'fact': 'fct_invocations'},
        'p50_response_time_ms': {'fact': 'fct_invocations', 'percentile_of': 'duration_ms', 'fraction': 0.5},
        'p95_response_time_ms': {'fact': 'fct_invocations', 'percentile_of': 'duration_ms', 'fraction': 0.95},
        'p99_response_time_ms': {'fact': 'fct_invocations', 'percentile_of': 'duration_ms', 'fraction': 0.99},
        'user_messages': {'fact': 'fct_user_messages'},
        'active_users': {
            'fact': 'fct_user_messages', 'key': 'user_key', 'where': 'user_key is not null',
            'sample': ['fct_user_messages', 'user_messages'],
        },
        'cost_usd': {'fact': 'fct_llm_calls'},
        'total_tokens': {'fact': 'fct_llm_calls'},
        'tool_failure_rate': {'fact': 'fct_tool_calls'},
        'rating_count': {'fact': 'fct_feedback', 'measure': 'feedback_count'},
        'average_rating': {'fact': 'fct_feedback', 'measure': 'avg_rating'},
        'requests': {'fact': 'fct_health_samples'},
        'request_error_rate': {'fact': 'fct_health_samples'},
        'toxic_messages': {
            'fact': 'fct_audits', 'key': 'message_key', 'where': 'is_toxic',
            'sample': ['fct_invocations', 'agent_messages'],
        },
        'toxic_rate': {
            'fact': 'fct_audits', 'key': 'message_key', 'where': 'is_toxic',
            'sample': ['fct_invocations', 'agent_messages'], 'is_share': true,
        },
        'messages_with_pii': {
            'fact': 'fct_audits', 'key': 'message_key', 'where': 'has_pii',
            'sample': ['fct_invocations', 'agent_messages'],
        },
        'pii_rate': {
            'fact': 'fct_audits', 'key': 'message_key', 'where': 'has_pii',
            'sample': ['fct_invocations', 'agent_messages'], 'is_share': true,
        },
    }) }}
{%- endmacro %}

{# The metrics of the kind `measure`, `percentile` or `distinct`; with `fact`, those that are read from it alone. #}
{% macro alert_metrics_of(kind, fact=none) -%}
    {%- set chosen = {} -%}
    {%- for name, metric in alert_metrics().items() -%}
        {%- set own = 'distinct' if 'key' in metric else 'percentile' if 'percentile_of' in metric else 'measure' -%}
        {%- if kind == own and fact in (none, metric['fact']) -%}
            {%- do chosen.update({name: metric}) -%}
        {%- endif -%}
    {%- endfor -%}
    {{ return(chosen) }}
{%- endmacro %}

{% macro names_of_metrics(metrics) -%}
    {%- set names = [] -%}
    {%- for name in metrics -%}{%- do names.append(sql_text(name)) -%}{%- endfor -%}
    {{ names | join(', ') or "''" }}
{%- endmacro %}

{# What a measure adds to a sum minute by minute: its numerator, its denominator or 0 without one, and its sample. #}
{% macro additive_parts(fact, name) -%}
    {%- set measures = facts_measured()[fact]['measures'] -%}
    {%- set measure = measures[name] -%}
    {%- if 'ratio' in measure -%}
        {%- set parts = [measure_sql(measures, measure['ratio'][0])] + [measure_sql(measures, measure['ratio'][1])] * 2 -%}
    {%- elif 'average' in measure -%}
        {%- set filter = ' filter (where ' ~ measure['where'] ~ ')' if 'where' in measure else '' -%}
        {%- set parts = ['sum(' ~ measure['average'] ~ ')' ~ filter] + ['count(' ~ measure['average'] ~ ')' ~ filter] * 2 -%}
    {%- else -%}
        {%- set parts = [measure_sql(measures, name), '0', 'count(*)'] -%}
    {%- endif -%}
    {{ return(parts) }}
{%- endmacro %}

{% macro is_quotient(name) -%}
    {%- set metric = alert_metrics()[name] -%}
    {%- if 'key' in metric -%}
        {{ return('is_share' in metric) }}
    {%- elif 'percentile_of' in metric -%}
        {{ return(false) }}
    {%- endif -%}
    {%- set measure = facts_measured()[metric['fact']]['measures'][metric.get('measure', name)] -%}
    {{ return('ratio' in measure or 'average' in measure) }}
{%- endmacro %}

{#
    Rows of a fact in windows. The platform's services are the same under every scope (D-61), so their samples join by
    time alone.
#}
{% macro alert_rows(fact, windows) -%}
    {%- if fact == 'fct_health_samples' -%}
    select
        samples.*,
        windows.window_key,
        windows.time_zone as window_time_zone
    from {{ ref(fact) }} as samples
    inner join {{ windows }} as windows
        on samples.sampled_at >= windows.start_at
        and samples.sampled_at < windows.end_at
        and (windows.source_name is null or windows.source_name = samples.source_name)
    {%- else -%}
    {{ rows_in_windows(ref(fact), facts_measured()[fact]['time'], windows) }}
    {%- endif -%}
{%- endmacro %}

{# One window per scope that a rule on any of these metrics watches, over all the time they watch. #}
{% macro watched_windows(metric_names) -%}
    select
        rules.scope_text as window_key,
        rules.scope_kind,
        rules.scope_key,
        rules.source_name,
        cast(null as {{ dbt.type_string() }}) as agent_key,
        rules.time_zone,
        min(rules.reads_from) as start_at,
        max(rules.reads_until) as end_at
    from rules
    where rules.metric in ({{ metric_names }})
    group by rules.scope_text, rules.scope_kind, rules.scope_key, rules.source_name, rules.time_zone
{%- endmacro %}

{# One window per span of a rule on any of these metrics. #}
{% macro windows_of_rules(metric_names) -%}
    select
        rules.alert_rule_key as window_key,
        rules.scope_kind,
        rules.scope_key,
        rules.source_name,
        cast(null as {{ dbt.type_string() }}) as agent_key,
        rules.time_zone,
        rules.reads_from as start_at,
        rules.reads_until as end_at
    from rules
    where rules.metric in ({{ metric_names }})
{%- endmacro %}
