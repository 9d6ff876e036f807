"""The native extract contract as it was agreed, written down apart from the declarations of the product.

Belongs here: the tables of fields and what breaks each kind. Does not belong here: anything read from
orchestration/contracts, which is what this is compared with.

A line is: ``*`` for a required field or ``.`` for one that may be absent, its name, its kind, and
then its range (``0..5``, either end may be left out) or the values it allows (``a|b``).
"""

from __future__ import annotations

from dataclasses import dataclass

_EVENT_TYPE_NAMES = (
    "agent_invoked|agent_completed|agent_errored|tool_called|tool_failed|user_feedback|install"
    "|uninstall"
)

# name -> (how copies are settled, key, fields)
_STREAMS = {
    "agent_events": (
        "append",
        "id",
        """
        * id id
        * event_type text {event_types}
        * agent_id id
        * publisher_id id
        * tenant_id id
        * timestamp time
        """,
    ),
    "llm_calls": (
        "append",
        "llm_call_id",
        """
        * llm_call_id id
        * invocation_id id
        * timestamp time
        * model text
        . provider text
        . span_id id
        . parent_span_id id
        . input_tokens count 0..
        . output_tokens count 0..
        . cache_read_tokens count 0..
        . cache_write_tokens count 0..
        . reasoning_tokens count 0..
        . latency_ms duration 0..
        . cost_usd money
        . status text
        . error_type text
        """,
    ),
    "audit_events": (
        "append",
        "audit_id",
        """
        * audit_id id
        * tenant_id id
        * agent_id id
        * timestamp time
        . invocation_id id
        . toxicity_score fraction 0..1
        . is_toxic boolean
        . pii_redactions counts
        """,
    ),
    "quality_scores": (
        "append",
        "score_id",
        """
        * score_id id
        * conversation_id id
        * tenant_id id
        * agent_id id
        * dimension text accuracy|helpfulness|tone|completeness
        * score fraction 1..5
        * judged_at time
        . judge_model text
        """,
    ),
    "charges": (
        "append",
        "charge_id",
        """
        * charge_id id
        * tenant_id id
        * publisher_id id
        * agent_id id
        * charged_at time
        * amount money 0..
        * currency text
        * kind text usage|subscription|one_off|refund
        . platform_fee money
        . service_start date
        . service_end date
        """,
    ),
    "provider_bills": (
        "append",
        "bill_id",
        """
        * bill_id id
        * provider text
        * period_start date
        * period_end date
        * amount money
        * currency text
        """,
    ),
    "instance_samples": (
        "append",
        "agent_type_id tenant_id timestamp",
        """
        * agent_type_id id
        * timestamp time
        * running_instances count 0..
        . tenant_id id
        """,
    ),
    "health_samples": (
        "append",
        "service timestamp",
        """
        * service text
        * timestamp time
        . interval_s count 0..
        . is_up boolean
        . requests count 0..
        . failed_requests count 0..
        . queue_depth count 0..
        . capacity_rpm count 0..
        """,
    ),
    "incidents": (
        "upsert",
        "incident_id",
        """
        * incident_id id
        * service text
        * started_at time
        * updated_at time
        . ended_at time
        . is_maintenance boolean
        """,
    ),
    "deployments": (
        "append",
        "deployment_id",
        """
        * deployment_id id
        * agent_id id
        * agent_version text
        * deployed_at time
        . note text
        """,
    ),
    "conversations": (
        "upsert",
        "conversation_id",
        """
        * conversation_id id
        * tenant_id id
        * agent_id id
        * created_at time
        * status text open|completed|abandoned
        * updated_at time
        . user_id id
        . ended_at time
        . escalated boolean
        . satisfaction_score fraction 1..5
        """,
    ),
    "tasks": (
        "upsert",
        "task_id",
        """
        * task_id id
        * tenant_id id
        * agent_id id
        * status text queued|running|completed|failed|cancelled
        * created_at time
        * updated_at time
        . started_at time
        . ended_at time
        . attempts count 0..
        . steps count 0..
        . api_calls count 0..
        . model text
        . input_tokens count 0..
        . output_tokens count 0..
        . cost_usd money
        . user_id id
        . team_id id
        . project_id id
        """,
    ),
    "agents": (
        "upsert",
        "agent_id",
        """
        * agent_id id
        * agent_name text
        * agent_type_id id
        * updated_at time
        . agent_type_name text
        . publisher_id id
        """,
    ),
    "publishers": (
        "upsert",
        "publisher_id",
        """
        * publisher_id id
        * publisher_name text
        * updated_at time
        """,
    ),
    "tenants": (
        "upsert",
        "tenant_id",
        """
        * tenant_id id
        * tenant_name text
        * updated_at time
        . plan_tier text free|pro|enterprise
        . retention_days count 0..
        . legal_hold boolean
        . timezone zone
        . currency text
        . use_case text support|sales|it_helpdesk
        . cost_per_human_interaction_usd money
        . platform_fee_usd_month money
        . monthly_call_volume count 0..
        . average_deal_value_usd money
        . answer_rate fraction
        . capture_share fraction
        . conversion_rate fraction
        . receptionist_cost_usd_month money
        . displaced_share fraction
        """,
    ),
    "budgets": (
        "upsert",
        "scope_kind scope_id month",
        """
        * scope_kind text platform|tenant|publisher|agent
        * scope_id id
        * month month
        * amount_usd money
        * updated_at time
        """,
    ),
    "goals": (
        "upsert",
        "scope_kind scope_id metric",
        """
        * scope_kind text
        * scope_id id
        * metric metric
        * target money
        * updated_at time
        """,
    ),
    "experiments": (
        "upsert",
        "experiment_id",
        """
        * experiment_id id
        * agent_id id
        * version_a text
        * version_b text
        * started_at time
        * updated_at time
        . ended_at time
        . split_a fraction 0..1
        """,
    ),
    "report_subscriptions": (
        "upsert",
        "subscription_id",
        """
        * subscription_id id
        * scope_kind text platform|tenant|publisher
        * scope_id id
        * frequency text daily|weekly|monthly
        * formats texts pdf|csv|json
        * recipients texts
        * updated_at time
        . timezone zone
        . is_active boolean
        """,
    ),
    "alert_rules": (
        "upsert",
        "rule scope_kind scope_id",
        """
        * rule text
        * scope_kind text
        * scope_id id
        * updated_at time
        . threshold money
        . window_minutes count 0..
        . min_samples count 0..
        . channels texts
        . is_active boolean
        . muted_until time
        """,
    ),
}

