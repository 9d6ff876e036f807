{{ config(
    materialized='incremental',
    incremental_strategy='append',
    on_schema_change='fail',
) }}

with landed as (
    select *
    from {{ source('raw', 'tasks') }}
    where {{ is_newly_landed('tasks', once=true) }}
),

final as (
    select
        task_id as row_key,
        source_name,
        task_id,
        tenant_id,
        agent_id,
        user_id,
        team_id,
        project_id,
        status,
        model,
        attempts,
        steps,
        api_calls,
        input_tokens,
        output_tokens,
        cost_usd,
        created_at,
        started_at,
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
