with landed as (
    select *
    from {{ ref('stg_instance_samples__copies') }}
),

ranked_copies as (
    select
        *,
        {{ copy_rank(
            ['source_name', 'agent_type_id', 'tenant_id', 'event_at', 'event_date'],
            'event_at',
        ) }} as copy_rank
    from landed
),

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
    from ranked_copies
    where copy_rank = 1
)

select *
from final
