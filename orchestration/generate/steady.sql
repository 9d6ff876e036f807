-- Streams that do not grow with use: gauges, health, incidents, deployments, bills, names and
-- settings. Belongs here: rows made once per set. Not here: rows that follow from sessions
-- (turns.sql, outcomes.sql).

create table ticks as
select
    tick,
    cast(tick as date) as delivered_on
from range(
    cast(getvariable('first_day') as timestamp), getvariable('until'), interval 5 minutes
) as numbers (tick);

create table out_instance_samples as
with sampled as (
    select
        tick,
        delivered_on,
        type_no,
        agent_type_id,
        cast(null as varchar) as tenant_id,
        running_instances(type_no, peak_instances, tick) as running_instances
    from ticks
    cross join agent_types
    -- One sample in eighty is lost, so that some ratings have no known load.
    where draw('sample lost', type_no * 100000000 + epoch(tick) // 300) >= 0.0125
    union all
    select
        tick,
        delivered_on,
        1,
        'type-support',
        tenants.tenant_id,
        tenant_instances(tenants.tenant_no, tick)
    from ticks
    cross join tenants
    where tenants.tenant_no in (1, 3)
)

select
    delivered_on,
    tick as happened_at,
    agent_type_id,
    tick as timestamp,
    running_instances,
    tenant_id,
    1 as copies
from sampled;

create table out_incidents as
with raised as (
    select
        incident_no,
        service,
        cast(
            getvariable('first_day')
            + cast(
                floor(share * (getvariable('last_day') - getvariable('first_day'))) as integer
            ) as timestamp
        )
        + to_seconds(after_s) as started_at,
        duration_s,
        is_maintenance
    from (
        values
        (1, 'gateway', 0.20, 34200, 2520, false),
        (2, 'workers', 0.45, 7200, 5400, true),
        (3, 'workers', 0.70, 50400, 900, false),
        (4, 'gateway', 0.93, 43500, 1320, false)
    ) as rows (incident_no, service, share, after_s, duration_s, is_maintenance)
),

states as (
    select
        *,
        started_at + to_seconds(60) as updated_at,
        cast(null as timestamp) as ended_at
    from raised
    union all
    select
        *,
        started_at + to_seconds(duration_s + 120),
        started_at + to_seconds(duration_s)
    from raised
)

select
    cast(updated_at as date) as delivered_on,
    updated_at as happened_at,
    'inc-' || incident_no as incident_id,
    service,
    stamp(started_at) as started_at,
    stamp(updated_at) as updated_at,
    stamp(ended_at) as ended_at,
    is_maintenance,
    1 as copies
from states
where updated_at < getvariable('until');

create table out_health_samples as
with loads as (
    select
        tick,
        delivered_on,
        service,
        service_no,
        capacity_rpm,
        draw('health', service_no * 100000000 + epoch(tick) // 300) as noise,
        greatest(0.04, sin(pi() * (hour(tick) + minute(tick) / 60.0 - 4) / 18))
        * case when isodow(tick) >= 6 then 0.4 else 1.0 end as daily
    from ticks
    cross join
        (values ('gateway', 1, 500), ('workers', 2, 300))
            as services (service, service_no, capacity_rpm)
),

used as (
    select
        loads.*,
        case
            when is_burst(tick) then 0.86 + 0.1 * noise
            else least(0.75, 0.5 * daily * (0.8 + 0.4 * noise))
        end as utilisation,
        not exists (
            select 1
            from out_incidents
            where
                out_incidents.service = loads.service
                and out_incidents.ended_at is not null
                and loads.tick >= cast(out_incidents.started_at as timestamp)
                and loads.tick < cast(out_incidents.ended_at as timestamp)
        ) as is_up
    from loads
),

requested as (
    select
        *,
        cast(round(capacity_rpm * 5 * utilisation) as bigint) as requests
    from used
)

select
    delivered_on,
    tick as happened_at,
    service,
    tick as timestamp,
    300 as interval_s,
    is_up,
    requests,
    cast(
        round(
            requests
            * case
                when not is_up then 0.9 when is_burst(tick) then 0.06 + 0.03 * noise else
                    0.004 + 0.006 * noise
            end
        ) as bigint
    ) as failed_requests,
    cast(case when is_burst(tick) then 52 + 40 * noise else 6 * noise * daily end as bigint)
        as queue_depth,
    capacity_rpm,
    1 as copies
from requested;

create table out_deployments as
with versions as (
    select
        agents.agent_id,
        days.day,
        '1.' || (days.day_no // 20 + agents.agent_no % 3) || '.0' as agent_version,
        agents.agent_no
    from days
    cross join agents
    where days.day_no % 20 = 0
    union all
    select
        'agt-deal-desk',
        day,
        version,
        5
    from days
    cross join (values ('2.0.0'), ('2.1.0')) as arms (version)
    where day_no = (select max(day_no) + 1 from days) // 2
)

select
    day as delivered_on,
    cast(day as timestamp) + to_seconds(600 + agent_no * 60) as happened_at,
    'dep-' || agent_id || '-' || agent_version as deployment_id,
    agent_id,
    agent_version,
    stamp(cast(day as timestamp) + to_seconds(600 + agent_no * 60)) as deployed_at,
    case when agent_version like '2.%' then 'Arm of an experiment' else 'Scheduled release' end
        as note,
    1 as copies
from versions
where cast(day as timestamp) + to_seconds(600 + agent_no * 60) < getvariable('until');

create table out_provider_bills as
with months as (
    select
        provider,
        cast(date_trunc('month', day) as date) as period_start,
        cast(date_trunc('month', day) + to_months(1) as date) as period_end,
        sum(spend_usd) as spend_usd
    from provider_spend
    group by all
)

select
    period_end as delivered_on,
    cast(period_end as timestamp) + to_seconds(7200) as happened_at,
    'bill-' || provider || '-' || strftime(period_start, '%Y-%m') as bill_id,
    provider,
    period_start,
    period_end,
    -- Bills differ a little from the list prices; one provider's by more than a reader should
    -- accept.
    cast(
        spend_usd
        * case provider
            when 'anthropic' then 1.115 when 'openai' then 1.012 else 1.0
        end as decimal(14, 2)
    ) as amount,
    'USD' as currency,
    1 as copies
from months
where cast(period_end as timestamp) + to_seconds(7200) < getvariable('until');

-- Names and settings are true from a moment before the first day; changes follow on a day of the
-- set.
create macro before_first(offset_s) as
cast(getvariable('first_day') as timestamp) - to_days(1) + to_seconds(offset_s);

create macro at_share(share, offset_s) as
cast(
    getvariable('first_day')
    + cast(
        floor(share * (getvariable('last_day') - getvariable('first_day'))) as integer
    ) as timestamp
) + to_seconds(offset_s);

create table out_publishers as
with states as (
    select
        publisher_id,
        publisher_name,
        before_first(0) as updated_at
    from publishers
    where publisher_no <> 5
    union all
    select
        'pub-harbor',
        'Harbor and Pine Studio',
        before_first(0)
    union all
    select
        'pub-harbor',
        'Harbor & Pine',
        at_share(0.4, 36000)
)

select
    greatest(cast(updated_at as date), getvariable('first_day')) as delivered_on,
    updated_at as happened_at,
    publisher_id,
    publisher_name,
    stamp(updated_at) as updated_at,
    1 as copies
from states;

create table out_agents as
with current_agents as (
    select
        agents.agent_id,
        agents.agent_name,
        agent_types.agent_type_id,
        agent_types.agent_type_name,
        publishers.publisher_id
    from agents
    inner join agent_types on agents.type_no = agent_types.type_no
    inner join publishers on agents.publisher_no = publishers.publisher_no
),

states as (
    select
        agent_id,
        case agent_id when 'agt-root' then 'IT Root' else agent_name end as agent_name,
        agent_type_id,
        agent_type_name,
        publisher_id,
        before_first(0) as updated_at
    from current_agents
    union all
    -- Renamed in the middle of the set.
    select
        agent_id,
        agent_name,
        agent_type_id,
        agent_type_name,
        publisher_id,
        at_share(0.5, 32400)
    from current_agents
    where agent_id = 'agt-root'
)

select
    greatest(cast(updated_at as date), getvariable('first_day')) as delivered_on,
    updated_at as happened_at,
    agent_id,
    agent_name,
    agent_type_id,
    stamp(updated_at) as updated_at,
    agent_type_name,
    publisher_id,
    1 as copies
from states;

create table out_tenants as
with settings as (
    select
        tenants.*,
        case plan_tier when 'enterprise' then 365 when 'pro' then 90 else 30 end as retention_days,
        tenant_no = 6 as legal_hold,
        case
            when
                tenant_no % 3 > 0
                then
                    cast(
                        case use_case
                            when 'support' then 9.2 when 'sales' then 27.5 else 16
                        end as decimal(10, 2)
                    )
        end
            as cost_per_human_interaction_usd,
        cast(
            case plan_tier when 'enterprise' then 1200 when 'pro' then 290 else 0 end as decimal(
                10, 2
            )
        ) as platform_fee_usd_month,
        case when use_case = 'support' then 400 + 150 * tenant_no end as monthly_call_volume,
        case when use_case = 'sales' then cast(240 + 35 * tenant_no as decimal(10, 2)) end
            as average_deal_value_usd,
        case when use_case = 'support' then cast(0.62 as decimal(4, 2)) end as answer_rate,
        case when use_case = 'support' then cast(0.35 as decimal(4, 2)) end as capture_share,
        case when use_case = 'sales' then cast(0.12 as decimal(4, 2)) end as conversion_rate,
        case when use_case = 'support' then cast(3100 as decimal(10, 2)) end
            as receptionist_cost_usd_month,
        case when use_case = 'support' then cast(0.4 as decimal(4, 2)) end as displaced_share
    from tenants
),

states as (
    select
        * replace (
            case tenant_no when 10 then 'free' else plan_tier end as plan_tier,
            case tenant_no when 11 then 'Thames Lettings' else tenant_name end as tenant_name
        ),
        before_first(0) as updated_at
    from settings
    union all
    -- A change of tier, a new name, and a dearer human interaction.
    select
        *,
        at_share(0.45, 30600)
    from settings
    where tenant_no in (10, 11)
    union all
    select
        * replace (cast(19.5 as decimal(10, 2)) as cost_per_human_interaction_usd),
        at_share(0.6, 30600)
    from settings
    where tenant_no = 8
)

select
    greatest(cast(updated_at as date), getvariable('first_day')) as delivered_on,
    updated_at as happened_at,
    tenant_id,
    tenant_name,
    stamp(updated_at) as updated_at,
    plan_tier,
    retention_days,
    legal_hold,
    time_zone as timezone,
    currency,
    use_case,
    cost_per_human_interaction_usd,
    platform_fee_usd_month,
    monthly_call_volume,
    average_deal_value_usd,
    answer_rate,
    capture_share,
    conversion_rate,
    receptionist_cost_usd_month,
    displaced_share,
    1 as copies
from states;

create table out_budgets as
with months as (
    select distinct strftime(day, '%Y-%m') as month
    from days
),

scopes as (
    select
        'platform' as scope_kind,
        'platform' as scope_id,
        900.00 as amount_usd
    union all
    select
        'tenant',
        tenant_id,
        120.00
    from tenants
    where plan_tier = 'enterprise'
    union all
    select
        'publisher',
        'pub-kestrel',
        500.00
    union all
    select
        'agent',
        'agt-atlas',
        350.00
)

select
    getvariable('first_day') as delivered_on,
    before_first(60) as happened_at,
    scope_kind,
    scope_id,
    month,
    cast(amount_usd as decimal(12, 2)) as amount_usd,
    stamp(before_first(60)) as updated_at,
    1 as copies
from months
cross join scopes;

create table out_goals as
select
    getvariable('first_day') as delivered_on,
    before_first(120) as happened_at,
    scope_kind,
    scope_id,
    metric,
    cast(target as decimal(12, 4)) as target,
    stamp(before_first(120)) as updated_at,
    1 as copies
from (
    values
    ('platform', 'platform', 'message_error_rate', 0.02),
    ('platform', 'platform', 'avg_dau', 150),
    ('tenant', 'ten-aurora', 'p95_response_time_ms', 6000),
    ('publisher', 'pub-volna', 'average_rating', 4.0)
) as rows (scope_kind, scope_id, metric, target);

create table out_experiments as
select
    cast(started_at as date) as delivered_on,
    started_at as happened_at,
    'exp-deal-desk-2' as experiment_id,
    'agt-deal-desk' as agent_id,
    '2.0.0' as version_a,
    '2.1.0' as version_b,
    stamp(started_at) as started_at,
    stamp(started_at) as updated_at,
    cast(null as varchar) as ended_at,
    cast(0.5 as decimal(4, 2)) as split_a,
    1 as copies
from (
    select cast(day as timestamp) + to_seconds(1200) as started_at
    from days
    where day_no = (select max(day_no) + 1 from days) // 2
) as starts
where started_at < getvariable('until');

create table out_report_subscriptions as
with scopes as (
    select
        'platform' as scope_kind,
        'platform' as scope_id,
        ['operations@example.com', 'board@example.com'] as recipients,
        cast(null as varchar) as timezone
    union all
    select
        'publisher',
        publisher_id,
        [replace(publisher_id, 'pub-', '') || '@example.com'],
        null
    from publishers
    union all
    select
        'tenant',
        tenant_id,
        [replace(tenant_id, 'ten-', '') || '@example.com'],
        time_zone
    from tenants
)

select
    getvariable('first_day') as delivered_on,
    before_first(180) as happened_at,
    'sub-' || scope_id || '-' || frequency as subscription_id,
    scope_kind,
    scope_id,
    frequency,
    ['pdf', 'csv'] as formats,
    recipients,
    stamp(before_first(180)) as updated_at,
    timezone,
    -- The tenant that left has stopped its mail.
    scope_id <> 'ten-quiet' as is_active,
    1 as copies
from scopes
cross join (values ('weekly'), ('monthly')) as frequencies (frequency);

create table out_alert_rules as
select
    getvariable('first_day') as delivered_on,
    before_first(240) as happened_at,
    rule,
    scope_kind,
    scope_id,
    stamp(before_first(240)) as updated_at,
    cast(threshold as decimal(12, 4)) as threshold,
    window_minutes,
    min_samples,
    channels,
    is_active,
    cast(null as varchar) as muted_until,
    1 as copies
from (
    values
    ('high_error_rate', 'platform', 'platform', 0.03, 60, 50, ['email'], true),
    ('high_error_rate', 'tenant', 'ten-aurora', 0.05, 60, 20, ['email', 'slack'], true),
    ('high_error_rate', 'publisher', 'pub-kestrel', 0.1, 240, 5, ['email'], true),
    ('slow_responses', 'tenant', 'ten-dalton', 9000, 30, 20, ['email'], false),
    ('slow_responses', 'publisher', 'pub-kestrel', 6000, 240, 5, ['email', 'pagerduty'], true),
    ('daily_cost', 'tenant', 'ten-aurora', 0.1, null, null, ['email'], true),
    ('low_daily_users', 'publisher', 'pub-kestrel', 8, null, null, ['email'], true),
    ('high_toxicity_rate', 'tenant', 'ten-aurora', 0.005, 10080, 20, ['email'], true)
) as rows (rule, scope_kind, scope_id, threshold, window_minutes, min_samples, channels, is_active);
