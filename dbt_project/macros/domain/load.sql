{#
    How busy an agent type was at a moment. Belongs here: finding the gauge sample that speaks for a moment. Does not belong
    here: the band edges (seeds/reference/load_bands.csv).
#}

{#
    CTE `<name>`: for each row of `moments` (source_name, agent_type_key, tenant_key, load_at) the sample that speaks for
    it: the tenant's own last one if young enough, else the last one without tenant (D-19). Buckets as wide as a sample
    may be old make it an equality join: a sample speaks for moments of its own bucket and the next one only.
#}
{% macro gauge_at_moments(name, moments, samples) -%}
{{ name }}_buckets as (
    select
        moments.*,
        {{ timestamp_floor('moments.load_at', setting('load_sample_max_age_seconds')) }} as sample_bucket
    from {{ moments }} as moments
    union all
    select
        moments.*,
        {{ timestamp_floor(
            timestamp_add_seconds('moments.load_at', '-1 * ' ~ setting('load_sample_max_age_seconds')),
            setting('load_sample_max_age_seconds'),
        ) }} as sample_bucket
    from {{ moments }} as moments
),

{{ name }}_samples as (
    select
        samples.*,
        {{ timestamp_floor('samples.sampled_at', setting('load_sample_max_age_seconds')) }} as sample_bucket
    from {{ samples }} as samples
),

{{ name }}_ranked as (
    select
        moments.source_name,
        moments.agent_type_key,
        moments.tenant_key,
        moments.load_at,
        samples.running_instances,
        case when samples.tenant_key is null then 'shared' else 'tenant' end as load_basis,
        row_number() over (
            partition by moments.source_name, moments.agent_type_key, moments.tenant_key, moments.load_at
            order by case when samples.tenant_key is null then 2 else 1 end, samples.sampled_at desc
        ) as sample_rank
    from {{ name }}_buckets as moments
    inner join {{ name }}_samples as samples
        on
            moments.source_name = samples.source_name
            and moments.agent_type_key = samples.agent_type_key
            and moments.sample_bucket = samples.sample_bucket
            and (samples.tenant_key is null or moments.tenant_key = samples.tenant_key)
    where
        samples.sampled_at <= moments.load_at
        and {{ seconds_between('samples.sampled_at', 'moments.load_at') }} <= {{ setting('load_sample_max_age_seconds') }}
),

{{ name }} as (
    select *
    from {{ name }}_ranked
    where sample_rank = 1
)
{%- endmacro %}

{#
    CTE `<name>`: for each row of `moments` (agent_type_key, load_at) how many invocations of the type were in flight,
    both ends included. One pass over starts, moments and ends in order of time; a join of moments with intervals would grow
    with their product.
#}
{% macro in_flight_at_moments(name, moments, invocations) -%}
{{ name }}_ticks as (
    select distinct moments.agent_type_key, moments.load_at as tick_at, 2 as tick_order, 0 as change
    from {{ moments }} as moments
    where moments.agent_type_key is not null
    union all
    select
        invocations.agent_type_key,
        {{ invocation_started_at('invocations.responded_at', 'invocations.duration_ms') }} as tick_at,
        1 as tick_order,
        1 as change
    from {{ invocations }} as invocations
    union all
    select invocations.agent_type_key, invocations.responded_at as tick_at, 3 as tick_order, -1 as change
    from {{ invocations }} as invocations
),

{{ name }}_running as (
    select
        ticks.agent_type_key,
        ticks.tick_at,
        ticks.tick_order,
        sum(ticks.change) over (
            partition by ticks.agent_type_key
            order by ticks.tick_at, ticks.tick_order
            rows between unbounded preceding and current row
        ) as in_flight_count
    from {{ name }}_ticks as ticks
),

{{ name }} as (
    select
        running.agent_type_key,
        running.tick_at as load_at,
        running.in_flight_count
    from {{ name }}_running as running
    where running.tick_order = 2
)
{%- endmacro %}
