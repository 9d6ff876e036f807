{{ config(
    materialized='incremental',
    incremental_strategy='append',
    on_schema_change='fail',
) }}

with landed as (
    select *
    from {{ source('raw', 'conversations') }}
    where {{ is_newly_landed('conversations', once=true) }}
),

final as (
    select
        conversation_id as row_key,
        source_name,
        conversation_id,
        tenant_id,
        agent_id,
        user_id,
        status,
        satisfaction_score,
        escalated,
        created_at,
        ended_at,
        updated_at,
        event_date,
        load_id,
        row_number,
        row_hash
    from landed
)

select *
from final
