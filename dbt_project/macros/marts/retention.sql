{#
    Who stays, by calendar month: cohorts of tenants, and the movements of monthly recurring revenue (X-21).

    Belongs here: figures that compare one month of a tenant with another. Does not belong here: churn against the
    window before (adoption_summary in revenue.sql).

    Both look back to the first row there is, whatever the window; the window says up to when, and which months.
#}

{# Calendar months from one date to another: 0 within one month. #}
{% macro months_between(first_date, last_date) -%}
    (
        (extract(year from {{ last_date }}) - extract(year from {{ first_date }})) * 12
        + extract(month from {{ last_date }}) - extract(month from {{ first_date }})
    )
{%- endmacro %}

{# The first day of the last month that a window reaches into. #}
{% macro last_month_of(window) -%}
    {{ date_of_trunc(
        'month', 'greatest(' ~ window ~ '.start_local, ' ~ date_add_days(window ~ '.end_local', -1) ~ ')'
    ) }}
{%- endmacro %}


{#
    One row per window, month in which tenants were first active, and month since, up to the window's last. A tenant is
    retained in a month by an invocation that ended in it; retained or later, by one in it or in any month after.
#}
{% macro tenant_cohorts_sql(windows) -%}
    with history_windows as (
        {{ windows_with_bounds(windows, "timestamp '1900-01-01 00:00:00'", 'windows.end_at') }}
    ),

    invocation_rows as (
        {{ local_rows_in_windows(ref('fct_invocations'), 'responded_at', 'history_windows') }}
    ),

    active_months as (
        select distinct
            window_key,
            tenant_key,
            {{ date_of_trunc('month', 'local_date') }} as active_month
        from invocation_rows
    ),

    tenants as (
        select
            window_key,
            tenant_key,
            min(active_month) as cohort_month,
            max(active_month) as last_month
        from active_months
        group by window_key, tenant_key
    ),

    cohorts as (
        select
            window_key,
            cohort_month,
            count(*) as cohort_tenants
        from tenants
        group by window_key, cohort_month
    ),

    cells as (
        select
            cohorts.window_key,
            cohorts.cohort_month,
            cohorts.cohort_tenants,
            months.months_since,
            {{ date_add_months('cohorts.cohort_month', 'months.months_since') }} as active_month
        from cohorts
        inner join {{ windows }} as windows
            on cohorts.window_key = windows.window_key
        {{ join_numbers(
            0, months_between('cohorts.cohort_month', last_month_of('windows')), 'months', 'months_since'
        ) }}
    ),

    retained as (
        select
            cells.window_key,
            cells.cohort_month,
            cells.months_since,
            count(active_months.tenant_key) as retained_tenants,
            count(*) filter (where tenants.last_month >= cells.active_month) as retained_or_later_tenants
        from cells
        inner join tenants
            on cells.window_key = tenants.window_key
            and cells.cohort_month = tenants.cohort_month
        left join active_months
            on tenants.window_key = active_months.window_key
            and tenants.tenant_key = active_months.tenant_key
            and cells.active_month = active_months.active_month
        group by cells.window_key, cells.cohort_month, cells.months_since
    )

    select
        cells.window_key,
        cells.cohort_month,
        cells.months_since,
        cells.cohort_tenants,
        retained.retained_tenants,
        {{ safe_divide('retained.retained_tenants', 'cells.cohort_tenants') }} as cohort_retention,
        retained.retained_or_later_tenants,
        {{ safe_divide('retained.retained_or_later_tenants', 'cells.cohort_tenants') }} as unbounded_cohort_retention
    from cells
    inner join retained
        on cells.window_key = retained.window_key
        and cells.cohort_month = retained.cohort_month
        and cells.months_since = retained.months_since
{%- endmacro %}


{#
    One row per window and calendar month that it reaches into. A subscription charge is spread over the months of its
    service, counted from its first day, an incomplete last one by its days; without a service it belongs to the month
    it was made in (D-56). A service of one month thus counts once, in the month it begins in, whatever its day: a tenant
    who pays the same every month moves nothing. Who pays on the 31st pays on the 30th of a shorter month: a service that
    begins on the last day of a month is counted by the day that it ends on, where that is a later one.

    NULL where the source delivers no charges at all.
#}
{% macro mrr_movements_sql(windows) -%}
    {%- set movements = {
        'new': 'tenant_months.mrr_before = 0 and tenant_months.mrr > 0'
            ~ ' and tenant_months.first_month = tenant_months.month_start',
        'reactivated': 'tenant_months.mrr_before = 0 and tenant_months.mrr > 0'
            ~ ' and tenant_months.first_month < tenant_months.month_start',
        'upgraded': 'tenant_months.mrr_before > 0 and tenant_months.mrr > tenant_months.mrr_before',
        'downgraded': 'tenant_months.mrr > 0 and tenant_months.mrr < tenant_months.mrr_before',
        'churned': 'tenant_months.mrr_before > 0 and tenant_months.mrr = 0',
    } -%}
    with history_windows as (
        {{ windows_with_bounds(windows, "timestamp '1900-01-01 00:00:00'", 'windows.end_at') }}
    ),

    subscriptions as (
        select charges.*
        from {{ in_currency_of_windows(ref('fct_charges'), windows) }} as charges
        where charges.kind = 'subscription' and charges.net_usd is not null
    ),

    charge_rows as (
        {{ local_rows_in_windows('subscriptions', 'charged_at', 'history_windows') }}
    ),

    services as (
        select
            window_key,
            charge_key,
            tenant_key,
            net_usd,
            case
                when service_end > service_start then service_start
                else {{ date_of_trunc('month', 'local_date') }}
            end as first_date,
            case
                when service_end > service_start then service_end
                else {{ date_add_months(date_of_trunc('month', 'local_date'), 1) }}
            end as end_date
        from charge_rows
    ),

    {#- The day that months are counted from, and how many months after it the service begins. -#}
    {%- set ends_on_later_day = 'extract(day from ' ~ date_add_days('services.first_date', 1) ~ ') = 1'
        ~ ' and extract(day from services.end_date) > extract(day from services.first_date)' %}
    anchored_services as (
        select
            services.*,
            case when {{ ends_on_later_day }} then services.end_date else services.first_date end as anchor_date,
            case
                when {{ ends_on_later_day }}
                    then {{ months_between('services.end_date', 'services.first_date') }}
                else 0
            end as months_from_anchor
        from services
    ),

    service_months as (
        select
            services.*,
            {{ date_add_months('services.anchor_date', 'services.months_from_anchor + months.number') }}
                as month_first_date,
            {{ date_add_months('services.anchor_date', 'services.months_from_anchor + months.number + 1') }}
                as month_end_date
        from anchored_services as services
        {{ join_numbers(0, months_between('services.first_date', 'services.end_date'), 'months') }}
        where
            {{ date_add_months('services.anchor_date', 'services.months_from_anchor + months.number') }}
            < services.end_date
    ),

    weighed_months as (
        select
            service_months.*,
            {{ days_between('service_months.month_first_date', 'service_months.month_end_date') }} as month_days,
            {{ days_between(
                'service_months.month_first_date', 'least(service_months.month_end_date, service_months.end_date)'
            ) }} as served_days,
            count(*) over (
                partition by service_months.window_key, service_months.charge_key
            ) as month_count
        from service_months
    ),

    {# Only the last month of a service can be incomplete: it has the same length for all of them. -#}
    last_months as (
        select
            window_key,
            charge_key,
            month_days as last_month_days,
            served_days as last_served_days
        from weighed_months
        where month_end_date >= end_date
    ),

    shares as (
        select
            weighed_months.window_key,
            weighed_months.tenant_key,
            {{ date_of_trunc('month', 'weighed_months.month_first_date') }} as month_start,
            {{ exact_divide_money(
                'weighed_months.net_usd * case when weighed_months.month_end_date >= weighed_months.end_date'
                ~ ' then last_months.last_served_days else last_months.last_month_days end',
                '((weighed_months.month_count - 1) * last_months.last_month_days + last_months.last_served_days)'
            ) }} as share_usd
        from weighed_months
        inner join last_months
            on weighed_months.window_key = last_months.window_key
            and weighed_months.charge_key = last_months.charge_key
    ),

    monthly as (
        select
            window_key,
            tenant_key,
            month_start,
            sum(share_usd) as mrr
        from shares
        group by window_key, tenant_key, month_start
        having sum(share_usd) > 0
    ),

    tenants as (
        select
            window_key,
            tenant_key,
            min(month_start) as first_month
        from monthly
        group by window_key, tenant_key
    ),

    months as (
        select
            windows.window_key,
            {{ date_add_months(date_of_trunc('month', 'windows.start_local'), 'numbers.number') }} as month_start
        from {{ windows }} as windows
        {{ join_numbers(0, months_between('windows.start_local', last_month_of('windows')), 'numbers') }}
    ),

    tenant_months as (
        select
            months.window_key,
            months.month_start,
            tenants.tenant_key,
            tenants.first_month,
            coalesce(monthly.mrr, 0) as mrr,
            coalesce(monthly_before.mrr, 0) as mrr_before
        from months
        inner join tenants
            on months.window_key = tenants.window_key
        left join monthly
            on tenants.window_key = monthly.window_key
            and tenants.tenant_key = monthly.tenant_key
            and months.month_start = monthly.month_start
        left join monthly as monthly_before
            on tenants.window_key = monthly_before.window_key
            and tenants.tenant_key = monthly_before.tenant_key
            and {{ date_add_months('months.month_start', -1) }} = monthly_before.month_start
    ),

    moved as (
        select
            tenant_months.window_key,
            tenant_months.month_start,
            sum(tenant_months.mrr) as mrr,
            sum(tenant_months.mrr_before) as mrr_before,
            count(*) filter (where tenant_months.mrr > 0) as subscribing_tenants,
            {%- for movement, condition in movements.items() %}
            count(*) filter (where {{ condition }}) as {{ movement }}_tenants,
            sum(abs(tenant_months.mrr - tenant_months.mrr_before)) filter (where {{ condition }})
                as {{ movement }}_mrr{{ "," if not loop.last }}
            {%- endfor %}
        from tenant_months
        group by tenant_months.window_key, tenant_months.month_start
    ),

    has_charges as (
        {{ windows_with_source(ref('fct_charges'), windows) }}
    )

    select
        months.window_key,
        months.month_start,
        {%- for column in ['mrr_before', 'mrr'] %}
        case when has_charges.window_key is not null then cast(coalesce(moved.{{ column }}, 0) as decimal(38, 12)) end
            as {{ column }}_usd,
        {%- endfor %}
        coalesce(moved.subscribing_tenants, 0) as subscribing_tenants,
        {%- for movement in movements %}
        case
            when has_charges.window_key is not null then cast(coalesce(moved.{{ movement }}_mrr, 0) as decimal(38, 12))
        end as {{ movement }}_mrr_usd,
        coalesce(moved.{{ movement }}_tenants, 0) as {{ movement }}_tenants{{ "," if not loop.last }}
        {%- endfor %}
    from months
    left join moved
        on months.window_key = moved.window_key
        and months.month_start = moved.month_start
    left join has_charges
        on months.window_key = has_charges.window_key
{%- endmacro %}
