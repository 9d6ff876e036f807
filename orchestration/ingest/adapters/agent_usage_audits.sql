-- The audit service's table beside `agent_usage_events`: a row per response, or per response and kind of
-- personal data that was redacted in it.
--
-- adapter: agent_usage_audits
-- version: 1
-- fields: audit_id, id, response_id, created_at, timestamp as audited_at
-- fields: customer_id, agent_id, toxicity_score, is_toxic, entity_type, entity_count, pii_counts
-- private: text, content, excerpt, matched_text
--
-- Each row is an audit of its own, so rows of one response may come in any file: redactions add up, and a
-- message is toxic if any of its audits says so. A row without response_id is a message of its own; nothing is
-- joined by time.
--
-- stream: audit_events
select
    row_number,
    coalesce(
        nullif(audit_id::varchar, ''),
        nullif(id::varchar, ''),
        response_id::varchar || ':' || coalesce(nullif(entity_type, ''), 'audit')
    ) as audit_id,
    customer_id::varchar as tenant_id,
    agent_id::varchar as agent_id,
    coalesce(nullif(audited_at::varchar, ''), created_at::varchar) as "timestamp",
    response_id::varchar as invocation_id,
    toxicity_score::varchar as toxicity_score,
    is_toxic::varchar as is_toxic,
    case
        when nullif(entity_type, '') is not null
            then json_object(entity_type, coalesce(nullif(entity_count::varchar, ''), '1'))::varchar
        else nested_text(pii_counts)
    end as pii_redactions
from raw_rows
