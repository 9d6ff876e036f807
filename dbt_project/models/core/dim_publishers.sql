with states as (
    select *
    from {{ ref('stg_publishers') }}
),

seen as (
    select
        source_name,
        publisher_id
    from {{ ref('stg_owners_seen') }}
    where publisher_id is not null
    union
    select
        source_name,
        publisher_id
    from {{ ref('stg_agents__history') }}
    where publisher_id is not null
    union
    select
        source_name,
        publisher_id
    from states
),

final as (
    select
        {{ entity_key('seen.source_name', 'seen.publisher_id') }} as publisher_key,
        seen.source_name,
        seen.publisher_id,
        coalesce(states.publisher_name, seen.publisher_id) as publisher_name,
        states.publisher_key is null as is_inferred
    from seen
    left join states
        on
            seen.source_name = states.source_name
            and seen.publisher_id = states.publisher_id
)

select *
from final
