{#
    Table functions of the published database: each summary for any scope, span and zone, by the
    same macro as its mart.

    Belongs here: which summaries are functions, their common parameters, and how a call becomes
    one row of windows. Does not belong here: any formula. A new summary is one line in
    table_function_registry().
#}

{#
    Name of the function, the macro that gives the rows, and what one row is. A summary over
    `requested_windows` gives money in the currency asked for, whatever the names of its columns
    end with; one over `windows` keeps to USD, as insights do, whose limits are of that currency.
    `more_parameters` are those that only this function has.
#}
{% macro table_function_registry() -%}
    {{ return([
        {
            'name': 'usage_summary',
            'summary_sql': usage_summary_sql('requested_windows'),
            'description': 'One row: messages, users, sessions, tokens, cost and response times of the scope in the span.',
        },
        {
            'name': 'response_summary',
            'summary_sql': response_summary_sql('requested_windows'),
            'description': 'One row: agent messages, their errors and response times of the scope in the span.',
        },
        {
            'name': 'ranked_response_times',
            'summary_sql': ranked_response_times_sql('requested_windows'),
            'description': 'One row: the 95th percentile of completed answers by rank, not interpolated, of the scope in the span.',
        },
        {
            'name': 'token_summary',
            'summary_sql': token_summary_sql('requested_windows'),
            'description': 'One row: tokens and cost of the scope in the span.',
        },
        {
            'name': 'usage_by_agent',
            'summary_sql': usage_by_agent_sql('requested_windows'),
            'description': 'One row per agent that was used in the span.',
        },
        {
            'name': 'usage_by_model',
            'summary_sql': usage_by_model_sql('requested_windows'),
            'description': 'One row per model that was used in the span.',
        },
        {
            'name': 'usage_by_provider',
            'summary_sql': usage_by_provider_sql('requested_windows'),
            'description': 'One row per model provider that was used in the span.',
        },
        {
            'name': 'usage_daily',
            'summary_sql': usage_daily_sql('requested_windows'),
            'description': 'One row per local date of the span, dates without data included.',
        },
        {
            'name': 'usage_hourly',
            'summary_sql': usage_hourly_sql('requested_windows'),
            'description': 'One row per local hour of the day, over all days of the span.',
        },
        {
            'name': 'usage_by_weekday_hour',
            'summary_sql': usage_by_weekday_hour_sql('requested_windows'),
            'description': 'One row per weekday and local hour of the day with an answer, over all days of the span.',
        },
        {
            'name': 'session_distribution',
            'summary_sql': session_distribution_sql('requested_windows'),
            'description': 'One row per bin of the length of sessions, and of their number of messages.',
        },
        {
            'name': 'health_summary',
            'summary_sql': health_summary_sql('requested_windows'),
            'description': "One row: uptime, requests and queues of the platform's services, whatever the scope.",
        },
        {
            'name': 'quality_summary',
            'summary_sql': quality_summary_sql('requested_windows'),
            'description': 'One row: ratings, outcomes of conversations, judge scores and tasks of the scope in the span.',
        },
        {
            'name': 'agent_quality',
            'summary_sql': agent_quality_sql('requested_windows'),
            'description': 'One row per agent that was rated or held a conversation in the span.',
        },
        {
            'name': 'tool_usage',
            'summary_sql': tool_usage_sql('requested_windows'),
            'description': 'One row per tool that was used in the span: attempts, failures, time.',
        },
        {
            'name': 'revenue_summary',
            'summary_sql': revenue_summary_sql('requested_windows'),
            'description': 'One row: charges, fees, payout, model cost and margin of the scope in the span.',
        },
        {
            'name': 'revenue_daily',
            'summary_sql': revenue_daily_sql('requested_windows'),
            'description': 'One row per local date of the span: charges and fees, dates without a charge included.',
        },
        {
            'name': 'adoption_summary',
            'summary_sql': adoption_summary_sql('requested_windows', 'previous_start', 'previous_end'),
            'more_parameters': ['previous_start := null', 'previous_end := null'],
            'description': 'One row: installs, and tenants kept and lost against the span before, which can be given.',
        },
        {
            'name': 'value_summary',
            'summary_sql': value_summary_sql('requested_windows'),
            'description': 'One row: what resolved conversations saved against a person, and what the models cost.',
        },
        {
            'name': 'roi_summary',
            'summary_sql': roi_summary_sql('requested_windows'),
            'description': 'One row for a tenant, none for other scopes: what answering every call is worth a month.',
        },
        {
            'name': 'tenant_cohorts',
            'summary_sql': tenant_cohorts_sql('requested_windows'),
            'description': 'One row per month in which tenants were first active, and month since: tenants retained.',
        },
        {
            'name': 'mrr_movements',
            'summary_sql': mrr_movements_sql('requested_windows'),
            'description': 'One row per month that the span reaches into: recurring revenue, and what moved it.',
        },
        {
            'name': 'agent_visibility',
            'summary_sql': agent_visibility_sql('requested_windows'),
            'description': 'One row per agent and part of its figures in the span: whether a publisher may see it by itself.',
        },
        {
            'name': 'open_invocations',
            'summary_sql': open_invocations_sql('requested_windows'),
            'description': 'One row: invocations that began in the span and had no end by its end.',
        },
        {
            'name': 'compliance_summary',
            'summary_sql': compliance_summary_sql('requested_windows'),
            'description': 'One row: toxicity and redacted personal data of the scope in the span.',
        },
        {
            'name': 'compliance_by_agent_type',
            'summary_sql': compliance_by_agent_type_sql('requested_windows'),
            'description': 'One row per agent type with a message or an audit in the span.',
        },
        {
            'name': 'pii_by_entity',
            'summary_sql': pii_by_entity_sql('requested_windows'),
            'description': 'One row per kind of personal data redacted in the span.',
        },
        {
            'name': 'feedback_summary',
            'summary_sql': feedback_summary_sql('requested_windows'),
            'description': 'One row: ratings and their distribution of the scope in the span.',
        },
        {
            'name': 'feedback_by_agent_type',
            'summary_sql': feedback_by_agent_type_sql('requested_windows'),
            'description': 'One row per agent type that was rated in the span, and from which load on it is rated worse.',
        },
        {
            'name': 'feedback_by_load',
            'summary_sql': feedback_by_load_sql('requested_windows'),
            'description': 'One row per agent type that was rated in the span and load band.',
        },
        {
            'name': 'outcomes_by_load',
            'summary_sql': outcomes_by_load_sql('requested_windows'),
            'description': 'One row per agent type with a message in the span and load band: errors and times of its answers.',
        },
        {
            'name': 'load_correlations',
            'summary_sql': load_correlations_sql('requested_windows'),
            'description': 'One row per agent type rated in the span at a known load: rank correlation of ratings with load.',
        },
        {
            'name': 'agent_hours',
            'summary_sql': agent_hours_sql('requested_windows'),
            'description': 'One row per agent type with samples of instances in the span: the hours that instances ran.',
        },
        {
            'name': 'tool_summary',
            'summary_sql': tool_summary_sql('requested_windows'),
            'description': 'One row: attempts, failures and time of all tools of the scope in the span.',
        },
        {
            'name': 'unused_agents',
            'summary_sql': unused_agents_sql('requested_windows'),
            'description': 'One row per agent of the scope that no user wrote to in the span.',
        },
        {
            'name': 'task_summary',
            'summary_sql': task_summary_sql('requested_windows'),
            'description': 'One row: tasks of the scope that ended in the span, and what tasks used, cost and took.',
        },
        {
            'name': 'tasks_by_agent',
            'summary_sql': tasks_by_agent_sql('requested_windows'),
            'description': 'One row per agent with tasks in the span; what a task used is its owner\'s.',
        },
        {
            'name': 'tasks_by_model',
            'summary_sql': tasks_by_model_sql('requested_windows'),
            'description': 'One row per model with tasks in the span; a task belongs to its primary model.',
        },
        {
            'name': 'tasks_daily',
            'summary_sql': tasks_daily_sql('requested_windows'),
            'description': 'One row per local date of the span: tasks that ended, and what tasks used, dates without any included.',
        },
        {
            'name': 'tasks_by_steps',
            'summary_sql': tasks_by_steps_sql('requested_windows'),
            'description': 'One row per band of the number of steps: how tasks of that size ended in the span.',
        },
        {
            'name': 'agent_type_comparison',
            'summary_sql': agent_type_comparison_sql('requested_windows'),
            'description': 'One row per agent type that was used, audited or rated in the span.',
        },
        {
            'name': 'data_quality',
            'summary_sql': data_quality_sql('requested_windows'),
            'description': 'One row per source and stream of the scope, whatever the span: what became of every row that was read.',
        },
        {
            'name': 'quarantine_reasons',
            'summary_sql': quarantine_reasons_sql('requested_windows'),
            'description': 'One row per source, stream and reason of the scope, whatever the span: rows that were refused.',
        },
        {
            'name': 'usage_forecast',
            'summary_sql': usage_forecast_sql('requested_windows'),
            'description': 'One row: what tokens and cost come to after the span, and the month so far against its budget.',
        },
        {
            'name': 'usage_forecast_daily',
            'summary_sql': usage_forecast_daily_sql('requested_windows'),
            'description': 'One row per day of the two weeks after the span: forecast tokens and cost, each with its 80 % range.',
        },
        {
            'name': 'daily_anomalies',
            'summary_sql': daily_anomalies_sql('requested_windows'),
            'description': 'One row per watched metric and complete day of the span: what it was to be, and whether it is out of the ordinary.',
        },
        {
            'name': 'error_bursts',
            'summary_sql': error_bursts_sql('requested_windows'),
            'description': 'One row per complete day of the span: whether errors burst in an hour of it, and in which most.',
        },
        {
            'name': 'experiments',
            'summary_sql': experiments_sql('requested_windows'),
            'description': 'One row per experiment that ran in the span: how its traffic split, and the verdict.',
        },
        {
            'name': 'experiment_metrics',
            'summary_sql': experiment_metrics_sql('requested_windows'),
            'description': 'One row per experiment that ran in the span and metric: both versions, their difference and its interval.',
        },
        {
            'name': 'goals',
            'summary_sql': goals_sql('requested_windows'),
            'description': 'One row per metric with a goal or target for the scope: its value in the span, attainment and status.',
        },
        {
            'name': 'budgets',
            'summary_sql': budgets_sql('requested_windows'),
            'description': 'One row per month that the span reaches into and that has a budget: spent, run rate and status.',
        },
        {
            'name': 'bill_reconciliation',
            'summary_sql': bill_reconciliation_sql('requested_windows'),
            'description': 'One row per model provider and month that the span reaches into: billed against estimated. Platform only.',
        },
        {
            'name': 'deployments',
            'summary_sql': deployments_sql('requested_windows'),
            'description': 'One row per deployment in the span: days before and after it compared, and the verdict.',
        },
        {
            'name': 'deployment_metrics',
            'summary_sql': deployment_metrics_sql('requested_windows'),
            'description': 'One row per deployment in the span and metric: before, after, their difference and its interval.',
        },
        {
            'name': 'insights',
            'summary_sql': insights_sql('requested_windows'),
            'description': 'One row per finding of insights.insights whose evidence falls into the span.',
        },
        {
            'name': 'alerts_in_span',
            'summary_sql': alerts_in_span_sql('requested_windows'),
            'description': 'One row per alert of alerts.alerts that stood in the span, as far as it was known at its end.',
        },
        {
            'name': 'insight_findings',
            'summary_sql': insight_findings_sql('windows', 'previous_start', 'previous_end'),
            'windows': 'windows',
            'more_parameters': ['previous_start := null', 'previous_end := null'],
            'description': 'One row per finding of the rules in reference.insight_rules, whatever the windows they are for; the span before can be given.',
        },
    ]) }}
{%- endmacro %}

{#
    Parameters of a table function, in order: those that every one has, then its own. Those with a
    default can be left out or named.
#}
{% macro table_function_parameters(function) -%}
    {{ return((
        [
            'scope',
            'start_local',
            'end_local',
            "time_zone := 'UTC'",
            'source := null',
            'agent := null',
            'as_of := null',
            'bucket := null',
            "currency := 'USD'",
        ]
        + (function.more_parameters or [])
    ) | join(', ')) }}
{%- endmacro %}

{#
    The statement that makes a table function in the published database. The relations in it lose
    their catalog: a function that names one would break in a file of another name.
#}
{% macro table_function_ddl(function) -%}
    {%- set body -%}
        with {{ windows_of_parameters() }},

        {{ joined_to_windows(function.summary_sql, function.windows or 'requested_windows') }}

        select * from final
    {%- endset -%}
    {{ return(create_table_function(
        function.name,
        table_function_parameters(function),
        body | replace(adapter.quote(target.database) ~ '.', '')
    )) }}
{%- endmacro %}

{#
    The CTE `windows` with what the parameters mean, or a message that says what is wrong with them:
    one row, or with `bucket` one row per hour, day, week or month of the span. The parameters are
    renamed at once, because inside a table function their names stand for their values wherever
    they are written without a table.
#}
{% macro windows_of_parameters() -%}
    parameters as (
        select
            cast(scope as {{ dbt.type_string() }}) as scope_text,
            cast(start_local as timestamp) as start_wall,
            cast(end_local as timestamp) as end_wall,
            cast(time_zone as {{ dbt.type_string() }}) as zone,
            cast(source as {{ dbt.type_string() }}) as wanted_source,
            cast(agent as {{ dbt.type_string() }}) as wanted_agent,
            coalesce(cast(as_of as timestamp), run_context.as_of) as data_until,
            cast(bucket as {{ dbt.type_string() }}) as bucket_name,
            cast(currency as {{ dbt.type_string() }}) as wanted_currency,
            run_context.held_scope
        from {{ ref('run_context') }} as run_context
    ),

    known_scopes as (
        select
            'platform' as scope_text,
            'platform' as scope_kind,
            'platform' as scope_id,
            parameters.wanted_source as source_name,
            '*' as scope_key
        from parameters
        where
            parameters.wanted_source is null
            or parameters.wanted_source in (select agents.source_name from {{ ref('dim_agents') }} as agents)
        union all
        select
            'tenant:' || tenants.tenant_id,
            'tenant',
            tenants.tenant_id,
            tenants.source_name,
            tenants.tenant_key
        from {{ ref('dim_tenants') }} as tenants
        union all
        select
            'publisher:' || publishers.publisher_id,
            'publisher',
            publishers.publisher_id,
            publishers.source_name,
            publishers.publisher_key
        from {{ ref('dim_publishers') }} as publishers
    ),

    found_scopes as (
        select
            count(*) as match_count,
            min(known_scopes.scope_kind) as scope_kind,
            min(known_scopes.scope_id) as scope_id,
            min(known_scopes.source_name) as source_name,
            min(known_scopes.scope_key) as scope_key
        from known_scopes
        inner join parameters
            on known_scopes.scope_text = parameters.scope_text
            and (parameters.wanted_source is null or parameters.wanted_source = known_scopes.source_name)
    ),

    found_agents as (
        select
            count(*) as match_count,
            min(agents.agent_key) as agent_key
        from {{ ref('dim_agents') }} as agents
        cross join parameters
        cross join found_scopes
        where
            agents.agent_id = parameters.wanted_agent
            and (found_scopes.source_name is null or found_scopes.source_name = agents.source_name)
    ),

    found_currencies as (
        select
            count(*) filter (where known_currencies.currency = parameters.wanted_currency) as match_count,
            {{ string_agg_ordered('known_currencies.currency', ', ') }} as known
        from (
            select distinct rates.currency
            from {{ ref('fx_rates') }} as rates
        ) as known_currencies
        cross join parameters
    ),

    {# USD has none: it is what the facts are in. -#}
    rate_periods as (
        select
            rates.usd_per_unit,
            rates.valid_from,
            lead(rates.valid_from) over (order by rates.valid_from) as valid_to,
            {{ date_add_days(local_date('parameters.data_until', "'UTC'"), 1) }} as end_date
        from {{ ref('fx_rates') }} as rates
        inner join parameters
            on rates.currency = parameters.wanted_currency
            and parameters.wanted_currency <> 'USD'
    ),

    requested_rates as (
        select
            days.date_day as rate_date,
            rate_periods.usd_per_unit
        from rate_periods
        {{ join_dates(
            'rate_periods.valid_from',
            'least(coalesce(rate_periods.valid_to, rate_periods.end_date), rate_periods.end_date)',
            'days'
        ) }}
    ),

    requested as (
        select
            case
                when parameters.held_scope <> coalesce(parameters.scope_text, '') then {{ raise_error(
                    "'this database holds ' || parameters.held_scope || ' alone: ask for that scope'"
                ) }}
                when found_scopes.match_count = 0 then {{ raise_error(
                    "'unknown scope ' || coalesce(parameters.scope_text, 'NULL')"
                    ~ " || coalesce(' in source ' || parameters.wanted_source, '')"
                    ~ " || ': use platform, tenant:ID or publisher:ID of core.dim_tenants and core.dim_publishers'"
                ) }}
                when found_scopes.match_count > 1 then {{ raise_error(
                    "'scope ' || parameters.scope_text || ' exists in several sources: name one, source := ...'"
                ) }}
                when parameters.wanted_agent is not null and found_agents.match_count = 0 then {{ raise_error(
                    "'unknown agent ' || parameters.wanted_agent || ': use an agent_id of core.dim_agents'"
                ) }}
                when parameters.wanted_agent is not null and found_agents.match_count > 1 then {{ raise_error(
                    "'agent ' || parameters.wanted_agent || ' exists in several sources: name one, source := ...'"
                ) }}
                when coalesce(found_currencies.match_count, 0) = 0 then {{ raise_error(
                    "'unknown currency ' || coalesce(parameters.wanted_currency, 'NULL')"
                    ~ " || ': use one of ' || found_currencies.known"
                ) }}
                when parameters.end_wall < parameters.start_wall then {{ raise_error(
                    "'the span ends before it starts: start_local must not be after end_local'"
                ) }}
                when parameters.bucket_name not in ('hour', 'day', 'week', 'month') then {{ raise_error(
                    "'unknown bucket ' || parameters.bucket_name || ': use hour, day, week or month'"
                ) }}
                else found_scopes.scope_kind
            end as scope_kind,
            found_scopes.scope_id,
            found_scopes.source_name,
            found_scopes.scope_key,
            case when parameters.wanted_agent is not null then found_agents.agent_key end as agent_key,
            parameters.zone as time_zone,
            parameters.bucket_name,
            parameters.wanted_currency as currency,
            cast(parameters.start_wall as date) as start_local,
            {#
                The first date that is no part of it: a span may end within a day, and ends with
                the last day of which anything is over.
            -#}
            greatest(
                cast(parameters.start_wall as date),
                least(
                    case
                        when parameters.end_wall > cast(cast(parameters.end_wall as date) as timestamp)
                            then {{ date_add_days('cast(parameters.end_wall as date)', 1) }}
                        else cast(parameters.end_wall as date)
                    end,
                    {{ first_date_after('parameters.data_until', 'parameters.zone') }}
                )
            ) as end_local,
            {{ to_utc_timestamp('parameters.start_wall', 'parameters.zone') }} as start_at,
            greatest(
                {{ to_utc_timestamp('parameters.start_wall', 'parameters.zone') }},
                least({{ to_utc_timestamp('parameters.end_wall', 'parameters.zone') }}, parameters.data_until)
            ) as end_at,
            {{ to_utc_timestamp('parameters.end_wall', 'parameters.zone') }} > parameters.data_until as is_partial
        from parameters
        cross join found_scopes
        cross join found_agents
        cross join found_currencies
    ),

    {{ buckets_of_span('requested') }},

    requested_windows as (
        select
            buckets.window_key,
            requested.scope_kind,
            requested.scope_id,
            requested.source_name,
            requested.scope_key,
            requested.agent_key,
            requested.time_zone,
            buckets.window_kind,
            false as is_previous,
            buckets.start_local,
            buckets.end_local,
            buckets.start_at,
            buckets.end_at,
            buckets.is_partial,
            requested.currency
        from requested
        cross join buckets
    ),

    windows as (
        select * from requested_windows
    )
{%- endmacro %}

{#
    The CTEs up to `buckets`: the span of the one row of `span` as it is, or cut into its buckets. A
    bucket at an end of the span is as long as the span reaches into it, and says so by is_partial.

    Hours are cut where the clock shows a whole hour, so the hour that a clock change repeats is two
    buckets, and days have 23 to 25.
#}
{% macro buckets_of_span(span) -%}
    calendar_days as (
        select distinct
            spans.bucket_name,
            spans.time_zone,
            spans.start_local,
            spans.end_local,
            spans.start_at,
            spans.end_at,
            case spans.bucket_name
                when 'day' then days.date_day
                when 'week' then {{ date_of_trunc('week', 'days.date_day') }}
                when 'month' then {{ date_of_trunc('month', 'days.date_day') }}
            end as first_day
        from {{ span }} as spans
        {{ join_dates('spans.start_local', 'spans.end_local', 'days') }}
        where spans.bucket_name in ('day', 'week', 'month')
    ),

    calendar_spans as (
        select
            calendar_days.*,
            case calendar_days.bucket_name
                when 'day' then {{ date_add_days('calendar_days.first_day', 1) }}
                when 'week' then {{ date_add_days('calendar_days.first_day', 7) }}
                when 'month' then {{ date_add_months('calendar_days.first_day', 1) }}
            end as next_day
        from calendar_days
    ),

    calendar_buckets as (
        select
            calendar_spans.*,
            {{ to_utc_timestamp('calendar_spans.first_day', 'calendar_spans.time_zone') }} as whole_start_at,
            {{ to_utc_timestamp('calendar_spans.next_day', 'calendar_spans.time_zone') }} as whole_end_at
        from calendar_spans
    ),

    quarters as (
        select
            spans.time_zone,
            spans.start_at,
            spans.end_at,
            quarters.number,
            greatest(
                spans.start_at,
                {{ timestamp_add_seconds(timestamp_floor('spans.start_at', 900), 'quarters.number * 900') }}
            ) as quarter_at
        from {{ span }} as spans
        {{ join_numbers(
            0,
            integer_divide(ms_between('spans.start_at', 'spans.end_at'), 900000),
            'quarters'
        ) }}
        where spans.bucket_name = 'hour'
    ),

    local_quarters as (
        select
            quarters.*,
            {{ to_local_timestamp('quarters.quarter_at', 'quarters.time_zone') }} as quarter_local
        from quarters
        where quarters.quarter_at < quarters.end_at
    ),

    hour_buckets as (
        select
            local_quarters.end_at,
            local_quarters.quarter_at,
            local_quarters.quarter_local,
            lead(local_quarters.quarter_at) over (order by local_quarters.quarter_at) as next_at
        from local_quarters
        where
            local_quarters.number = 0
            or local_quarters.quarter_local = {{ timestamp_floor('local_quarters.quarter_local', 3600) }}
    ),

    buckets as (
        select
            'requested' as window_key,
            'requested' as window_kind,
            spans.start_local,
            spans.end_local,
            spans.start_at,
            spans.end_at,
            spans.is_partial
        from {{ span }} as spans
        where
            spans.bucket_name is null
            or spans.bucket_name not in ('hour', 'day', 'week', 'month')
        union all
        select
            cast(calendar_buckets.first_day as {{ dbt.type_string() }}),
            calendar_buckets.bucket_name,
            greatest(calendar_buckets.first_day, calendar_buckets.start_local),
            least(calendar_buckets.next_day, calendar_buckets.end_local),
            greatest(calendar_buckets.whole_start_at, calendar_buckets.start_at),
            greatest(
                greatest(calendar_buckets.whole_start_at, calendar_buckets.start_at),
                least(calendar_buckets.whole_end_at, calendar_buckets.end_at)
            ),
            calendar_buckets.whole_start_at < calendar_buckets.start_at
            or calendar_buckets.whole_end_at > calendar_buckets.end_at
        from calendar_buckets
        union all
        select
            cast(hour_buckets.quarter_at as {{ dbt.type_string() }}),
            'hour',
            cast(hour_buckets.quarter_local as date),
            {{ date_add_days('cast(hour_buckets.quarter_local as date)', 1) }},
            hour_buckets.quarter_at,
            coalesce(hour_buckets.next_at, hour_buckets.end_at),
            hour_buckets.quarter_local <> {{ timestamp_floor('hour_buckets.quarter_local', 3600) }}
            or (
                hour_buckets.next_at is null
                and hour_buckets.end_at < {{ timestamp_add_seconds('hour_buckets.quarter_at', 3600) }}
            )
        from hour_buckets
    )
{%- endmacro %}
