{{ config(
    materialized='incremental',
    incremental_strategy='append',
    on_schema_change='fail',
) }}

with landed as (
    select *
    from {{ source('raw', 'llm_calls') }}
    where {{ is_newly_landed('llm_calls', once=true) }}
),

final as (
    select
        llm_call_id as row_key,
        source_name,
        invocation_id,
        span_id,
        parent_span_id,
        coalesce(input_tokens, 0) + coalesce(output_tokens, 0) > 0 or coalesce(cost_usd, 0) > 0
            as has_usage,
        timestamp as event_at,
        event_date,
        load_id,
        row_number,
        row_hash
    from landed
)

select *
from final
