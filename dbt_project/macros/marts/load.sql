{#
    How agents do while few or many of their type run, and how long instances ran.

    Belongs here: outcomes of answers by load, the correlation of ratings with load, hours of instances. Does not belong
    here: ratings by load (feedback.sql), and which gauge sample speaks for a moment (domain/load.sql).
#}

{#
    One row per window, agent type with a message in it, and load band: errors and times of the answers given at that
    load (AG-080). The load of an answer is read as that of a rating of it is (D-19). A type is hidden from a publisher
    with all its bands.
#}
{% macro outcomes_by_load_sql(windows) -%}
    {%- set cell = ['window_key', 'agent_type_key', 'load_band'] -%}
    with invocation_rows as (
        {{ rows_in_windows(ref('fct_invocations'), 'responded_at', windows) }}
    ),

    moments as (
        select distinct
            source_name,
            agent_type_key,
            tenant_key,
            responded_at as load_at
        from invocation_rows
        where agent_type_key is not null
    ),

    {{ gauge_at_moments('gauges', 'moments', ref('fct_instance_samples')) }},

    loaded_rows as (
        select
            invocation_rows.*,
            coalesce(bands.load_band, 'unknown') as load_band
        from invocation_rows
        left join gauges
            on invocation_rows.source_name = gauges.source_name
            and invocation_rows.agent_type_key = gauges.agent_type_key
            and invocation_rows.tenant_key = gauges.tenant_key
            and invocation_rows.responded_at = gauges.load_at
        left join {{ ref('dim_load_bands') }} as bands
            on gauges.running_instances >= bands.min_instances
            and (bands.max_instances is null or gauges.running_instances <= bands.max_instances)
    ),

    band_messages as (
        {{ invocation_measures('loaded_rows', cell) }}
    ),

    types as (
        select
            window_key,
            agent_type_key,
            count(*) as agent_messages,
            count(distinct tenant_key) as active_tenants
        from invocation_rows
        group by window_key, agent_type_key
    ),

    flagged_types as (
        {{ flag_suppressed_cells(
            'types', windows, part_of=['window_key'], size='agent_messages', cell='agent_type_key'
        ) }}
    ),

    measured as (
        select
            flagged_types.window_key,
            flagged_types.agent_type_key,
            flagged_types.is_suppressed as is_type_suppressed,
            bands.load_band,
            bands.instances_range,
            bands.band_order,
            {{ counts_or_zero(
                ['agent_messages', 'errored_count', 'response_time_count', 'llm_latency_count', 'active_tenants'],
                'band_messages'
            ) }},
            band_messages.message_error_rate,
            band_messages.avg_response_time_ms,
            band_messages.p95_response_time_ms,
            band_messages.avg_llm_latency_ms
        from flagged_types
        cross join {{ ref('dim_load_bands') }} as bands
        left join band_messages
            on flagged_types.window_key = band_messages.window_key
            and flagged_types.agent_type_key is not distinct from band_messages.agent_type_key
            and bands.load_band = band_messages.load_band
    ),

    flagged_bands as (
        {{ flag_suppressed_cells(
            'measured',
            windows,
            part_of=['window_key', 'agent_type_key'],
            size='agent_messages',
            cell='load_band'
        ) }}
    ),

    flagged as (
        select
            flagged_bands.window_key,
            flagged_bands.agent_type_key,
            flagged_bands.load_band,
            flagged_bands.instances_range,
            flagged_bands.band_order,
            flagged_bands.agent_messages,
            flagged_bands.errored_count,
            flagged_bands.message_error_rate,
            flagged_bands.response_time_count,
            flagged_bands.avg_response_time_ms,
            flagged_bands.p95_response_time_ms,
            flagged_bands.llm_latency_count,
            flagged_bands.avg_llm_latency_ms,
            flagged_bands.active_tenants,
            flagged_bands.is_suppressed or flagged_bands.is_type_suppressed as is_suppressed
        from flagged_bands
    )

    select
        flagged.window_key,
        flagged.agent_type_key,
        agent_types.agent_type_id,
        agent_types.agent_type_name,
        flagged.load_band,
        flagged.instances_range,
        flagged.band_order,
        {%- for column in [
            'agent_messages',
            'errored_count',
            'message_error_rate',
            'response_time_count',
            'avg_response_time_ms',
            'p95_response_time_ms',
            'llm_latency_count',
            'avg_llm_latency_ms',
            'active_tenants',
        ] %}
        {{ unless_suppressed(column) }},
        {%- endfor %}
        flagged.is_suppressed
    from flagged
    left join {{ ref('dim_agent_types') }} as agent_types
        on flagged.agent_type_key = agent_types.agent_type_key
{%- endmacro %}


{#
    One row per window and agent type with a rating of known load in it: Spearman's rank correlation of the instances that
    ran with the rating, NULL where one of them never differs. Ranks are doubled, so that the mean rank of equal values is
    a whole number and every sum is exact.
#}
{% macro load_correlations_sql(windows) -%}
    {%- set type_of_window = 'partition by rating_rows.window_key, rating_rows.agent_type_key' -%}
    with rating_rows as (
        {{ rows_in_windows(ref('fct_feedback'), 'rated_at', windows) }}
    ),

    {# 0 instances cannot have answered: that load is unknown, as it is for the bands. -#}
    ranked as (
        select
            rating_rows.window_key,
            rating_rows.agent_type_key,
            rating_rows.tenant_key,
            2 * rank() over ({{ type_of_window }} order by rating_rows.running_instances)
            + count(*) over ({{ type_of_window }}, rating_rows.running_instances) as load_rank,
            2 * rank() over ({{ type_of_window }} order by rating_rows.rating)
            + count(*) over ({{ type_of_window }}, rating_rows.rating) as rating_rank
        from rating_rows
        where rating_rows.running_instances > 0
    ),

    summed as (
        select
            window_key,
            agent_type_key,
            count(*) as load_rating_count,
            count(distinct tenant_key) as active_tenants,
            count(*) * sum(load_rank * rating_rank) - sum(load_rank) * sum(rating_rank) as covariation,
            count(*) * sum(load_rank * load_rank) - sum(load_rank) * sum(load_rank) as load_variation,
            count(*) * sum(rating_rank * rating_rank) - sum(rating_rank) * sum(rating_rank) as rating_variation
        from ranked
        group by window_key, agent_type_key
    ),

    measured as (
        select
            summed.*,
            {{ safe_divide(
                'summed.covariation',
                'sqrt(cast(summed.load_variation as double)) * sqrt(cast(summed.rating_variation as double))'
            ) }} as load_rating_correlation
        from summed
    ),

    flagged as (
        {{ flag_suppressed_cells(
            'measured', windows, part_of=['window_key'], size='load_rating_count', cell='agent_type_key'
        ) }}
    )

    select
        flagged.window_key,
        flagged.agent_type_key,
        agent_types.agent_type_id,
        agent_types.agent_type_name,
        {%- for column in ['load_rating_count', 'load_rating_correlation', 'active_tenants'] %}
        {{ unless_suppressed(column) }},
        {%- endfor %}
        flagged.is_suppressed
    from flagged
    left join {{ ref('dim_agent_types') }} as agent_types
        on flagged.agent_type_key = agent_types.agent_type_key
{%- endmacro %}


{#
    One row per window and agent type with samples of running instances in it: the hours that instances ran (AG-108). A
    sample holds until the next one of its gauge, as long as a sample says anything about the load; a gauge is that of
    one tenant's own instances of a type, or of the shared ones. Tenants read their own gauges; a publisher none, and
    neither does a question about one agent: samples know types alone.
#}
{% macro agent_hours_sql(windows) -%}
    {%- set max_age_s = setting('load_sample_max_age_seconds') -%}
    with spans as (
        select
            samples.source_name,
            samples.agent_type_key,
            samples.tenant_key,
            samples.running_instances,
            samples.sampled_at as held_from,
            least(
                {{ timestamp_add_seconds('samples.sampled_at', max_age_s) }},
                coalesce(
                    lead(samples.sampled_at) over (
                        partition by samples.source_name, samples.agent_type_key, samples.tenant_key
                        order by samples.sampled_at, samples.instance_sample_key
                    ),
                    {{ timestamp_add_seconds('samples.sampled_at', max_age_s) }}
                )
            ) as held_to
        from {{ ref('fct_instance_samples') }} as samples
        where
            samples.sampled_at >= (
                select {{ timestamp_add_seconds('min(windows.start_at)', '-1 * ' ~ max_age_s) }}
                from {{ windows }} as windows
            )
            and samples.sampled_at < (select max(windows.end_at) from {{ windows }} as windows)
    ),

    span_rows as (
        select
            windows.window_key,
            spans.agent_type_key,
            cast(spans.running_instances as bigint) * {{ ms_between(
                'greatest(spans.held_from, windows.start_at)', 'least(spans.held_to, windows.end_at)'
            ) }} as instance_ms
        from spans
        inner join {{ windows }} as windows
            on spans.held_from < windows.end_at
            and spans.held_to > windows.start_at
            and (windows.source_name is null or windows.source_name = spans.source_name)
            and (
                windows.scope_kind = 'platform'
                or (windows.scope_kind = 'tenant' and windows.scope_key = spans.tenant_key)
            )
            and windows.agent_key is null
    ),

    hours as (
        select
            window_key,
            agent_type_key,
            {{ safe_divide('sum(instance_ms)', '3600000') }} as agent_hours
        from span_rows
        group by window_key, agent_type_key
    )

    select
        hours.window_key,
        hours.agent_type_key,
        agent_types.agent_type_id,
        agent_types.agent_type_name,
        hours.agent_hours
    from hours
    left join {{ ref('dim_agent_types') }} as agent_types
        on hours.agent_type_key = agent_types.agent_type_key
{%- endmacro %}
