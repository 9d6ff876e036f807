{#
    What answering every call is worth to a tenant, by month (RO-008..016).

    Belongs here: the calculator, on the tenant's own inputs. Does not belong here: what resolved conversations saved,
    and what the platform cost (value_summary in revenue.sql).
#}

{#
    One row per window of a tenant. The inputs are those that held at its end; without one of them what follows from it
    is unknown. What a window counts rather than a tenant states (calls, platform cost) is brought to a month: a calendar
    month is one, any other span is worth so many days of `days_per_month`.
#}
{% macro roi_summary_sql(windows) -%}
    {%- set money = ['average_deal_value_usd', 'receptionist_cost_usd_month'] -%}
    with last_settings as (
        select
            windows.window_key,
            cast({{ timestamp_add_seconds('windows.end_at', -1) }} as date) as last_date,
            case
                when
                    extract(day from windows.start_local) = 1
                    and {{ date_add_months('windows.start_local', 1) }} = windows.end_local
                    then {{ days_between('windows.start_local', 'windows.end_local') }}
                else {{ setting('days_per_month') }}
            end as month_days,
            {{ days_between('windows.start_local', 'windows.end_local') }} as window_days,
            tenants.monthly_call_volume,
            tenants.answer_rate,
            coalesce(tenants.capture_share, 1) as capture_share,
            tenants.conversion_rate,
            tenants.average_deal_value_usd,
            tenants.receptionist_cost_usd_month,
            tenants.displaced_share
        from {{ windows }} as windows
        inner join {{ ref('dim_tenants_history') }} as tenants
            on windows.scope_kind = 'tenant'
            and windows.scope_key = tenants.tenant_key
            and windows.end_at > tenants.valid_from
            and windows.end_at <= tenants.valid_to
    ),

    inputs as (
        select *
        from {{ in_currency_of_windows('last_settings', windows, money, 'last_date') }} as settings_of_windows
    ),

    conversation_rows as (
        {{ rows_in_windows(ref('fct_conversations'), 'created_at', windows) }}
    ),

    calls as (
        select
            conversation_rows.window_key,
            count(*) as counted_calls
        from conversation_rows
        inner join {{ ref('dim_agent_types') }} as agent_types
            on conversation_rows.agent_type_key = agent_types.agent_type_key
        where lower(agent_types.agent_type_id) = {{ sql_text(var('voice_agent_type')) }}
        group by conversation_rows.window_key
    ),

    value_of_windows as (
        {{ value_summary_sql(windows) }}
    ),

    monthly as (
        select
            inputs.*,
            inputs.monthly_call_volume is null and calls.counted_calls is not null as is_call_volume_counted,
            coalesce(
                cast(inputs.monthly_call_volume as decimal(38, 12)),
                {{ exact_divide_money('calls.counted_calls * inputs.month_days', 'nullif(inputs.window_days, 0)') }}
            ) as calls_per_month,
            {{ exact_divide_money(
                'value_of_windows.platform_cost_usd * inputs.month_days', 'nullif(inputs.window_days, 0)'
            ) }} as monthly_platform_cost_usd
        from inputs
        inner join value_of_windows
            on inputs.window_key = value_of_windows.window_key
        left join calls
            on inputs.window_key = calls.window_key
    ),

    missed as (
        select
            monthly.*,
            cast(monthly.calls_per_month * (1 - monthly.answer_rate) as decimal(38, 12)) as missed_calls
        from monthly
    ),

    captured as (
        select
            missed.*,
            cast(missed.missed_calls * missed.capture_share as decimal(38, 12)) as captured_calls
        from missed
    ),

    won as (
        select
            captured.*,
            cast(captured.captured_calls * captured.conversion_rate as decimal(38, 12)) as won_calls,
            cast(captured.receptionist_cost_usd_month * captured.displaced_share as decimal(38, 12))
                as operating_cost_saved_usd
        from captured
    ),

    recovered as (
        select
            won.*,
            cast(won.won_calls * won.average_deal_value_usd as decimal(38, 12)) as recovered_revenue_usd
        from won
    ),

    outcomes as (
        select
            recovered.*,
            recovered.recovered_revenue_usd + recovered.operating_cost_saved_usd - recovered.monthly_platform_cost_usd
                as net_monthly_value_usd
        from recovered
    )

    select
        outcomes.window_key,
        outcomes.calls_per_month as monthly_call_volume,
        outcomes.is_call_volume_counted,
        outcomes.average_deal_value_usd,
        outcomes.answer_rate,
        outcomes.receptionist_cost_usd_month,
        cast(outcomes.capture_share as decimal(18, 9)) as capture_share,
        outcomes.conversion_rate,
        outcomes.displaced_share,
        outcomes.missed_calls,
        outcomes.captured_calls,
        outcomes.won_calls,
        outcomes.recovered_revenue_usd,
        outcomes.operating_cost_saved_usd,
        outcomes.monthly_platform_cost_usd,
        cast(outcomes.net_monthly_value_usd as decimal(38, 12)) as net_monthly_value_usd,
        {{ safe_divide('outcomes.net_monthly_value_usd * 100', 'outcomes.monthly_platform_cost_usd') }}
            as net_monthly_value_percent
    from outcomes
{%- endmacro %}
