{{ config(materialized='incremental', incremental_strategy='replace_dates') }}

with ratings as (
    select
        agent_events.*,
        agents.agent_type_key
    from {{ ref('stg_agent_events') }} as agent_events
    left join {{ ref('dim_agents_history') }} as agents
        on {{ agent_valid_at('agents', 'agent_events.agent_key', 'agent_events.event_at') }}
    where
        {{ in_pending_dates('agent_events.event_date') }}
        and agent_events.event_type = 'user_feedback'
),

-- The answer rated: the last one before the rating, for a retry replaces what came before it; a
-- rating that a clock put before every answer is about the first.
ranked_answers as (
    select
        ratings.event_key,
        answers.responded_at,
        row_number() over (
            partition by ratings.event_key
            order by
                case when answers.responded_at <= ratings.event_at then 1 else 2 end asc,
                case
                    when answers.responded_at <= ratings.event_at then answers.responded_at
                end desc,
                answers.responded_at asc,
                answers.invocation_event_key asc
        ) as answer_rank
    from ratings
    inner join {{ ref('fct_invocations') }} as answers
        on ratings.invocation_key = answers.invocation_key
),

timed_ratings as (
    select
        ratings.*,
        coalesce(ranked_answers.responded_at, ratings.event_at) as load_at,
        ranked_answers.responded_at is not null as is_linked
    from ratings
    left join ranked_answers
        on
            ratings.event_key = ranked_answers.event_key
            and ranked_answers.answer_rank = 1
),

moments as (
    select distinct
        timed_ratings.source_name,
        timed_ratings.agent_type_key,
        timed_ratings.tenant_key,
        timed_ratings.load_at
    from timed_ratings
),

moment_span as (
    select
        cast(min(moments.load_at) as date) as first_date,
        max(moments.load_at) as last_at
    from moments
),

-- Only invocations whose time under way can reach one of the moments.
timed_invocations as (
    select
        invocations.agent_type_key,
        invocations.responded_at,
        invocations.duration_ms
    from {{ ref('fct_invocations') }} as invocations
    cross join moment_span
    where
        invocations.duration_ms is not null
        and invocations.agent_type_key is not null
        and invocations.event_date >= moment_span.first_date
        and moment_span.last_at >= {{ invocation_started_at(
            'invocations.responded_at', 'invocations.duration_ms'
        ) }}
),

{{ gauge_at_moments('gauges', 'moments', ref('fct_instance_samples')) }},

{{ in_flight_at_moments('in_flight', 'moments', 'timed_invocations') }},

final as (
    select
        timed_ratings.event_key as feedback_key,
        timed_ratings.source_name,
        timed_ratings.event_date,
        timed_ratings.event_at as rated_at,
        timed_ratings.agent_key,
        timed_ratings.agent_type_key,
        timed_ratings.tenant_key,
        timed_ratings.publisher_key,
        timed_ratings.event_id,
        timed_ratings.invocation_key,
        timed_ratings.conversation_key,
        timed_ratings.user_key,
        timed_ratings.rating,
        coalesce(timed_ratings.has_comment, false) as has_comment,
        timed_ratings.load_at,
        gauges.running_instances,
        coalesce(load_bands.load_band, 'unknown') as load_band,
        coalesce(gauges.load_basis, 'none') as load_basis,
        -- An answer is under way at its own moment: none there means that durations are not known.
        cast(
            case
                when timed_ratings.is_linked then nullif(in_flight.in_flight_count, 0)
                else in_flight.in_flight_count
            end as bigint
        ) as in_flight_count
    from timed_ratings
    left join gauges
        on
            timed_ratings.source_name = gauges.source_name
            and timed_ratings.agent_type_key = gauges.agent_type_key
            and timed_ratings.tenant_key = gauges.tenant_key
            and timed_ratings.load_at = gauges.load_at
    left join {{ ref('load_bands') }} as load_bands
        on
            gauges.running_instances >= load_bands.min_instances
            and (
                load_bands.max_instances is null
                or gauges.running_instances <= load_bands.max_instances
            )
    left join in_flight
        on
            timed_ratings.agent_type_key = in_flight.agent_type_key
            and timed_ratings.load_at = in_flight.load_at
)

select * from final
