with landed as (
    select *
    from {{ source('raw', 'llm_calls') }}
),

final as (
    select
        llm_call_id as row_key,
        source_name,
        invocation_id,
        span_id,
        parent_span_id,
        event_date,
        load_id,
        row_hash
    from landed
)

select *
from final
