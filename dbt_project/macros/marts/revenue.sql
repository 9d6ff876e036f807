{#
    Money by window: charges, fees, model cost, installs, savings.

    Belongs here: the SQL of the revenue marts, each formula once. Does not belong here: currency conversion and the
    sign of a refund's fee (fct_charges), prices of tokens (fct_llm_calls), outcomes of conversations (quality.sql).

    A source that delivers no charges at all has unknown revenue, not none (X-09); likewise conversations and savings.
#}

{# Of charges: rows of fct_charges. Amounts without a rate to the currency shown are counted apart (D-55). #}
{% macro charge_measures(rows, keys) -%}
    select
        {{ keys | join(', ') }},
        {{ measure_columns('fct_charges') }}
    from {{ rows }}
    group by {{ keys | join(', ') }}
{%- endmacro %}

{# The sums of money over charges, in US dollars; what the publisher is paid follows from them. #}
{% macro charge_sum_columns() -%}
    {{ return(['gross_usd', 'refund_usd', 'net_usd', 'fee_usd']) }}
{%- endmacro %}

{#
    Select list: sums of money from the joined relations charges and has_charges. Zero where the source charges but not
    here; NULL where it never charges, and where not one amount could be converted.
#}
{% macro charge_sums() -%}
    {%- for measure in charge_sum_columns() %}
        case
            when has_charges.window_key is null then null
            when charges.window_key is null then cast(0 as decimal(38, 12))
            when charges.converted_count > 0 then charges.{{ measure }}
        end as {{ measure }}{{ "," if not loop.last }}
    {%- endfor %}
{%- endmacro %}

{# The windows whose source, or some source where a window spans all, has any row of the relation, at any time. #}
{% macro windows_with_source(relation, windows) -%}
    select distinct windows.window_key
    from {{ windows }} as windows
    inner join (select distinct source_name from {{ relation }}) as sources
        on coalesce(windows.source_name, sources.source_name) = sources.source_name
{%- endmacro %}


{# One row per window. Margin is what is left to publishers after the model cost of their agents (X-09). #}
{% macro revenue_summary_sql(windows) -%}
    with charge_rows as (
        {{ rows_in_windows(ref('fct_charges'), 'charged_at', windows) }}
    ),

    invocation_rows as (
        {{ rows_in_windows(ref('fct_invocations'), 'responded_at', windows) }}
    ),

    token_rows as (
        {{ rows_in_windows(ref('fct_llm_calls'), 'used_at', windows) }}
    ),

    charges as (
        {{ charge_measures('charge_rows', ['window_key']) }}
    ),

    agent_messages as (
        {{ invocation_measures('invocation_rows', ['window_key']) }}
    ),

    tokens as (
        {{ token_measures('token_rows', ['window_key']) }}
    ),

    has_charges as (
        {{ windows_with_source(ref('fct_charges'), windows) }}
    ),

    measured as (
        select
            windows.window_key,
            {{ counts_or_zero(['charge_count', 'refund_count', 'unconverted_count', 'paying_tenants'], 'charges') }},
            {{ counts_or_zero(['active_tenants'], 'agent_messages') }},
            {{ charge_sums() }},
            cast({{ cost_or_zero('tokens') }} as decimal(38, 12)) as cost_usd
        from {{ windows }} as windows
        left join charges
            on windows.window_key = charges.window_key
        left join agent_messages
            on windows.window_key = agent_messages.window_key
        left join tokens
            on windows.window_key = tokens.window_key
        left join has_charges
            on windows.window_key = has_charges.window_key
    )

    select
        measured.window_key,
        measured.charge_count,
        measured.refund_count,
        measured.gross_usd,
        measured.refund_usd,
        measured.net_usd,
        measured.fee_usd,
        cast({{ total_of('payout_usd', 'measured') }} as decimal(38, 12)) as payout_usd,
        {{ quotient('take_rate', 'measured') }} as take_rate,
        measured.paying_tenants,
        measured.active_tenants,
        {{ quotient('revenue_per_active_tenant_usd', 'measured') }} as revenue_per_active_tenant_usd,
        {{ quotient('revenue_per_paying_tenant_usd', 'measured') }} as revenue_per_paying_tenant_usd,
        measured.cost_usd as llm_cost_usd,
        cast({{ total_of('margin_usd', 'measured') }} as decimal(38, 12)) as margin_usd,
        measured.unconverted_count
    from measured
{%- endmacro %}


{# One row per window and local date of it, days without a charge included. #}
{% macro revenue_daily_sql(windows) -%}
    with charge_rows as (
        {{ local_rows_in_windows(ref('fct_charges'), 'charged_at', windows) }}
    ),

    charges as (
        {{ charge_measures('charge_rows', ['window_key', 'local_date']) }}
    ),

    has_charges as (
        {{ windows_with_source(ref('fct_charges'), windows) }}
    ),

    days as (
        {{ days_of_windows(windows) }}
    ),

    measured as (
        select
            days.window_key,
            days.date_day,
            {{ counts_or_zero(['charge_count', 'refund_count', 'unconverted_count'], 'charges') }},
            {{ charge_sums() }}
        from days
        left join charges
            on days.window_key = charges.window_key
            and days.date_day = charges.local_date
        left join has_charges
            on days.window_key = has_charges.window_key
    )

    select
        measured.window_key,
        measured.date_day,
        measured.charge_count,
        measured.refund_count,
        measured.gross_usd,
        measured.refund_usd,
        measured.net_usd,
        measured.fee_usd,
        cast({{ total_of('payout_usd', 'measured') }} as decimal(38, 12)) as payout_usd,
        measured.unconverted_count
    from measured
{%- endmacro %}


{# Windows that start, or that end, elsewhere: the columns rows_in_windows needs, with other bounds. #}
{% macro windows_with_bounds(windows, start_at, end_at) -%}
    select
        windows.window_key,
        windows.scope_kind,
        windows.scope_key,
        windows.source_name,
        windows.agent_key,
        windows.time_zone,
        {{ start_at }} as start_at,
        {{ end_at }} as end_at
    from {{ windows }} as windows
{%- endmacro %}

{#
    When the window before begins: a calendar month earlier for a calendar month, whole or open (D-12), a year earlier
    for a whole calendar year, else by the span of local days. It ends where the window begins.

    Thirty days are thirty days, also those of which the first and the last are a month's.
#}
{% macro previous_start_at(window) -%}
    {%- set start_local = 'cast(' ~ window ~ '.start_local as timestamp)' -%}
    {%- set end_local = 'cast(' ~ window ~ '.end_local as timestamp)' -%}
    {%- set month_before = 'cast(' ~ date_add_months(window ~ '.start_local', -1) ~ ' as timestamp)' -%}
    {%- set month_after = 'cast(' ~ date_add_months(window ~ '.start_local', 1) ~ ' as timestamp)' -%}
    {%- set year_before = 'cast(' ~ date_add_months(window ~ '.start_local', -12) ~ ' as timestamp)' -%}
    {%- set year_after = 'cast(' ~ date_add_months(window ~ '.start_local', 12) ~ ' as timestamp)' -%}
    {%- set span_before = timestamp_add_days(start_local, '-' ~ days_between(start_local, end_local)) -%}
    {{ to_utc_timestamp(
        'case when ' ~ window ~ ".window_kind = '30d' then " ~ span_before
        ~ ' when extract(day from ' ~ start_local ~ ') = 1'
        ~ ' and (' ~ month_after ~ ' = ' ~ end_local ~ ' or (' ~ window ~ '.is_partial and ' ~ month_after ~ ' > ' ~ end_local ~ '))'
        ~ ' then ' ~ month_before
        ~ ' when extract(day from ' ~ start_local ~ ') = 1 and extract(month from ' ~ start_local ~ ') = 1'
        ~ ' and ' ~ year_after ~ ' = ' ~ end_local
        ~ ' then ' ~ year_before
        ~ ' else ' ~ span_before ~ ' end',
        window ~ '.time_zone'
    ) }}
{%- endmacro %}


{#
    One row per window: installs, and active tenants against the window before.

    An install or uninstall counts when it changes the state of its (tenant, agent) pair; the others are counted as
    repeated or unmatched (MP-017). So active installs = those at the start + new installs - uninstalls, never negative.

    Local times of the window before can be given, as SQL: dates do not tell an open week from three days, and what a
    week is compared with ends after the same elapsed part (D-10). Where they are null the window's own dates tell.
#}
{% macro adoption_summary_sql(windows, previous_start='null', previous_end='null') -%}
    {%- set given_start = to_utc_timestamp('cast(' ~ previous_start ~ ' as timestamp)', 'windows.time_zone') -%}
    {%- set given_end = to_utc_timestamp('cast(' ~ previous_end ~ ' as timestamp)', 'windows.time_zone') -%}
    with install_events as (
        select
            source_name,
            tenant_key,
            publisher_key,
            agent_key,
            happened_at,
            event_kind,
            coalesce(lag(event_kind) over (
                partition by tenant_key, agent_key order by happened_at, install_event_key
            ), 'uninstall') as kind_before
        from {{ ref('fct_install_events') }}
    ),

    changes as (
        select
            source_name,
            tenant_key,
            publisher_key,
            agent_key,
            happened_at,
            case when event_kind = 'install' and kind_before = 'uninstall' then 1 else 0 end as is_new_install,
            case when event_kind = 'uninstall' and kind_before = 'install' then 1 else 0 end as is_end_of_install,
            case when event_kind = 'install' and kind_before = 'install' then 1 else 0 end as is_repeated,
            case when event_kind = 'uninstall' and kind_before = 'uninstall' then 1 else 0 end as is_unmatched
        from install_events
    ),

    history_windows as (
        {{ windows_with_bounds(windows, "timestamp '1900-01-01 00:00:00'", 'windows.end_at') }}
    ),

    windows_before as (
        {{ windows_with_bounds(
            windows,
            'coalesce(' ~ given_start ~ ', ' ~ previous_start_at('windows') ~ ')',
            'coalesce(' ~ given_end ~ ', windows.start_at)'
        ) }}
    ),

    change_rows as (
        {{ rows_in_windows('changes', 'happened_at', 'history_windows') }}
    ),

    timed_changes as (
        select
            change_rows.*,
            change_rows.happened_at >= windows.start_at as is_inside
        from change_rows
        inner join {{ windows }} as windows
            on change_rows.window_key = windows.window_key
    ),

    installs as (
        select
            window_key,
            {{ integer_sum('is_new_install', where='is_inside') }} as new_installs,
            {{ integer_sum('is_end_of_install', where='is_inside') }} as uninstalls,
            {{ integer_sum('is_repeated', where='is_inside') }} as repeated_installs,
            {{ integer_sum('is_unmatched', where='is_inside') }} as unmatched_uninstalls,
            {{ integer_sum('is_new_install') }} as cumulative_installs,
            {{ integer_sum('is_new_install - is_end_of_install') }} as active_installs,
            {{ integer_sum('is_new_install - is_end_of_install', where='not is_inside') }} as active_installs_at_start
        from timed_changes
        group by window_key
    ),

    invocation_rows as (
        {{ rows_in_windows(ref('fct_invocations'), 'responded_at', windows) }}
    ),

    invocation_rows_before as (
        {{ rows_in_windows(ref('fct_invocations'), 'responded_at', 'windows_before') }}
    ),

    active as (
        select distinct
            window_key,
            tenant_key
        from invocation_rows
    ),

    active_before as (
        select distinct
            window_key,
            tenant_key
        from invocation_rows_before
    ),

    active_counts as (
        select
            window_key,
            count(*) as active_tenants
        from active
        group by window_key
    ),

    retained as (
        select
            active_before.window_key,
            count(*) as previous_active_tenants,
            count(active.tenant_key) as retained_tenants,
            count(*) - count(active.tenant_key) as churned_tenants
        from active_before
        left join active
            on active_before.window_key = active.window_key
            and active_before.tenant_key = active.tenant_key
        group by active_before.window_key
    )

    select
        windows.window_key,
        {{ counts_or_zero(
            [
                'new_installs',
                'uninstalls',
                'active_installs',
                'active_installs_at_start',
                'cumulative_installs',
                'repeated_installs',
                'unmatched_uninstalls',
            ],
            'installs'
        ) }},
        {{ safe_divide('installs.uninstalls', 'installs.active_installs_at_start') }} as install_churn_rate,
        {{ counts_or_zero(['active_tenants'], 'active_counts') }},
        {{ counts_or_zero(['previous_active_tenants', 'retained_tenants', 'churned_tenants'], 'retained') }},
        {{ safe_divide('retained.churned_tenants', 'retained.previous_active_tenants') }} as tenant_churn_rate,
        {{ safe_divide('retained.retained_tenants', 'retained.previous_active_tenants') }} as tenant_retention_rate
    from {{ windows }} as windows
    left join installs
        on windows.window_key = installs.window_key
    left join active_counts
        on windows.window_key = active_counts.window_key
    left join retained
        on windows.window_key = retained.window_key
{%- endmacro %}


{#
    window_key and platform_fee_usd: the monthly fees of the scope's tenants, for each local date of the window its
    share of the fee that held on it, so that a whole month of one fee is that fee. A change counts from its date on.
    An agent or a publisher owes none of it.
#}
{% macro platform_fees(windows) -%}
    with fee_days as (
        select
            windows.window_key,
            days.date_day,
            {{ date_of_trunc('month', 'days.date_day') }} as first_of_month,
            tenants.platform_fee_usd_month as fee_usd
        from {{ windows }} as windows
        inner join {{ ref('dim_tenants_history') }} as tenants
            on windows.agent_key is null
            and tenants.platform_fee_usd_month > 0
            and (
                (windows.scope_kind = 'tenant' and windows.scope_key = tenants.tenant_key)
                or (
                    windows.scope_kind = 'platform'
                    and coalesce(windows.source_name, tenants.source_name) = tenants.source_name
                )
            )
        {{ join_dates(
            'greatest(windows.start_local, ' ~ local_date('tenants.valid_from', 'windows.time_zone') ~ ')',
            'least(windows.end_local, ' ~ local_date('tenants.valid_to', 'windows.time_zone') ~ ')',
            'days'
        ) }}
    ),

    month_fees as (
        select
            window_key,
            first_of_month,
            sum(fee_usd) as fee_usd
        from {{ in_currency_of_windows('fee_days', windows, ['fee_usd'], 'date_day') }} as fee_days
        group by window_key, first_of_month
    )

    select
        month_fees.window_key,
        sum({{ exact_divide_money(
            'month_fees.fee_usd',
            days_between('month_fees.first_of_month', date_add_months('month_fees.first_of_month', 1))
        ) }}) as platform_fee_usd
    from month_fees
    group by month_fees.window_key
{%- endmacro %}


{#
    One row per window: what the resolved conversations would have cost with a person, against what the models cost
    (RO-026) and what the platform cost, its fee included (RO-060). The cost is that of all usage in the window, of
    resolved conversations or not (RO-027).
#}
{% macro value_summary_sql(windows) -%}
    with conversation_rows as (
        {{ rows_in_windows(ref('fct_conversations'), 'created_at', windows) }}
    ),

    token_rows as (
        {{ rows_in_windows(ref('fct_llm_calls'), 'used_at', windows) }}
    ),

    conversations as (
        {{ conversation_measures('conversation_rows', ['window_key']) }}
    ),

    tokens as (
        {{ token_measures('token_rows', ['window_key']) }}
    ),

    fees as (
        {{ platform_fees(windows) }}
    ),

    has_conversations as (
        {{ windows_with_source(ref('fct_conversations'), windows) }}
    ),

    measured as (
        select
            windows.window_key,
            {{ counts_or_zero(
                ['conversations', 'completed_conversations', 'resolved_conversations'], 'conversations'
            ) }},
            conversations.resolution_rate,
            case
                when has_conversations.window_key is not null
                    then coalesce(conversations.gross_savings_usd, cast(0 as decimal(38, 12)))
            end as gross_savings_usd,
            cast({{ cost_or_zero('tokens') }} as decimal(38, 12)) as cost_usd,
            cast(coalesce(fees.platform_fee_usd, 0) as decimal(38, 12)) as platform_fee_usd
        from {{ windows }} as windows
        left join conversations
            on windows.window_key = conversations.window_key
        left join tokens
            on windows.window_key = tokens.window_key
        left join fees
            on windows.window_key = fees.window_key
        left join has_conversations
            on windows.window_key = has_conversations.window_key
    ),

    costed as (
        select
            measured.*,
            measured.cost_usd + measured.platform_fee_usd as platform_cost_usd
        from measured
    )

    select
        costed.window_key,
        costed.conversations,
        costed.completed_conversations,
        costed.resolved_conversations,
        costed.resolution_rate,
        costed.gross_savings_usd,
        costed.cost_usd as total_cost_usd,
        cast({{ total_of('net_savings_usd', 'costed') }} as decimal(38, 12)) as net_savings_usd,
        {{ quotient('cost_per_resolution_usd', 'costed') }} as cost_per_resolution_usd,
        costed.platform_fee_usd,
        cast(costed.platform_cost_usd as decimal(38, 12)) as platform_cost_usd,
        cast(costed.gross_savings_usd - costed.platform_cost_usd as decimal(38, 12)) as net_savings_after_fee_usd,
        {{ safe_divide('(costed.gross_savings_usd - costed.platform_cost_usd) * 100', 'costed.platform_cost_usd') }}
            as roi_percent
    from costed
{%- endmacro %}