# The properties of agent_events: the event types that carry each, after its kind and range.
_PROPERTIES = """
. invocation_id id @ invoked terminal tool feedback
. conversation_id id @ invoked terminal feedback
. session_id id @ invoked terminal
. task_id id @ invoked terminal tool
. user_id id @ invoked terminal feedback
. instance_id id @ terminal
. agent_version text @ terminal
. model text @ terminal
. provider text @ terminal
. input_tokens count 0.. @ terminal
. output_tokens count 0.. @ terminal
. cache_read_tokens count 0.. @ terminal
. cache_write_tokens count 0.. @ terminal
. reasoning_tokens count 0.. @ terminal
. llm_latency_ms duration 0.. @ terminal
. duration_ms duration 0.. @ terminal tool
. cost_usd money @ terminal
. tool_calls texts @ terminal
. api_calls count 0.. @ terminal
. attempt count 0.. @ terminal
. error_type text @ terminal tool
* tool_name text @ tool
. tool_call_id id @ tool
* rating count 1..5 @ feedback
. comment text @ feedback
"""
_EVENT_TYPES = {
    "invoked": ("agent_invoked",),
    "terminal": ("agent_completed", "agent_errored"),
    "tool": ("tool_called", "tool_failed"),
    "feedback": ("user_feedback",),
}

# What ends after the load by its nature.
MAY_BE_FUTURE = {("alert_rules", "muted_until")}
# Kept as a hash, or as whether there was one.
PRIVATE = {"user_id", "comment"}


@dataclass(frozen=True, kw_only=True)
class AgreedField:
    name: str
    kind: str
    is_required: bool
    minimum: str | None = None
    maximum: str | None = None
    allowed: tuple[str, ...] = ()
    events: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class AgreedStream:
    name: str
    is_upsert: bool
    key: tuple[str, ...]
    fields: tuple[AgreedField, ...]
    properties: tuple[AgreedField, ...] = ()


def _field(line: str) -> AgreedField:
    text, _, groups = line.partition("@")
    mark, name, kind, *more = text.split()
    rule = more[0] if more else ""
    minimum, is_range, maximum = rule.partition("..")
    return AgreedField(
        name=name,
        kind=kind,
        is_required=mark == "*",
        minimum=minimum or None if is_range else None,
        maximum=maximum or None if is_range else None,
        allowed=tuple(rule.split("|")) if rule and not is_range else (),
        events=tuple(event for group in groups.split() for event in _EVENT_TYPES[group]),
    )


def _fields(text: str) -> tuple[AgreedField, ...]:
    return tuple(_field(line) for line in text.splitlines() if line.strip())


AGREED: dict[str, AgreedStream] = {
    name: AgreedStream(
        name=name,
        is_upsert=mode == "upsert",
        key=tuple(key.split()),
        fields=_fields(text.format(event_types=_EVENT_TYPE_NAMES)),
        properties=_fields(_PROPERTIES) if name == "agent_events" else (),
    )
    for name, (mode, key, text) in _STREAMS.items()
}
