with landed as (
    select *
    from {{ source('raw', 'instance_samples') }}
),

final as (
    select
        {{ hash_key(['agent_type_id', 'tenant_id', 'timestamp']) }} as row_key,
        source_name,
        timestamp as event_at,
        event_date,
        load_id,
        row_hash
    from landed
)

select *
from final
