{#
    Health of the platform's services, the same under every scope (D-61). It is computed once per
    distinct span of time and then given to each window.
#}

{# Seconds (a decimal) as whole microseconds. #}
{% macro whole_microseconds(seconds) -%}
    cast(cast({{ seconds }} as decimal(38, 6)) * 1000000 as bigint)
{%- endmacro %}

{# Requests per minute of a group of health samples, over the seconds that they counted requests in. #}
{% macro counted_per_minute() -%}
    {{ safe_divide('sum(requests) * 60', 'sum(interval_s) filter (where requests is not null)') }}
{%- endmacro %}

{# Parts of a span in which something was down, merged where they overlap: seconds per span. #}
{% macro downtime_by_span(intervals) -%}
    select
        merged.start_at,
        merged.end_at,
        sum({{ seconds_between('merged.down_from', 'merged.down_to') }}) as downtime_s
    from (
        select
            start_at,
            end_at,
            island,
            min(down_from) as down_from,
            max(down_to) as down_to
        from (
            select
                start_at,
                end_at,
                down_from,
                down_to,
                sum(case when down_from <= reached_before then 0 else 1 end) over (
                    partition by start_at, end_at order by down_from, down_to
                    rows between unbounded preceding and current row
                ) as island
            from (
                select
                    start_at,
                    end_at,
                    down_from,
                    down_to,
                    max(down_to) over (
                        partition by start_at, end_at order by down_from, down_to
                        rows between unbounded preceding and 1 preceding
                    ) as reached_before
                from {{ intervals }}
            ) as reached
        ) as numbered
        group by start_at, end_at, island
    ) as merged
    group by merged.start_at, merged.end_at
{%- endmacro %}

{#
    One row per window. Uptime comes from incidents when any incident was ever reported (an
    incident without an end lasts to the end of the window), else from failed health checks, each
    of which counts until the service's next check and at most for its own interval (X-23);
    without either it is NULL.
#}
{% macro health_summary_sql(windows) -%}
    with spans as (
        select distinct
            windows.start_at,
            windows.end_at
        from {{ windows }} as windows
        where windows.end_at > windows.start_at
    ),

    incidents as (
        select * from {{ ref('fct_incidents') }}
    ),

    checks as (
        select
            samples.*,
            least(
                {{ timestamp_add_seconds('samples.sampled_at', 'samples.interval_s') }},
                coalesce(
                    lead(samples.sampled_at) over (
                        partition by samples.source_name, samples.service order by samples.sampled_at
                    ),
                    {{ timestamp_add_seconds('samples.sampled_at', 'samples.interval_s') }}
                )
            ) as valid_to
        from {{ ref('fct_health_samples') }} as samples
    ),

    incident_count as (
        select count(*) as reported_count from incidents
    ),

    incident_intervals as (
        select
            spans.start_at,
            spans.end_at,
            incidents.is_maintenance,
            greatest(incidents.started_at, spans.start_at) as down_from,
            least(coalesce(incidents.ended_at, spans.end_at), spans.end_at) as down_to
        from spans
        inner join incidents
            on incidents.started_at < spans.end_at
            and (incidents.ended_at is null or incidents.ended_at > spans.start_at)
    ),

    unannounced_intervals as (
        select
            start_at,
            end_at,
            down_from,
            down_to
        from incident_intervals
        where not coalesce(is_maintenance, false)
    ),

    failed_check_intervals as (
        select
            spans.start_at,
            spans.end_at,
            greatest(checks.sampled_at, spans.start_at) as down_from,
            least(checks.valid_to, spans.end_at) as down_to
        from spans
        inner join checks
            on checks.sampled_at < spans.end_at
            and checks.valid_to > spans.start_at
        where not checks.is_up
    ),

    incident_downtime as (
        {{ downtime_by_span('incident_intervals') }}
    ),

    unannounced_downtime as (
        {{ downtime_by_span('unannounced_intervals') }}
    ),

    check_downtime as (
        {{ downtime_by_span('failed_check_intervals') }}
    ),

    incidents_by_span as (
        select
            start_at,
            end_at,
            count(*) as incident_count
        from incident_intervals
        group by start_at, end_at
    ),

    check_rows as (
        select
            spans.start_at,
            spans.end_at,
            checks.*,
            {{ safe_divide('checks.requests * 60', 'checks.interval_s') }} as requests_per_minute
        from spans
        inner join checks
            on checks.sampled_at >= spans.start_at
            and checks.sampled_at < spans.end_at
    ),

    samples_by_span as (
        select
            start_at,
            end_at,
            count(*) as health_sample_count,
            count(is_up) as health_check_count,
            count(requests) as request_sample_count,
            {{ measure_columns('fct_health_samples') }},
            max(queue_depth) as max_queue_depth,
            {{ percentile_cont('queue_depth', 0.95) }} as p95_queue_depth,
            max({{ safe_divide('requests_per_minute', 'capacity_rpm') }}) as capacity_utilisation
        from check_rows
        group by start_at, end_at
    ),

    {# A service may be sampled more than once a minute: its rate is of the requests and the seconds of them all. -#}
    service_minutes as (
        select
            start_at,
            end_at,
            {{ timestamp_floor('sampled_at', 60) }} as minute_at,
            {{ counted_per_minute() }} as requests_per_minute,
            max(capacity_rpm) as capacity_rpm
        from check_rows
        group by start_at, end_at, source_name, service, {{ timestamp_floor('sampled_at', 60) }}
    ),

    {# The platform's load is that of its services together. -#}
    minutes as (
        select
            start_at,
            end_at,
            minute_at,
            sum(requests_per_minute) as requests_per_minute,
            sum(capacity_rpm) as capacity_rpm
        from service_minutes
        group by start_at, end_at, minute_at
    ),

    mean_loads as (
        select
            service_loads.start_at,
            service_loads.end_at,
            sum(service_loads.requests_per_minute) as requests_per_minute
        from (
            select
                start_at,
                end_at,
                {{ counted_per_minute() }} as requests_per_minute
            from check_rows
            group by start_at, end_at, source_name, service
        ) as service_loads
        group by service_loads.start_at, service_loads.end_at
    ),

    ranked_minutes as (
        select
            minutes.*,
            row_number() over (
                partition by start_at, end_at
                order by requests_per_minute desc, minute_at
            ) as place
        from minutes
        where requests_per_minute is not null
    ),

    capacity_by_span as (
        select
            start_at,
            end_at,
            max(capacity_rpm) as capacity_rpm
        from minutes
        group by start_at, end_at
    ),

    based as (
        select
            spans.start_at,
            spans.end_at,
            {{ seconds_between('spans.start_at', 'spans.end_at') }} as window_s,
            case
                when incident_count.reported_count > 0 then 'incidents'
                when samples_by_span.health_check_count > 0 then 'health_checks'
            end as uptime_basis
        from spans
        cross join incident_count
        left join samples_by_span
            on spans.start_at = samples_by_span.start_at
            and spans.end_at = samples_by_span.end_at
    ),

    downtime as (
        select
            based.*,
            case
                when based.uptime_basis = 'incidents' then coalesce(incident_downtime.downtime_s, 0)
                when based.uptime_basis = 'health_checks' then coalesce(check_downtime.downtime_s, 0)
            end as downtime_s,
            case
                when based.uptime_basis = 'incidents' then coalesce(unannounced_downtime.downtime_s, 0)
                when based.uptime_basis = 'health_checks' then coalesce(check_downtime.downtime_s, 0)
            end as unannounced_downtime_s
        from based
        left join incident_downtime
            on based.start_at = incident_downtime.start_at
            and based.end_at = incident_downtime.end_at
        left join unannounced_downtime
            on based.start_at = unannounced_downtime.start_at
            and based.end_at = unannounced_downtime.end_at
        left join check_downtime
            on based.start_at = check_downtime.start_at
            and based.end_at = check_downtime.end_at
    )

    select
        windows.window_key,
        downtime.uptime_basis,
        cast(downtime.window_s as decimal(18, 6)) as window_s,
        cast(downtime.downtime_s as decimal(18, 6)) as downtime_s,
        {{ safe_divide('downtime.downtime_s', '60') }} as downtime_minutes,
        cast(downtime.unannounced_downtime_s as decimal(18, 6)) as unannounced_downtime_s,
        {{ safe_divide('downtime.window_s - downtime.downtime_s', 'downtime.window_s') }} as uptime,
        {# Truncated, never rounded: 99.995% must not read 100%. -#}
        cast({{ integer_divide(
            whole_microseconds('downtime.window_s - downtime.downtime_s') ~ ' * 10000',
            whole_microseconds('downtime.window_s')
        ) }} * cast(0.01 as decimal(3, 2)) as decimal(5, 2)) as uptime_percent,
        {{ safe_divide(
            'downtime.window_s - downtime.unannounced_downtime_s',
            'downtime.window_s'
        ) }} as uptime_excluding_maintenance,
        case
            when downtime.uptime_basis = 'incidents' then coalesce(incidents_by_span.incident_count, 0)
        end as incident_count,
        {{ counts_or_zero(
            ['health_sample_count', 'request_sample_count', 'requests', 'failed_requests'],
            'samples_by_span'
        ) }},
        samples_by_span.request_success_rate,
        samples_by_span.request_error_rate,
        {{ counts_or_zero(['queue_sample_count'], 'samples_by_span') }},
        cast(samples_by_span.max_queue_depth as bigint) as max_queue_depth,
        samples_by_span.avg_queue_depth,
        samples_by_span.p95_queue_depth,
        samples_by_span.zero_queue_share,
        mean_loads.requests_per_minute as avg_rpm,
        ranked_minutes.requests_per_minute as peak_rpm,
        ranked_minutes.minute_at as peak_minute_at,
        cast(capacity_by_span.capacity_rpm as bigint) as capacity_rpm,
        samples_by_span.capacity_utilisation
    from {{ windows }} as windows
    left join downtime
        on windows.start_at = downtime.start_at
        and windows.end_at = downtime.end_at
    left join incidents_by_span
        on windows.start_at = incidents_by_span.start_at
        and windows.end_at = incidents_by_span.end_at
    left join samples_by_span
        on windows.start_at = samples_by_span.start_at
        and windows.end_at = samples_by_span.end_at
    left join mean_loads
        on windows.start_at = mean_loads.start_at
        and windows.end_at = mean_loads.end_at
    left join capacity_by_span
        on windows.start_at = capacity_by_span.start_at
        and windows.end_at = capacity_by_span.end_at
    left join ranked_minutes
        on windows.start_at = ranked_minutes.start_at
        and windows.end_at = ranked_minutes.end_at
        and ranked_minutes.place = 1
{%- endmacro %}
