{{ config(materialized='incremental', incremental_strategy='replace_dates') }}

with audits as (
    select *
    from {{ ref('stg_audit_events') }}
    where {{ in_pending_dates('event_date') }}
),

redactions as (
    select
        fct_pii_redactions.audit_key,
        sum(fct_pii_redactions.redaction_count) as pii_redaction_count
    from {{ ref('fct_pii_redactions') }} as fct_pii_redactions
    where {{ in_pending_dates('fct_pii_redactions.event_date') }}
    group by fct_pii_redactions.audit_key
),

final as (
    select
        audits.audit_key,
        audits.source_name,
        audits.event_date,
        audits.audited_at,
        audits.agent_key,
        agents.agent_type_key,
        audits.tenant_key,
        agents.publisher_key,
        audits.audit_id,
        audits.invocation_key,
        coalesce(audits.invocation_key, audits.audit_key) as message_key,
        audits.toxicity_score,
        coalesce(audits.is_toxic, audits.toxicity_score >= {{ setting('toxicity_threshold') }})
            as is_toxic,
        cast(coalesce(redactions.pii_redaction_count, 0) as bigint) as pii_redaction_count,
        coalesce(redactions.pii_redaction_count, 0) > 0 as has_pii
    from audits
    left join redactions
        on audits.audit_key = redactions.audit_key
    left join {{ ref('dim_agents_history') }} as agents
        on {{ agent_valid_at('agents', 'audits.agent_key', 'audits.audited_at') }}
)

select * from final
