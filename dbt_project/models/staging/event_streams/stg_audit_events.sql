with
{{ counted_copies(
    source('raw', 'audit_events'),
    ref('stg_audit_events__repeated_keys'),
    'audit_id', 'audit_id',
) }},

final as (
    select
        {{ entity_key('source_name', 'audit_id') }} as audit_key,
        source_name,
        audit_id,
        {{ entity_key('source_name', 'tenant_id') }} as tenant_key,
        tenant_id,
        {{ entity_key('source_name', 'agent_id') }} as agent_key,
        agent_id,
        {{ entity_key('source_name', 'invocation_id') }} as invocation_key,
        invocation_id,
        toxicity_score,
        is_toxic,
        pii_redactions,
        timestamp as audited_at,
        event_date,
        load_id,
        row_hash
    from counted_copies
)

select *
from final
