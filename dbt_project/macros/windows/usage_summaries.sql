{#
    The summaries of usage: which measures stand together in a mart, and by what. Formulas are in
    usage_measures.sql.
#}

{# One row per window. `active_users` is a relation that holds what active_users_by_day gives for these windows. #}
{% macro usage_summary_sql(windows, active_users=none) -%}
    with invocation_rows as (
        {{ rows_in_windows(ref('fct_invocations'), 'responded_at', windows) }}
    ),

    message_rows as (
        {{ rows_in_windows(ref('fct_user_messages'), 'sent_at', windows) }}
    ),

    token_rows as (
        {{ rows_in_windows(ref('fct_llm_calls'), 'used_at', windows) }}
    ),

    session_rows as (
        {{ rows_in_windows(ref('fct_sessions'), 'started_at', windows) }}
    ),

    agent_messages as (
        {{ invocation_measures('invocation_rows', ['window_key']) }}
    ),

    user_messages as (
        {{ user_message_measures('message_rows', ['window_key']) }}
    ),

    tokens as (
        {{ token_measures('token_rows', ['window_key']) }}
    ),

    sessions as (
        {{ session_measures('session_rows', ['window_key']) }}
    ),

    {%- if active_users %}

    active_users_by_day as (
        select
            window_key,
            date_day,
            dau,
            wau,
            mau
        from {{ active_users }}
    ),
    {%- else %}

    {# An hour has no days to look back on; a month cut into hours would look back 720 times. -#}
    windows_of_days as (
        select * from {{ windows }} as windows
        where windows.window_kind is distinct from 'hour'
    ),

    active_users_by_day as (
        {{ active_users_by_day('windows_of_days') }}
    ),
    {%- endif %}

    last_days as (
        select
            window_key,
            max(date_day) as last_day,
            count(*) as day_count,
            sum(dau) as user_days
        from active_users_by_day
        group by window_key
    ),

    engagement as (
        select
            last_days.window_key,
            last_days.day_count,
            last_days.user_days,
            active_users_by_day.wau,
            active_users_by_day.mau
        from last_days
        inner join active_users_by_day
            on last_days.window_key = active_users_by_day.window_key
            and last_days.last_day = active_users_by_day.date_day
    ),

    measured as (
        select
            windows.window_key,
            {{ counts_or_zero(['agent_messages', 'completed_count', 'errored_count'], 'agent_messages') }},
            {{ counts_or_zero(['user_messages'], 'user_messages') }},
            {{ all_messages() }} as messages,
            {{ total_of('anonymous_messages', {
                'anonymous_agent_messages': 'coalesce(agent_messages.anonymous_agent_messages, 0)',
                'anonymous_user_messages': 'coalesce(user_messages.anonymous_user_messages, 0)',
            }) }} as anonymous_messages,
            {{ counts_or_zero(['unmodelled_count'], 'agent_messages') }},
            {{ counts_or_zero(['usage_count'] + token_columns(), 'tokens') }},
            {{ counts_or_zero(['active_agents', 'active_tenants', 'active_publishers'], 'agent_messages') }},
            {{ counts_or_zero(['active_users', 'agents_with_incoming_messages'], 'user_messages') }},
            {{ counts_or_zero(['llm_latency_count'], 'agent_messages') }},
            agent_messages.avg_llm_latency_ms,
            {{ counts_or_zero(['response_time_count'], 'agent_messages') }},
            agent_messages.avg_response_time_ms,
            agent_messages.p50_response_time_ms,
            agent_messages.p95_response_time_ms,
            agent_messages.p99_response_time_ms,
            {{ counts_or_zero(['completed_duration_count'], 'agent_messages') }},
            agent_messages.avg_completed_duration_ms,
            agent_messages.p95_completed_duration_ms,
            {{ counts_or_zero(['timed_output_tokens', 'timed_llm_latency_ms'], 'agent_messages') }},
            agent_messages.tokens_per_second,
            agent_messages.avg_message_tokens_per_second,
            agent_messages.message_error_rate,
            cast({{ cost_or_zero('tokens') }} as decimal(38, 12)) as cost_usd,
            cast(coalesce(tokens.recorded_cost_usd, 0) as decimal(38, 12)) as recorded_cost_usd,
            {{ counts_or_zero(
                [
                    'recorded_usage_count',
                    'priced_usage_count',
                    'unpriced_usage_count',
                    'unpriced_tokens',
                    'model_count',
                ],
                'tokens'
            ) }},
            {{ counts_or_zero(['sessions'], 'sessions') }},
            sessions.avg_session_duration_s,
            sessions.median_session_duration_s,
            {{ counts_or_zero(['single_message_session_count'], 'sessions') }},
            sessions.single_message_session_rate,
            {{ counts_or_zero(['session_message_count'], 'sessions') }},
            sessions.messages_per_session,
            {%- for column in ['user_days', 'day_count', 'wau', 'mau'] %}
            case
                when windows.window_kind is distinct from 'hour'
                    then cast(coalesce(engagement.{{ column }}, 0) as bigint)
            end as {{ column }},
            {%- endfor %}
            {{ safe_divide('engagement.user_days', 'engagement.day_count') }} as avg_dau
        from {{ windows }} as windows
        left join agent_messages
            on windows.window_key = agent_messages.window_key
        left join user_messages
            on windows.window_key = user_messages.window_key
        left join tokens
            on windows.window_key = tokens.window_key
        left join sessions
            on windows.window_key = sessions.window_key
        left join engagement
            on windows.window_key = engagement.window_key
    )

    select
        measured.*,
        {{ quotient('avg_tokens_per_message', 'measured') }} as avg_tokens_per_message,
        {{ quotient('cost_per_message_usd', 'measured') }} as cost_per_message_usd,
        {{ quotient('cost_per_session_usd', 'measured') }} as cost_per_session_usd,
        {{ quotient('cost_per_user_usd', 'measured') }} as cost_per_user_usd
    from measured
{%- endmacro %}

{# One row per window: agent messages alone, which is cheap enough to ask for the last five minutes. #}
{% macro response_summary_sql(windows) -%}
    with invocation_rows as (
        {{ rows_in_windows(ref('fct_invocations'), 'responded_at', windows) }}
    ),

    agent_messages as (
        {{ invocation_measures('invocation_rows', ['window_key']) }}
    )

    select
        windows.window_key,
        {{ counts_or_zero(
            ['agent_messages', 'completed_count', 'errored_count', 'response_time_count'], 'agent_messages'
        ) }},
        agent_messages.message_error_rate,
        agent_messages.message_success_rate,
        agent_messages.avg_response_time_ms,
        agent_messages.p50_response_time_ms,
        agent_messages.p95_response_time_ms,
        agent_messages.p99_response_time_ms
    from {{ windows }} as windows
    left join agent_messages
        on windows.window_key = agent_messages.window_key
{%- endmacro %}

{#
    One row per window: the 95th percentile of completed answers by rank, an observed value and not an interpolated one
    (X-03). For comparison with figures that were made so; every other percentile here is interpolated.
#}
{% macro ranked_response_times_sql(windows) -%}
    with invocation_rows as (
        {{ rows_in_windows(ref('fct_invocations'), 'responded_at', windows) }}
    ),

    ranked as (
        select
            window_key,
            count(duration_ms) as completed_duration_count,
            {{ value_at_rank('duration_ms', 0.95) }} as p95_completed_duration_ms_at_rank
        from invocation_rows
        where is_completed
        group by window_key
    )

    select
        windows.window_key,
        {{ counts_or_zero(['completed_duration_count'], 'ranked') }},
        ranked.p95_completed_duration_ms_at_rank
    from {{ windows }} as windows
    left join ranked
        on windows.window_key = ranked.window_key
{%- endmacro %}

{# One row per window: tokens and cost alone, likewise. #}
{% macro token_summary_sql(windows) -%}
    with token_rows as (
        {{ rows_in_windows(ref('fct_llm_calls'), 'used_at', windows) }}
    ),

    tokens as (
        {{ token_measures('token_rows', ['window_key']) }}
    )

    select
        windows.window_key,
        {{ counts_or_zero(['usage_count'] + token_columns(), 'tokens') }},
        cast({{ cost_or_zero('tokens') }} as decimal(38, 12)) as cost_usd,
        {{ counts_or_zero(['unpriced_usage_count', 'unpriced_tokens', 'model_count'], 'tokens') }}
    from {{ windows }} as windows
    left join tokens
        on windows.window_key = tokens.window_key
{%- endmacro %}

{# One row per window and agent with any message, session or spending in it. #}
{% macro usage_by_agent_sql(windows) -%}
    {%- set cell = ['window_key', 'agent_key'] -%}
    with invocation_rows as (
        {{ rows_in_windows(ref('fct_invocations'), 'responded_at', windows) }}
    ),

    message_rows as (
        {{ rows_in_windows(ref('fct_user_messages'), 'sent_at', windows) }}
    ),

    token_rows as (
        {{ rows_in_windows(ref('fct_llm_calls'), 'used_at', windows) }}
    ),

    session_rows as (
        {{ rows_in_windows(ref('fct_sessions'), 'started_at', windows) }}
    ),

    agent_messages as (
        {{ invocation_measures('invocation_rows', cell) }}
    ),

    user_messages as (
        {{ user_message_measures('message_rows', cell) }}
    ),

    tokens as (
        {{ token_measures('token_rows', cell) }}
    ),

    sessions as (
        {{ session_measures('session_rows', cell) }}
    ),

    agents_seen as (
        select window_key, agent_key, active_tenants as tenant_count from agent_messages
        union all
        select window_key, agent_key, messaging_tenants from user_messages
        union all
        select window_key, agent_key, spending_tenants from tokens
        union all
        select window_key, agent_key, session_tenants from sessions
    ),

    {#
        The fewest tenants of any part: a cell whose sessions are one tenant's shows that tenant's
        sessions.
    -#}
    cells as (
        select
            window_key,
            agent_key,
            min(tenant_count) as tenant_count
        from agents_seen
        where tenant_count > 0
        group by window_key, agent_key
    ),

    measured as (
        select
            cells.window_key,
            cells.agent_key,
            {{ counts_or_zero(['agent_messages', 'completed_count', 'errored_count'], 'agent_messages') }},
            {{ counts_or_zero(['user_messages'], 'user_messages') }},
            {{ all_messages() }} as messages,
            {{ counts_or_zero(['active_users'], 'user_messages') }},
            {{ counts_or_zero(['sessions'], 'sessions') }},
            {{ counts_or_zero(['usage_count'] + token_columns(), 'tokens') }},
            cast({{ cost_or_zero('tokens') }} as decimal(38, 12)) as cost_usd,
            {{ counts_or_zero(['unpriced_usage_count'], 'tokens') }},
            {{ counts_or_zero(['llm_latency_count'], 'agent_messages') }},
            agent_messages.avg_llm_latency_ms,
            {{ counts_or_zero(['response_time_count'], 'agent_messages') }},
            agent_messages.avg_response_time_ms,
            agent_messages.p95_response_time_ms,
            agent_messages.tokens_per_second,
            agent_messages.message_error_rate,
            sessions.avg_session_duration_s,
            sessions.median_session_duration_s,
            sessions.messages_per_session,
            {{ quotient('avg_tokens_per_message', {
                'total_tokens': 'coalesce(tokens.total_tokens, 0)',
                'agent_messages': 'agent_messages.agent_messages',
            }) }} as avg_tokens_per_message,
            {{ quotient('cost_per_message_usd', {
                'cost_usd': cost_or_zero('tokens'), 'agent_messages': 'agent_messages.agent_messages'
            }) }} as cost_per_message_usd,
            {{ counts_or_zero(['active_tenants'], 'agent_messages') }},
            cells.tenant_count
        from cells
        left join agent_messages
            on cells.window_key = agent_messages.window_key
            and cells.agent_key = agent_messages.agent_key
        left join user_messages
            on cells.window_key = user_messages.window_key
            and cells.agent_key = user_messages.agent_key
        left join tokens
            on cells.window_key = tokens.window_key
            and cells.agent_key = tokens.agent_key
        left join sessions
            on cells.window_key = sessions.window_key
            and cells.agent_key = sessions.agent_key
    ),

    flagged as (
        {{ flag_suppressed_cells(
            'measured',
            windows,
            part_of=['window_key'],
            size='messages',
            cell='agent_key',
            tenants='tenant_count'
        ) }}
    )

    select
        flagged.window_key,
        flagged.agent_key,
        agents.agent_id,
        agents.agent_name,
        agents.agent_type_name,
        {%- for column in [
                'agent_messages',
                'completed_count',
                'errored_count',
                'user_messages',
                'messages',
                'active_users',
                'sessions',
                'usage_count',
            ] + token_columns() + [
                'cost_usd',
                'unpriced_usage_count',
                'llm_latency_count',
                'avg_llm_latency_ms',
                'response_time_count',
                'avg_response_time_ms',
                'p95_response_time_ms',
                'tokens_per_second',
                'message_error_rate',
                'avg_session_duration_s',
                'median_session_duration_s',
                'messages_per_session',
                'avg_tokens_per_message',
                'cost_per_message_usd',
                'active_tenants',
            ] %}
        {{ unless_suppressed(column) }},
        {%- endfor %}
        flagged.is_suppressed
    from flagged
    left join {{ ref('dim_agents') }} as agents
        on flagged.agent_key = agents.agent_key
{%- endmacro %}

{#
    One row per window and model that was used or answered a message in it. Messages and their
    latency belong to the primary model (D-07), tokens and cost to the model that used them. Use
    without a model name is the row 'unknown'.
#}
{% macro usage_by_model_sql(windows) -%}
    {{ usage_by_model_part_sql(
        windows,
        cell_key='model_key',
        usage_cell="coalesce(model_key, 'unknown')",
        message_cell='primary_model_key',
        attributes=['model', 'provider', 'vendor']
    ) }}
{%- endmacro %}

{#
    One row per window and provider billed in it; use without a known provider is the row
    'unknown'.
#}
{% macro usage_by_provider_sql(windows) -%}
    {{ usage_by_model_part_sql(
        windows,
        cell_key='provider',
        usage_cell="coalesce(provider, 'unknown')",
        message_cell="case when primary_model_key is not null then coalesce(primary_provider, 'unknown') end",
        attributes=[]
    ) }}
{%- endmacro %}

{#
    Usage by the model or a part of it. `attributes` are columns of dim_models to show beside
    model_key.
#}
{% macro usage_by_model_part_sql(windows, cell_key, usage_cell, message_cell, attributes) -%}
    {%- set cell = ['window_key', cell_key] -%}
    with invocation_rows as (
        {{ rows_in_windows(ref('fct_invocations'), 'responded_at', windows) }}
    ),

    usage_rows as (
        {{ rows_in_windows(ref('fct_llm_calls'), 'used_at', windows) }}
    ),

    message_rows as (
        select
            window_key,
            {{ message_cell }} as {{ cell_key }},
            is_completed,
            is_errored,
            user_key,
            primary_model_key,
            agent_key,
            tenant_key,
            publisher_key,
            llm_latency_ms,
            duration_ms,
            response_output_tokens
        from invocation_rows
        where {{ message_cell }} is not null
    ),

    token_rows as (
        select
            window_key,
            {{ usage_cell }} as {{ cell_key }},
            input_tokens,
            output_tokens,
            total_tokens,
            cache_read_tokens,
            cache_write_tokens,
            reasoning_tokens,
            cost_usd,
            recorded_cost_usd,
            cost_basis,
            has_owner,
            tenant_key
            {%- if cell_key != 'model_key' %},
            model_key
            {%- endif %}
        from usage_rows
    ),

    agent_messages as (
        {{ invocation_measures('message_rows', cell) }}
    ),

    tokens as (
        {{ token_measures('token_rows', cell) }}
    ),

    {# A model is a part of its provider; use without a model is a part of each that it has. -#}
    model_rows as (
        select
            window_key,
            'messages' as part,
            coalesce(primary_provider, 'unknown') as provider,
            primary_model_key as model_key,
            tenant_key,
            0 as total_tokens
        from invocation_rows
        where primary_model_key is not null
        union all
        select
            window_key,
            'tokens' as part,
            coalesce(provider, 'unknown') as provider,
            coalesce(model_key, 'unknown') as model_key,
            tenant_key,
            total_tokens
        from usage_rows
        {{ rows_measured('fct_llm_calls') }}
    ),

    {{ flagged_families('model_rows', windows, parent='provider', cell='model_key', size='total_tokens') }},

    hidden as (
        select distinct
            window_key,
            {{ cell_key }}
        from {{ 'flagged_children' if cell_key == 'model_key' else 'flagged_parents' }}
        where is_suppressed
    ),

    cells as (
        select window_key, {{ cell_key }} from agent_messages where active_tenants > 0
        union
        select window_key, {{ cell_key }} from tokens where spending_tenants > 0
    ),

    measured as (
        select
            cells.window_key,
            cells.{{ cell_key }},
            {{ counts_or_zero(['agent_messages', 'errored_count'], 'agent_messages') }},
            {{ counts_or_zero(['usage_count'] + token_columns(), 'tokens') }},
            cast({{ cost_or_zero('tokens') }} as decimal(38, 12)) as cost_usd,
            {{ counts_or_zero(['unpriced_usage_count', 'unpriced_tokens'], 'tokens') }},
            {{ counts_or_zero(['llm_latency_count'], 'agent_messages') }},
            agent_messages.avg_llm_latency_ms,
            agent_messages.avg_response_time_ms,
            {{ counts_or_zero(['timed_output_tokens', 'timed_llm_latency_ms'], 'agent_messages') }},
            agent_messages.tokens_per_second,
            agent_messages.avg_message_tokens_per_second,
            agent_messages.message_error_rate,
            {{ counts_or_zero(['active_tenants'], 'agent_messages') }}
        from cells
        left join agent_messages
            on cells.window_key = agent_messages.window_key
            and cells.{{ cell_key }} = agent_messages.{{ cell_key }}
        left join tokens
            on cells.window_key = tokens.window_key
            and cells.{{ cell_key }} = tokens.{{ cell_key }}
    ),

    flagged as (
        select
            measured.*,
            hidden.window_key is not null as is_suppressed
        from measured
        left join hidden
            on measured.window_key = hidden.window_key
            and measured.{{ cell_key }} = hidden.{{ cell_key }}
    )

    select
        flagged.window_key,
        flagged.{{ cell_key }},
        {%- for attribute in attributes %}
        models.{{ attribute }},
        {%- endfor %}
        {%- for column in ['agent_messages', 'errored_count', 'usage_count'] + token_columns() + [
                'cost_usd',
                'unpriced_usage_count',
                'unpriced_tokens',
                'llm_latency_count',
                'avg_llm_latency_ms',
                'avg_response_time_ms',
                'timed_output_tokens',
                'timed_llm_latency_ms',
                'tokens_per_second',
                'avg_message_tokens_per_second',
                'message_error_rate',
                'active_tenants',
            ] %}
        {{ unless_suppressed(column) }},
        {%- endfor %}
        flagged.is_suppressed
    from flagged
    {%- if attributes %}
    left join {{ ref('dim_models') }} as models
        on flagged.model_key = models.model_key
    {%- endif %}
{%- endmacro %}

{#
    One row per window and local date of it: counts are 0 on a date without rows, averages and
    ratios NULL. A date is told from one that nothing reported by has_data (FL-127).
#}
{% macro usage_daily_sql(windows) -%}
    {%- set day = ['window_key', 'local_date'] -%}
    with reached_windows as (
        {{ windows_with_reach(windows) }}
    ),

    reaches as (
        {{ reaches_of('reached_windows') }}
    ),

    invocation_rows as (
        {{ local_rows_in_windows(ref('fct_invocations'), 'responded_at', 'reaches', windows) }}
    ),

    message_rows as (
        {{ local_rows_in_windows(ref('fct_user_messages'), 'sent_at', 'reaches', windows) }}
    ),

    token_rows as (
        {{ local_rows_in_windows(ref('fct_llm_calls'), 'used_at', 'reaches', windows) }}
    ),

    session_rows as (
        {{ local_rows_in_windows(ref('fct_sessions'), 'started_at', 'reaches', windows) }}
    ),

    agent_messages as (
        {{ invocation_measures('invocation_rows', day) }}
    ),

    user_messages as (
        {{ user_message_measures('message_rows', day) }}
    ),

    tokens as (
        {{ token_measures('token_rows', day) }}
    ),

    sessions as (
        {{ session_measures('session_rows', day) }}
    ),

    days as (
        {{ active_users_by_day(windows) }}
    ),

    days_of_reaches as (
        select
            days.*,
            reached_windows.reach_key
        from days
        inner join reached_windows
            on days.window_key = reached_windows.window_key
    )

    select
        days.window_key,
        days.date_day,
        days.dau,
        days.wau,
        days.mau,
        {{ counts_or_zero(['sessions'], 'sessions') }},
        {{ counts_or_zero(['user_messages'], 'user_messages') }},
        {{ counts_or_zero(['agent_messages'], 'agent_messages') }},
        {{ all_messages() }} as messages,
        {{ counts_or_zero(['completed_count', 'errored_count'], 'agent_messages') }},
        {{ counts_or_zero(token_columns() + ['unpriced_usage_count'], 'tokens') }},
        cast({{ cost_or_zero('tokens') }} as decimal(38, 12)) as cost_usd,
        {{ quotient('cost_per_message_usd', {
            'cost_usd': cost_or_zero('tokens'), 'agent_messages': 'agent_messages.agent_messages'
        }) }} as cost_per_message_usd,
        {{ counts_or_zero(['response_time_count'], 'agent_messages') }},
        agent_messages.avg_response_time_ms,
        agent_messages.p95_response_time_ms,
        agent_messages.avg_llm_latency_ms,
        agent_messages.message_error_rate,
        (
            agent_messages.window_key is not null
            or user_messages.window_key is not null
            or tokens.window_key is not null
        ) as has_data
    from days_of_reaches as days
    left join agent_messages
        on days.reach_key = agent_messages.window_key
        and days.date_day = agent_messages.local_date
    left join user_messages
        on days.reach_key = user_messages.window_key
        and days.date_day = user_messages.local_date
    left join tokens
        on days.reach_key = tokens.window_key
        and days.date_day = tokens.local_date
    left join sessions
        on days.reach_key = sessions.window_key
        and days.date_day = sessions.local_date
{%- endmacro %}

{# One row per window and local hour of the day, 0 to 23, over all days of the window. #}
{% macro usage_hourly_sql(windows) -%}
    {%- set hour = ['window_key', 'local_hour'] -%}
    with invocation_rows as (
        {{ local_rows_in_windows(ref('fct_invocations'), 'responded_at', windows) }}
    ),

    agent_messages as (
        {{ invocation_measures('invocation_rows', hour) }}
    ),

    hours as (
        select
            windows.window_key,
            hours.hour_of_day
        from {{ windows }} as windows
        {{ join_numbers(0, 23, 'hours', 'hour_of_day') }}
    )

    select
        hours.window_key,
        hours.hour_of_day,
        {{ counts_or_zero(['agent_messages', 'errored_count', 'response_time_count'], 'agent_messages') }},
        agent_messages.avg_response_time_ms,
        agent_messages.p95_response_time_ms,
        agent_messages.message_error_rate
    from hours
    left join agent_messages
        on hours.window_key = agent_messages.window_key
        and hours.hour_of_day = agent_messages.local_hour
{%- endmacro %}

{#
    One row per window, weekday and local hour with an answer in it, over all days of the window. An hour without any
    has no row: a week of hours for every scope would be mostly zeros.
#}
{% macro usage_by_weekday_hour_sql(windows) -%}
    with invocation_rows as (
        {{ local_rows_in_windows(ref('fct_invocations'), 'responded_at', windows) }}
    ),

    weekday_rows as (
        select
            invocation_rows.*,
            {{ iso_weekday('invocation_rows.local_date') }} as iso_weekday
        from invocation_rows
    )

    select
        weekday_rows.window_key,
        cast(weekday_rows.iso_weekday as bigint) as iso_weekday,
        cast(weekday_rows.local_hour as bigint) as hour_of_day,
        count(*) as agent_messages
    from weekday_rows
    group by weekday_rows.window_key, weekday_rows.iso_weekday, weekday_rows.local_hour
{%- endmacro %}

{#
    One row per window, distribution (duration or messages of a session) and bin: how many
    sessions fall into the bin and their share of all. A bin is half-open; an empty one has 0
    sessions, its share is NULL without any session.
#}
{% macro session_distribution_sql(windows) -%}
    with session_rows as (
        {{ rows_in_windows(ref('fct_sessions'), 'started_at', windows) }}
    ),

    values_of_sessions as (
        select
            window_key,
            'duration' as distribution,
            cast(duration_s as decimal(18, 6)) as session_value
        from session_rows
        union all
        select
            window_key,
            'messages' as distribution,
            cast(message_count as decimal(18, 6)) as session_value
        from session_rows
    ),

    binned as (
        select
            values_of_sessions.window_key,
            bins.session_bin_key,
            count(*) as session_count
        from values_of_sessions
        inner join {{ ref('dim_session_bins') }} as bins
            on values_of_sessions.distribution = bins.distribution
            and values_of_sessions.session_value >= bins.lower_bound
            and (bins.upper_bound is null or values_of_sessions.session_value < bins.upper_bound)
        group by values_of_sessions.window_key, bins.session_bin_key
    ),

    cells as (
        select
            windows.window_key,
            bins.session_bin_key,
            bins.distribution,
            bins.bin_order,
            bins.bin_label,
            coalesce(binned.session_count, 0) as session_count
        from {{ windows }} as windows
        cross join {{ ref('dim_session_bins') }} as bins
        left join binned
            on windows.window_key = binned.window_key
            and bins.session_bin_key = binned.session_bin_key
    ),

    totals as (
        select
            window_key,
            distribution,
            sum(session_count) as total_sessions
        from cells
        group by window_key, distribution
    )

    select
        cells.window_key,
        cells.distribution,
        cells.bin_order,
        cells.bin_label,
        cells.session_count,
        {{ safe_divide('cells.session_count', 'totals.total_sessions') }} as session_share
    from cells
    inner join totals
        on cells.window_key = totals.window_key
        and cells.distribution = totals.distribution
{%- endmacro %}


{#
    One row per window and agent of the scope that no user wrote to in it: of the platform and of a publisher those
    that are registered, of a tenant those that it has installed at the end of the window (FL-013).
#}
{% macro unused_agents_sql(windows) -%}
    with message_rows as (
        {{ rows_in_windows(ref('fct_user_messages'), 'sent_at', windows) }}
    ),

    installs as (
        select
            windows.window_key,
            events.agent_key,
            events.event_kind,
            row_number() over (
                partition by windows.window_key, events.agent_key
                order by events.happened_at desc, events.install_event_key desc
            ) as event_place
        from {{ windows }} as windows
        inner join {{ ref('fct_install_events') }} as events
            on windows.scope_kind = 'tenant'
            and windows.scope_key = events.tenant_key
            and events.happened_at < windows.end_at
    ),

    agents_of_scopes as (
        select
            windows.window_key,
            agents.agent_key
        from {{ windows }} as windows
        inner join {{ ref('dim_agents') }} as agents
            on (windows.source_name is null or windows.source_name = agents.source_name)
            and (
                windows.scope_kind = 'platform'
                or (windows.scope_kind = 'publisher' and windows.scope_key = agents.publisher_key)
            )
        where not agents.is_inferred
        union all
        select
            window_key,
            agent_key
        from installs
        where event_place = 1 and event_kind = 'install'
    )

    select
        agents_of_scopes.window_key,
        agents_of_scopes.agent_key,
        agents.agent_id,
        agents.agent_name
    from agents_of_scopes
    inner join {{ windows }} as windows
        on agents_of_scopes.window_key = windows.window_key
        and (windows.agent_key is null or windows.agent_key = agents_of_scopes.agent_key)
    inner join {{ ref('dim_agents') }} as agents
        on agents_of_scopes.agent_key = agents.agent_key
    where
        not exists (
            select 1
            from message_rows
            where
                message_rows.window_key = agents_of_scopes.window_key
                and message_rows.agent_key = agents_of_scopes.agent_key
        )
{%- endmacro %}
