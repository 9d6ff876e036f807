{{ config(
    materialized='incremental',
    incremental_strategy='append',
    on_schema_change='fail',
) }}

with landed as (
    select *
    from {{ source('raw', 'agent_events') }}
    where {{ is_newly_landed('agent_events', once=true) }}
),

final as (
    select
        id as row_key,
        source_name,
        event_type,
        timestamp as event_at,
        agent_id,
        publisher_id,
        coalesce(invocation_id, id) as invocation_id,
        invocation_id is not null as names_invocation,
        task_id,
        duration_ms,
        case when event_type = 'agent_invoked' then tenant_id end as tenant_id,
        case when event_type = 'agent_invoked' then user_id end as user_id,
        case when event_type = 'agent_invoked' then conversation_id end as conversation_id,
        case when event_type = 'agent_invoked' then session_id end as session_id,
        event_date,
        load_id,
        row_number,
        row_hash
    from landed
)

select *
from final
