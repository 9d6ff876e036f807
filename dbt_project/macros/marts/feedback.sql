{#
    Ratings by window: the totals, by agent type, and by load at the time of the rated answer.

    Belongs here: the SQL of the feedback marts, each formula once. Does not belong here: how a rating finds its load
    (fct_feedback), which rows a window holds and which cells are hidden (macros/windows).
#}

{# Of ratings: rows of fct_feedback. #}
{% macro rating_measures(rows, keys) -%}
    select
        {{ keys | join(', ') }},
        {{ measure_columns('fct_feedback') }},
        {{ integer_sum('rating') }} as rating_total,
        {%- for rating in range(1, 6) %}
        count(*) filter (where rating = {{ rating }}) as rating_{{ rating }}_count,
        {%- endfor %}
        count(distinct tenant_key) as rating_tenants
    from {{ rows }}
    group by {{ keys | join(', ') }}
{%- endmacro %}

{# The columns of a distribution of ratings: all five, whether given or not (AG-070). #}
{% macro rating_columns() -%}
    {{ return(['rating_1_count', 'rating_2_count', 'rating_3_count', 'rating_4_count', 'rating_5_count']) }}
{%- endmacro %}


{# One row per window. #}
{% macro feedback_summary_sql(windows) -%}
    with rating_rows as (
        {{ rows_in_windows(ref('fct_feedback'), 'rated_at', windows) }}
    ),

    invocation_rows as (
        {{ rows_in_windows(ref('fct_invocations'), 'responded_at', windows) }}
    ),

    ratings as (
        {{ rating_measures('rating_rows', ['window_key']) }}
    ),

    agent_messages as (
        {{ invocation_measures('invocation_rows', ['window_key']) }}
    )

    select
        windows.window_key,
        {{ counts_or_zero(['feedback_count'], 'ratings') }},
        ratings.avg_rating,
        {{ counts_or_zero(rating_columns() + ['comment_count'], 'ratings') }},
        {{ counts_or_zero(['agent_messages'], 'agent_messages') }},
        {{ quotient('feedback_response_rate', {
            'feedback_count': 'coalesce(ratings.feedback_count, 0)',
            'agent_messages': 'agent_messages.agent_messages',
        }) }} as feedback_response_rate
    from {{ windows }} as windows
    left join ratings
        on windows.window_key = ratings.window_key
    left join agent_messages
        on windows.window_key = agent_messages.window_key
{%- endmacro %}


{# The CTE `ratings` by window and agent type, with is_suppressed. #}
{% macro flagged_rated_types(windows) -%}
    {{ flag_suppressed_cells(
        'ratings',
        windows,
        part_of=['window_key'],
        size='feedback_count',
        cell='agent_type_key',
        tenants='rating_tenants'
    ) }}
{%- endmacro %}


{#
    One row per window, agent type with ratings, and load band, whether rated there or not; last the ratings whose load
    is unknown, which no band may absorb. `drop_from_low` is the fall of the mean against the lowest band, as one
    quotient of whole numbers: a difference of two means would miss a fall of exactly the threshold.

    A publisher sees no band of an agent type that is hidden itself: the bands would add up to it.
#}
{% macro feedback_by_load_sql(windows) -%}
    with rating_rows as (
        {{ rows_in_windows(ref('fct_feedback'), 'rated_at', windows) }}
    ),

    ratings as (
        {{ rating_measures('rating_rows', ['window_key', 'agent_type_key']) }}
    ),

    band_ratings as (
        {{ rating_measures('rating_rows', ['window_key', 'agent_type_key', 'load_band']) }}
    ),

    flagged_types as (
        {{ flagged_rated_types(windows) }}
    ),

    bands as (
        select
            load_band,
            band_order,
            cast(min_instances as bigint) as min_instances,
            instances_range,
            row_number() over (order by case when min_instances is null then 1 else 0 end, min_instances) = 1 as is_lowest
        from {{ ref('dim_load_bands') }}
    ),

    lowest_bands as (
        select
            band_ratings.window_key,
            band_ratings.agent_type_key,
            band_ratings.feedback_count,
            band_ratings.rating_total,
            band_ratings.avg_rating
        from band_ratings
        inner join bands
            on band_ratings.load_band = bands.load_band
            and bands.is_lowest
    ),

    measured as (
        select
            ratings.window_key,
            ratings.agent_type_key,
            bands.load_band,
            bands.instances_range,
            bands.min_instances,
            bands.band_order,
            bands.is_lowest,
            {{ counts_or_zero(['feedback_count'], 'band_ratings') }},
            band_ratings.avg_rating,
            coalesce(lowest_bands.feedback_count, 0) as low_feedback_count,
            lowest_bands.avg_rating as low_avg_rating,
            case
                when bands.min_instances is not null
                    then {{ safe_divide(
                        'lowest_bands.rating_total * band_ratings.feedback_count'
                        ~ ' - band_ratings.rating_total * lowest_bands.feedback_count',
                        'lowest_bands.feedback_count * band_ratings.feedback_count'
                    ) }}
            end as drop_from_low,
            coalesce(band_ratings.rating_tenants, 0) as active_tenants,
            ratings.is_suppressed as is_type_suppressed
        from flagged_types as ratings
        cross join bands
        left join band_ratings
            on ratings.window_key = band_ratings.window_key
            and ratings.agent_type_key is not distinct from band_ratings.agent_type_key
            and bands.load_band = band_ratings.load_band
        left join lowest_bands
            on ratings.window_key = lowest_bands.window_key
            and ratings.agent_type_key is not distinct from lowest_bands.agent_type_key
    ),

    flagged_bands as (
        {{ flag_suppressed_cells(
            'measured',
            windows,
            part_of=['window_key', 'agent_type_key'],
            size='feedback_count',
            cell='load_band'
        ) }}
    ),

    {# What is said against the lowest band says something of it. -#}
    hidden_lowest_bands as (
        select
            window_key,
            agent_type_key
        from flagged_bands
        where is_lowest and is_suppressed
    ),

    flagged as (
        select
            flagged_bands.window_key,
            flagged_bands.agent_type_key,
            flagged_bands.load_band,
            flagged_bands.instances_range,
            flagged_bands.min_instances,
            flagged_bands.band_order,
            flagged_bands.feedback_count,
            flagged_bands.avg_rating,
            case when hidden_lowest_bands.window_key is null then flagged_bands.low_feedback_count end
                as low_feedback_count,
            case when hidden_lowest_bands.window_key is null then flagged_bands.low_avg_rating end as low_avg_rating,
            case when hidden_lowest_bands.window_key is null then flagged_bands.drop_from_low end as drop_from_low,
            flagged_bands.active_tenants,
            flagged_bands.is_suppressed or flagged_bands.is_type_suppressed as is_suppressed
        from flagged_bands
        left join hidden_lowest_bands
            on flagged_bands.window_key = hidden_lowest_bands.window_key
            and flagged_bands.agent_type_key is not distinct from hidden_lowest_bands.agent_type_key
    )

    select
        flagged.window_key,
        flagged.agent_type_key,
        agent_types.agent_type_id,
        agent_types.agent_type_name,
        flagged.load_band,
        flagged.instances_range,
        flagged.min_instances,
        flagged.band_order,
        {%- for column in [
            'feedback_count', 'avg_rating', 'low_feedback_count', 'low_avg_rating', 'drop_from_low', 'active_tenants'
        ] %}
        {{ unless_suppressed(column) }},
        {%- endfor %}
        flagged.is_suppressed
    from flagged
    left join {{ ref('dim_agent_types') }} as agent_types
        on flagged.agent_type_key = agent_types.agent_type_key
{%- endmacro %}


{#
    One row per window and agent type with ratings. `rating_degrades_at_load` is the number of running instances from
    which answers are rated worse (AG-091): the lower end of the first band whose mean lies at least the rule's
    threshold below that of the lowest band, both with the rule's minimum of ratings. A hidden band concludes nothing.
#}
{% macro feedback_by_agent_type_sql(windows) -%}
    with rating_rows as (
        {{ rows_in_windows(ref('fct_feedback'), 'rated_at', windows) }}
    ),

    ratings as (
        {{ rating_measures('rating_rows', ['window_key', 'agent_type_key']) }}
    ),

    flagged_types as (
        {{ flagged_rated_types(windows) }}
    ),

    bands as (
        {{ feedback_by_load_sql(windows) }}
    ),

    degradations as (
        select
            bands.window_key,
            bands.agent_type_key,
            min(bands.min_instances) as rating_degrades_at_load
        from bands
        inner join {{ ref('insight_rules') }} as rules
            on rules.rule_id = 'rating_degrades_at_load'
            and bands.feedback_count >= rules.min_sample
            and bands.low_feedback_count >= rules.min_sample
            and bands.drop_from_low >= rules.threshold
        group by bands.window_key, bands.agent_type_key
    ),

    flagged as (
        select
            flagged_types.*,
            degradations.rating_degrades_at_load,
            flagged_types.rating_tenants as active_tenants
        from flagged_types
        left join degradations
            on flagged_types.window_key = degradations.window_key
            and flagged_types.agent_type_key is not distinct from degradations.agent_type_key
    )

    select
        flagged.window_key,
        flagged.agent_type_key,
        agent_types.agent_type_id,
        agent_types.agent_type_name,
        {%- for column in ['feedback_count', 'avg_rating'] + rating_columns() + [
            'rating_degrades_at_load', 'active_tenants'
        ] %}
        {{ unless_suppressed(column) }},
        {%- endfor %}
        flagged.is_suppressed
    from flagged
    left join {{ ref('dim_agent_types') }} as agent_types
        on flagged.agent_type_key = agent_types.agent_type_key
{%- endmacro %}
