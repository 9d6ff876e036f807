with run_context as (
    select * from {{ ref('stg_run_context') }}
),

tenants as (
    select * from {{ ref('dim_tenants') }}
),

publishers as (
    select * from {{ ref('dim_publishers') }}
),

scopes as (
    select
        'platform' as scope_kind,
        'platform' as scope_id,
        cast(null as {{ dbt.type_string() }}) as source_name,
        '*' as scope_key,
        'platform' as scope_text,
        run_context.platform_time_zone as time_zone
    from run_context

    union all

    select
        'tenant' as scope_kind,
        tenants.tenant_id as scope_id,
        tenants.source_name,
        tenants.tenant_key as scope_key,
        'tenant:' || tenants.tenant_key as scope_text,
        coalesce(tenants.time_zone, run_context.platform_time_zone) as time_zone
    from tenants
    cross join run_context

    union all

    select
        'publisher' as scope_kind,
        publishers.publisher_id as scope_id,
        publishers.source_name,
        publishers.publisher_key as scope_key,
        'publisher:' || publishers.publisher_key as scope_text,
        run_context.platform_time_zone as time_zone
    from publishers
    cross join run_context
),

zones as (
    select distinct
        scopes.time_zone,
        run_context.as_of,
        {{ local_date('run_context.as_of', 'scopes.time_zone') }} as today
    from scopes
    cross join run_context
),

-- Dates come first and instants after: a local day of 23 or 25 hours is still one day.
anchors as (
    select
        zones.*,
        {{ date_of_trunc('week', 'zones.today') }} as this_monday,
        {{ date_of_trunc('month', 'zones.today') }} as first_of_month
    from zones
),

steps as (
    select
        0 as steps_back,
        false as is_previous
    union all
    select
        1 as steps_back,
        true as is_previous
),

dated as (
    select
        anchors.time_zone,
        anchors.as_of,
        '7d' as window_kind,
        steps.is_previous,
        {{ date_add_days('anchors.today', '-7 * (steps.steps_back + 1)') }} as start_local,
        {{ date_add_days('anchors.today', '-7 * steps.steps_back') }} as end_local
    from anchors
    cross join steps

    union all

    select
        anchors.time_zone,
        anchors.as_of,
        '30d' as window_kind,
        steps.is_previous,
        {{ date_add_days('anchors.today', '-30 * (steps.steps_back + 1)') }} as start_local,
        {{ date_add_days('anchors.today', '-30 * steps.steps_back') }} as end_local
    from anchors
    cross join steps

    union all

    select
        anchors.time_zone,
        anchors.as_of,
        'weekly' as window_kind,
        steps.is_previous,
        {{ date_add_days('anchors.this_monday', '-7 * (steps.steps_back + 1)') }} as start_local,
        {{ date_add_days('anchors.this_monday', '-7 * steps.steps_back') }} as end_local
    from anchors
    cross join steps

    union all

    select
        anchors.time_zone,
        anchors.as_of,
        'monthly' as window_kind,
        steps.is_previous,
        {{ date_add_months('anchors.first_of_month', '-(steps.steps_back + 1)') }} as start_local,
        {{ date_add_months('anchors.first_of_month', '-steps.steps_back') }} as end_local
    from anchors
    cross join steps
),

spans as (
    select
        dated.*,
        {{ to_utc_timestamp('dated.start_local', 'dated.time_zone') }} as start_at,
        {{ to_utc_timestamp('dated.end_local', 'dated.time_zone') }} as whole_end_at
    from dated
),

windows as (
    select
        scopes.scope_text
        || '/'
        || spans.window_kind
        || '/'
        || {{ format_date('spans.start_local') }}
            as window_key,
        scopes.scope_kind,
        scopes.scope_id,
        scopes.source_name,
        scopes.scope_key,
        cast(null as {{ dbt.type_string() }}) as agent_key,
        scopes.time_zone,
        spans.window_kind,
        spans.is_previous,
        spans.start_local,
        spans.end_local,
        spans.start_at,
        least(spans.whole_end_at, spans.as_of) as end_at,
        spans.whole_end_at > spans.as_of as is_partial
    from scopes
    inner join spans
        on scopes.time_zone = spans.time_zone
),

final as (
    select
        windows.window_key,
        windows.scope_kind,
        windows.scope_id,
        windows.source_name,
        windows.scope_key,
        windows.agent_key,
        windows.time_zone,
        windows.window_kind,
        windows.is_previous,
        previous_windows.window_key as previous_window_key,
        windows.start_local,
        windows.end_local,
        windows.start_at,
        windows.end_at,
        windows.is_partial
    from windows
    left join windows as previous_windows
        on
            windows.scope_kind = previous_windows.scope_kind
            and windows.scope_key = previous_windows.scope_key
            and windows.window_kind = previous_windows.window_kind
            and not windows.is_previous
            and previous_windows.is_previous
)

select * from final
