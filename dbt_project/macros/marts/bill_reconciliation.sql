{#
    What model providers invoiced beside what the usage was estimated to cost (FL-128).

    Belongs here: which days of usage a bill is held against, and what is known of the difference. Does not belong here:
    what usage costs (domain/pricing.sql).

    A bill is spread evenly over its days, so that one over two months is part of both. It counts once its last day is
    over by the end of the window; usage is held against it on the days billed alone. A provider's month without any bill
    shows the estimate of its days in data.
#}

{#
    One row per window of the platform, provider and calendar month (UTC) that the window reaches into. Bills name no
    agent, so there is none for the window of an agent.

    The difference is billed minus estimated. Of it, `unpriced_difference_usd` is what the tokens without a price would
    cost at the provider's mean price of the month, `cache_difference_usd` what the price list makes of records with
    cached tokens beyond what producers recorded for them, `missing_calls_difference_usd` what calls cost that no scope
    counts because no event names their invocation. What is left is calls that no extract holds, and prices that differ.
#}
{% macro bill_reconciliation_sql(windows) -%}
    with reached_months as (
        select distinct
            windows.window_key,
            windows.source_name,
            windows.end_at,
            {{ local_date('windows.end_at', "'UTC'") }} as end_date,
            {{ date_of_trunc('month', 'days.date_day') }} as month_start
        from {{ windows }} as windows
        {{ join_dates('windows.start_local', 'windows.end_local', 'days') }}
        where
            windows.scope_kind = 'platform'
            and windows.agent_key is null
    ),

    months as (
        select
            reached_months.*,
            {{ date_add_months('reached_months.month_start', 1) }} as next_month
        from reached_months
    ),

    billed_amounts as (
        select
            bills.source_name,
            bills.provider_bill_key,
            coalesce(aliases.canonical_provider, lower(bills.provider)) as provider_name,
            bills.period_end,
            {{ days_between('bills.period_start', 'bills.period_end') }} as bill_days,
            bills.currency as bill_currency,
            bills.amount,
            days.date_day
        from {{ ref('fct_provider_bills') }} as bills
        left join {{ ref('provider_aliases') }} as aliases
            on lower(bills.provider) = aliases.provider
        {{ join_dates('bills.period_start', 'bills.period_end', 'days') }}
    ),

    rates as (
        select
            fx_rates.currency as rate_currency,
            fx_rates.valid_from,
            lead(fx_rates.valid_from) over (partition by fx_rates.currency order by fx_rates.valid_from) as valid_to,
            fx_rates.usd_per_unit
        from {{ ref('fx_rates') }} as fx_rates
    ),

    {# The whole amount of the bill at the rate of each of its days. -#}
    converted_amounts as (
        select
            billed_amounts.*,
            case
                when billed_amounts.bill_currency = 'USD' then billed_amounts.amount
                else {{ in_usd('billed_amounts.amount', 'rates.usd_per_unit') }}
            end as billed_usd
        from billed_amounts
        left join rates
            on billed_amounts.bill_currency = rates.rate_currency
            and billed_amounts.date_day >= rates.valid_from
            and (rates.valid_to is null or billed_amounts.date_day < rates.valid_to)
    ),

    billed_rows as (
        select
            months.window_key,
            months.month_start,
            amounts.provider_name,
            amounts.provider_bill_key,
            amounts.bill_days,
            amounts.date_day,
            amounts.billed_usd
        from months
        inner join {{ in_currency_of_windows('converted_amounts', windows, ['billed_usd'], 'date_day') }} as amounts
            on amounts.date_day >= months.month_start
            and amounts.date_day < months.next_month
            and amounts.period_end <= months.end_date
            and (months.source_name is null or months.source_name = amounts.source_name)
    ),

    billed_days as (
        select distinct
            billed_rows.window_key,
            billed_rows.month_start,
            billed_rows.provider_name,
            billed_rows.date_day
        from billed_rows
    ),

    {#
        Divided once, after the days are added up: the month of a bill is its amount to the last digit. An amount that
        cannot be converted makes the bill unknown, not smaller.
    -#}
    month_bills as (
        select
            billed_rows.window_key,
            billed_rows.month_start,
            billed_rows.provider_name,
            case
                when count(billed_rows.billed_usd) = count(*)
                    then {{ exact_divide_money('sum(billed_rows.billed_usd)', 'billed_rows.bill_days') }}
            end as billed_usd
        from billed_rows
        group by
            billed_rows.window_key,
            billed_rows.month_start,
            billed_rows.provider_name,
            billed_rows.provider_bill_key,
            billed_rows.bill_days
    ),

    billed_sums as (
        select
            month_bills.window_key,
            month_bills.month_start,
            month_bills.provider_name,
            case when count(month_bills.billed_usd) = count(*) then sum(month_bills.billed_usd) end as billed_usd
        from month_bills
        group by month_bills.window_key, month_bills.month_start, month_bills.provider_name
    ),

    billed_months as (
        select
            billed_sums.window_key,
            billed_sums.month_start,
            billed_sums.provider_name,
            billed_sums.billed_usd,
            count(*) as billed_days
        from billed_sums
        inner join billed_days
            on billed_sums.window_key = billed_days.window_key
            and billed_sums.month_start = billed_days.month_start
            and billed_sums.provider_name = billed_days.provider_name
        group by
            billed_sums.window_key,
            billed_sums.month_start,
            billed_sums.provider_name,
            billed_sums.billed_usd
    ),

    usage_rows as (
        select
            months.window_key,
            months.month_start,
            coalesce(aliases.canonical_provider, lower(usage_records.provider), 'unknown') as provider_name,
            usage_records.event_date,
            usage_records.has_owner,
            coalesce(usage_records.total_tokens, 0) as total_tokens,
            usage_records.cost_usd,
            case
                when
                    usage_records.recorded_cost_usd is not null
                    and coalesce(usage_records.cache_read_tokens, 0) + coalesce(usage_records.cache_write_tokens, 0) > 0
                    then usage_records.priced_cost_usd - usage_records.recorded_cost_usd
            end as cache_gap_usd
        from months
        inner join {{ in_currency_of_windows(ref('fct_llm_calls'), windows) }} as usage_records
            on usage_records.event_date >= months.month_start
            and usage_records.event_date < months.next_month
            and usage_records.used_at < months.end_at
            and (months.source_name is null or months.source_name = usage_records.source_name)
        left join {{ ref('provider_aliases') }} as aliases
            on lower(usage_records.provider) = aliases.provider
    ),

    used_months as (
        select
            usage_rows.window_key,
            usage_rows.month_start,
            usage_rows.provider_name,
            coalesce(sum(usage_rows.cost_usd) filter (where usage_rows.has_owner), 0) as estimated_usd,
            {{ integer_sum('usage_rows.total_tokens', 'usage_rows.has_owner and usage_rows.cost_usd is not null') }}
                as priced_tokens,
            {{ integer_sum('usage_rows.total_tokens', 'usage_rows.has_owner and usage_rows.cost_usd is null') }}
                as unpriced_tokens,
            coalesce(sum(usage_rows.cache_gap_usd) filter (where usage_rows.has_owner), 0) as cache_usd,
            coalesce(sum(usage_rows.cost_usd) filter (where not usage_rows.has_owner), 0) as unowned_usd
        from usage_rows
        left join billed_months
            on usage_rows.window_key = billed_months.window_key
            and usage_rows.month_start = billed_months.month_start
            and usage_rows.provider_name = billed_months.provider_name
        left join billed_days
            on usage_rows.window_key = billed_days.window_key
            and usage_rows.provider_name = billed_days.provider_name
            and usage_rows.event_date = billed_days.date_day
        where
            billed_months.window_key is null
            or billed_days.window_key is not null
        group by usage_rows.window_key, usage_rows.month_start, usage_rows.provider_name
    ),

    compared as (
        select
            coalesce(billed_months.window_key, used_months.window_key) as window_key,
            coalesce(billed_months.month_start, used_months.month_start) as month_start,
            coalesce(billed_months.provider_name, used_months.provider_name) as provider_name,
            coalesce(billed_months.billed_days, 0) as billed_days,
            billed_months.billed_usd,
            coalesce(used_months.estimated_usd, 0) as estimated_usd,
            billed_months.billed_usd - coalesce(used_months.estimated_usd, 0) as difference_usd,
            coalesce(used_months.unpriced_tokens, 0) as unpriced_tokens,
            case
                when coalesce(used_months.unpriced_tokens, 0) = 0 then 0
                else {{ safe_divide_money(
                    'cast(used_months.estimated_usd as double) * used_months.unpriced_tokens', 'used_months.priced_tokens'
                ) }}
            end as unpriced_usd,
            coalesce(used_months.cache_usd, 0) as cache_usd,
            coalesce(used_months.unowned_usd, 0) as unowned_usd
        from billed_months
        full outer join used_months
            on billed_months.window_key = used_months.window_key
            and billed_months.month_start = used_months.month_start
            and billed_months.provider_name = used_months.provider_name
    ),

    levels as (
        select {{ setting('bill_difference_limit') }} as difference_limit
    )

    select
        compared.window_key,
        compared.provider_name as provider,
        compared.month_start,
        cast(compared.billed_days as bigint) as billed_days,
        cast(compared.billed_usd as decimal(38, 12)) as billed_cost_usd,
        cast(compared.estimated_usd as decimal(38, 12)) as estimated_cost_usd,
        cast(compared.difference_usd as decimal(38, 12)) as bill_difference_usd,
        {{ safe_divide('compared.difference_usd', 'compared.billed_usd') }} as bill_difference_rate,
        {%- for reason, amount in {
            'unpriced': 'compared.unpriced_usd', 'cache': 'compared.cache_usd', 'missing_calls': 'compared.unowned_usd'
        }.items() %}
        case when compared.billed_usd is not null then cast({{ amount }} as decimal(38, 12)) end
            as {{ reason }}_difference_usd,
        {%- endfor %}
        cast(
            compared.difference_usd - coalesce(compared.unpriced_usd, 0) - compared.cache_usd - compared.unowned_usd
            as decimal(38, 12)
        ) as unexplained_difference_usd,
        compared.unpriced_tokens,
        case
            when compared.billed_days = 0 then 'no_bill'
            when compared.billed_usd is null then 'unconverted'
            when
                compared.difference_usd <> 0
                and abs(compared.difference_usd) >= compared.billed_usd * levels.difference_limit
                then 'differs'
            else 'agrees'
        end as status
    from compared
    cross join levels
{%- endmacro %}
