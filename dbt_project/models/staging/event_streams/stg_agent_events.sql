with
{{ counted_copies(
    source('raw', 'agent_events'),
    ref('stg_agent_events__repeated_keys'),
    'id', 'event_id',
) }},

final as (
    select
        {{ entity_key('source_name', 'id') }} as event_key,
        source_name,
        id as event_id,
        event_type,
        {{ entity_key('source_name', 'agent_id') }} as agent_key,
        agent_id,
        {{ entity_key('source_name', 'publisher_id') }} as publisher_key,
        publisher_id,
        {{ entity_key('source_name', 'tenant_id') }} as tenant_key,
        tenant_id,
        case
            when event_type in ('agent_completed', 'agent_errored')
                then {{ entity_key('source_name', 'coalesce(invocation_id, id)') }}
            else {{ entity_key('source_name', 'invocation_id') }}
        end as invocation_key,
        case
            when event_type in ('agent_completed', 'agent_errored') then coalesce(invocation_id, id)
            else invocation_id
        end as invocation_id,
        {{ entity_key('source_name', 'conversation_id') }} as conversation_key,
        conversation_id,
        session_id,
        {{ entity_key('source_name', 'task_id') }} as task_key,
        task_id,
        {{ user_key_of('source_name', 'tenant_id', 'user_id') }} as user_key,
        user_id,
        instance_id,
        agent_version,
        model,
        provider,
        error_type,
        tool_name,
        tool_call_id,
        tool_calls,
        input_tokens,
        output_tokens,
        cache_read_tokens,
        cache_write_tokens,
        reasoning_tokens,
        llm_latency_ms,
        duration_ms,
        api_calls,
        attempt,
        rating,
        cost_usd,
        has_comment,
        timestamp as event_at,
        event_date,
        load_id,
        row_hash
    from counted_copies
)

select *
from final
