with
{{ counted_copies(
    ref('stg_instance_samples__copies'),
    ref('stg_instance_samples__repeated_keys'),
    'row_key', 'row_key', 'event_at',
) }},

final as (
    select
        {{ hash_key([
            'source_name', 'agent_type_id', 'tenant_id', 'event_at',
        ]) }} as instance_sample_key,
        source_name,
        {{ entity_key('source_name', 'agent_type_id') }} as agent_type_key,
        agent_type_id,
        {{ entity_key('source_name', 'tenant_id') }} as tenant_key,
        tenant_id,
        running_instances,
        event_at as sampled_at,
        event_date,
        load_id,
        row_hash
    from counted_copies
)

select *
from final
