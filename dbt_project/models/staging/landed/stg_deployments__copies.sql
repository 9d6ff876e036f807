with landed as (
    select *
    from {{ source('raw', 'deployments') }}
),

final as (
    select
        deployment_id as row_key,
        source_name,
        agent_id,
        event_date,
        load_id,
        row_hash
    from landed
)

select *
from final
