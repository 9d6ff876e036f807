{{ config(
    materialized='incremental',
    incremental_strategy='append',
    on_schema_change='fail',
) }}

with landed as (
    select *
    from {{ source('raw', 'instance_samples') }}
    where {{ is_newly_landed('instance_samples', once=true) }}
),

final as (
    select
        {{ hash_key(['agent_type_id', 'tenant_id', 'timestamp']) }} as row_key,
        source_name,
        agent_type_id,
        tenant_id,
        running_instances,
        timestamp as event_at,
        event_date,
        load_id,
        row_number,
        row_hash
    from landed
)

select *
from final
