-- The rows of growing streams that wait for their delivery. Belongs here: their shapes alone.

create table out_agent_events (
    delivered_on date, happened_at timestamp,
    id varchar,
    event_type varchar,
    agent_id varchar,
    publisher_id varchar,
    tenant_id varchar,
    timestamp varchar,
    properties json, synthetic boolean, copies integer
);

create table out_llm_calls (
    delivered_on date, happened_at timestamp,
    llm_call_id varchar,
    invocation_id varchar,
    timestamp bigint,
    model varchar,
    provider varchar,
    span_id varchar,
    parent_span_id varchar, input_tokens bigint, output_tokens bigint, cache_read_tokens bigint,
    reasoning_tokens bigint,
    latency_ms bigint,
    cost_usd decimal(18, 9),
    status varchar,
    error_type varchar,
    copies integer
);

create table out_audit_events (
    delivered_on date, happened_at timestamp,
    audit_id varchar, tenant_id varchar, agent_id varchar, timestamp varchar, invocation_id varchar,
    toxicity_score decimal(6, 4), is_toxic boolean, pii_redactions json, copies integer
);

create table out_conversations (
    delivered_on date, happened_at timestamp,
    conversation_id varchar,
    tenant_id varchar,
    agent_id varchar,
    created_at varchar,
    status varchar,
    updated_at varchar,
    user_id varchar,
    ended_at varchar,
    escalated boolean,
    satisfaction_score integer,
    copies integer
);

create table out_tasks (
    delivered_on date, happened_at timestamp,
    task_id varchar,
    tenant_id varchar,
    agent_id varchar,
    status varchar,
    created_at varchar,
    updated_at varchar,
    started_at varchar,
    ended_at varchar,
    attempts integer,
    steps bigint,
    api_calls bigint,
    model varchar,
    input_tokens bigint,
    output_tokens bigint,
    cost_usd decimal(18, 9),
    user_id varchar,
    team_id varchar,
    project_id varchar, copies integer
);

create table out_quality_scores (
    delivered_on date, happened_at timestamp,
    score_id varchar,
    conversation_id varchar,
    tenant_id varchar,
    agent_id varchar,
    dimension varchar,
    score decimal(3, 1), judged_at timestamp, judge_model varchar, copies integer
);

create table out_charges (
    delivered_on date, happened_at timestamp,
    charge_id varchar,
    tenant_id varchar,
    publisher_id varchar,
    agent_id varchar,
    charged_at varchar,
    amount decimal(14, 2),
    currency varchar,
    kind varchar,
    platform_fee decimal(14, 2),
    service_start date,
    service_end date, copies integer
);

create table provider_spend (day date, provider varchar, spend_usd decimal(38, 9));
