with states as (
    select *
    from {{ ref('stg_agents__history') }}
),

final as (
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
        updated_at,
        load_id,
        row_hash
    from states
    where is_current
)

select *
from final
