with states as (
    select *
    from {{ ref('stg_agents__history') }}
),

-- A state holds from its updated_at to the next one's, whatever the order of arrival. The first one
-- also describes what was before it: nothing older is known.
described as (
    select
        agent_key,
        source_name,
        agent_id,
        agent_name,
        agent_type_key,
        agent_type_id,
        agent_type_name,
        publisher_key,
        publisher_id,
        false as is_inferred,
        case
            when row_number() over (partition by agent_key order by updated_at) = 1
                then timestamp '1900-01-01 00:00:00'
            else updated_at
        end as valid_from,
        coalesce(
            lead(updated_at) over (partition by agent_key order by updated_at),
            timestamp '9999-12-31 00:00:00'
        ) as valid_to
    from states
),

-- An agent without a state takes the publisher of its rows when they all name the same one.
undescribed as (
    select
        {{ entity_key('seen.source_name', 'seen.agent_id') }} as agent_key,
        seen.source_name,
        seen.agent_id,
        seen.agent_id as agent_name,
        {{ entity_key('seen.source_name', "'unknown'") }} as agent_type_key,
        'unknown' as agent_type_id,
        'unknown' as agent_type_name,
        case
            when min(seen.publisher_id) = max(seen.publisher_id)
                then {{ entity_key('seen.source_name', 'min(seen.publisher_id)') }}
        end as publisher_key,
        case
            when min(seen.publisher_id) = max(seen.publisher_id) then min(seen.publisher_id)
        end as publisher_id,
        true as is_inferred,
        timestamp '1900-01-01 00:00:00' as valid_from,
        timestamp '9999-12-31 00:00:00' as valid_to
    from {{ ref('stg_owners_seen') }} as seen
    where
        seen.agent_id is not null
        and not exists (
            select 1
            from states
            where
                states.source_name = seen.source_name
                and states.agent_id = seen.agent_id
        )
    group by seen.source_name, seen.agent_id
),

known as (
    select *
    from described
    union all
    select *
    from undescribed
),

final as (
    select
        known.agent_key,
        known.source_name,
        known.agent_id,
        known.agent_name,
        known.agent_type_key,
        known.agent_type_id,
        coalesce(known.agent_type_name, agent_types.agent_type_name) as agent_type_name,
        known.publisher_key,
        known.publisher_id,
        known.is_inferred,
        known.valid_from,
        known.valid_to,
        known.valid_to = timestamp '9999-12-31 00:00:00' as is_current
    from known
    left join {{ ref('dim_agent_types') }} as agent_types
        on known.agent_type_key = agent_types.agent_type_key
)

select *
from final
