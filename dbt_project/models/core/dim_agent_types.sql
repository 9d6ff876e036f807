with names as (
    select *
    from {{ ref('stg_agents__history') }}
    where agent_type_name is not null
),

seen as (
    select
        source_name,
        agent_type_id
    from {{ ref('stg_agent_types_seen') }}
    where agent_type_id is not null
    union
    -- Agents that no state describes belong to the type 'unknown' of their source.
    select
        source_name,
        'unknown' as agent_type_id
    from {{ ref('stg_owners_seen') }}
),

-- The current name is the one said last by any agent of the type.
ranked_names as (
    select
        agent_type_key,
        agent_type_name,
        row_number() over (
            partition by agent_type_key
            order by updated_at desc, row_hash desc
        ) as name_rank
    from names
),

final as (
    select
        {{ entity_key('seen.source_name', 'seen.agent_type_id') }} as agent_type_key,
        seen.source_name,
        seen.agent_type_id,
        coalesce(ranked_names.agent_type_name, seen.agent_type_id) as agent_type_name
    from seen
    left join ranked_names
        on
            {{ entity_key('seen.source_name', 'seen.agent_type_id') }} = ranked_names.agent_type_key
            and ranked_names.name_rank = 1
)

select *
from final
