{{ config(materialized='incremental', incremental_strategy='replace_dates') }}

with audits as (
    select *
    from {{ ref('stg_audit_events') }}
    where {{ in_pending_dates('event_date') }}
),

redactions as (
    select
        audits.audit_key,
        audits.source_name,
        audits.event_date,
        audits.audited_at,
        audits.agent_key,
        audits.tenant_key,
        audits.invocation_key,
        entities.entity_type,
        entities.redaction_count
    from audits
    {{ join_map('audits.pii_redactions', 'entities', 'entity_type', 'redaction_count') }}
    where entities.redaction_count > 0
),

final as (
    select
        redactions.audit_key || ':' || redactions.entity_type as pii_redaction_key,
        redactions.source_name,
        redactions.event_date,
        redactions.audited_at,
        redactions.agent_key,
        agents.agent_type_key,
        redactions.tenant_key,
        agents.publisher_key,
        redactions.audit_key,
        coalesce(redactions.invocation_key, redactions.audit_key) as message_key,
        redactions.entity_type,
        cast(redactions.redaction_count as bigint) as redaction_count
    from redactions
    left join {{ ref('dim_agents_history') }} as agents
        on {{ agent_valid_at('agents', 'redactions.agent_key', 'redactions.audited_at') }}
)

select * from final
