with
{{ counted_copies(
    source('raw', 'llm_calls'),
    ref('stg_llm_calls__repeated_keys'),
    'llm_call_id', 'llm_call_id',
) }},

final as (
    select
        {{ entity_key('source_name', 'llm_call_id') }} as llm_call_key,
        source_name,
        llm_call_id,
        {{ entity_key('source_name', 'invocation_id') }} as invocation_key,
        invocation_id,
        span_id,
        parent_span_id,
        model,
        provider,
        status,
        error_type,
        input_tokens,
        output_tokens,
        cache_read_tokens,
        cache_write_tokens,
        reasoning_tokens,
        latency_ms,
        cost_usd,
        timestamp as called_at,
        event_date,
        load_id,
        row_hash
    from counted_copies
)

select *
from final
