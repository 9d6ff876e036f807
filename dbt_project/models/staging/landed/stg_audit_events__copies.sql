{{ config(
    materialized='incremental',
    incremental_strategy='append',
    on_schema_change='fail',
) }}

with landed as (
    select *
    from {{ source('raw', 'audit_events') }}
    where {{ is_newly_landed('audit_events', once=true) }}
),

final as (
    select
        audit_id as row_key,
        source_name,
        agent_id,
        timestamp as event_at,
        event_date,
        load_id,
        row_number,
        row_hash
    from landed
)

select *
from final
