"""The streams a deployment accepts: every field, key and rule of the extract contract, declared
once.

Belongs here: declarations. Does not belong here: reading or checking values (ingest/), and names
that only a foreign format uses (ingest/adapters/).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from orchestration.contracts.model import Field, Kind, Privacy, Stream

# A time further ahead of the load than this is a wrong clock, not a late batch.
FUTURE_TOLERANCE = timedelta(minutes=5)

EVENT_TYPES = (
    "agent_invoked",
    "agent_completed",
    "agent_errored",
    "tool_called",
    "tool_failed",
    "user_feedback",
    "install",
    "uninstall",
)
_INVOKED = ("agent_invoked",)
_TERMINAL = ("agent_completed", "agent_errored")
_TOOL = ("tool_called", "tool_failed")
_FEEDBACK = ("user_feedback",)
_SCOPES = ("platform", "tenant", "publisher")


def _field(
    name: str,
    kind: Kind,
    *,
    allowed: Sequence[str] = (),
    minimum: str | None = None,
    maximum: str | None = None,
    default: str | None = None,
    privacy: Privacy | None = None,
    may_be_future: bool = False,
    events: Sequence[str] = (),
    required_events: Sequence[str] = (),
    is_required: bool = False,
) -> Field:
    return Field(
        name=name,
        kind=kind,
        is_required=is_required,
        allowed=tuple(allowed),
        minimum=minimum,
        maximum=maximum,
        default=default,
        privacy=privacy,
        may_be_future=may_be_future,
        events=tuple(events),
        required_events=tuple(required_events),
    )


def _id(name: str, *, events: Sequence[str] = ()) -> Field:
    return _field(name, Kind.ID, events=events)


def _text(name: str, *, allowed: Sequence[str] = (), events: Sequence[str] = ()) -> Field:
    return _field(name, Kind.TEXT, allowed=allowed, events=events)


def _count(name: str, *, events: Sequence[str] = (), default: str | None = None) -> Field:
    return _field(name, Kind.COUNT, minimum="0", events=events, default=default)


def _duration(name: str, *, events: Sequence[str] = ()) -> Field:
    return _field(name, Kind.DURATION, minimum="0", events=events)


def _money(name: str, *, minimum: str | None = None, events: Sequence[str] = ()) -> Field:
    return _field(name, Kind.MONEY, minimum=minimum, events=events)


def _time(name: str, *, may_be_future: bool = False) -> Field:
    return _field(name, Kind.TIME, may_be_future=may_be_future)


def _flag(name: str) -> Field:
    return _field(name, Kind.BOOLEAN)


def _user_id(*, events: Sequence[str] = ()) -> Field:
    return _field("user_id", Kind.ID, privacy=Privacy.HASHED, events=events)


def _stream(
    name: str,
    *,
    key: Sequence[str],
    required: Sequence[Field],
    optional: Sequence[Field] = (),
    time_field: str = "timestamp",
    version_field: str | None = None,
    properties_field: str | None = None,
    properties: Sequence[Field] = (),
) -> Stream:
    marked = tuple(Field(**{**vars(field), "is_required": True}) for field in required)
    return Stream(
        name=name,
        fields=marked + tuple(optional),
        key=tuple(key),
        time_field=version_field or time_field,
        version_field=version_field,
        properties_field=properties_field,
        properties=tuple(properties),
    )


def _usage(*, events: Sequence[str] = ()) -> tuple[Field, ...]:
    return (
        _count("input_tokens", events=events),
        _count("output_tokens", events=events),
        _count("cache_read_tokens", events=events),
        _count("cache_write_tokens", events=events),
        _count("reasoning_tokens", events=events),
    )


_AGENT_EVENT_PROPERTIES = (
    _id("invocation_id", events=_INVOKED + _TERMINAL + _TOOL + _FEEDBACK),
    _id("conversation_id", events=_INVOKED + _TERMINAL + _FEEDBACK),
    _id("session_id", events=_INVOKED + _TERMINAL),
    _id("task_id", events=_INVOKED + _TERMINAL + _TOOL),
    _user_id(events=_INVOKED + _TERMINAL + _FEEDBACK),
    _id("instance_id", events=_TERMINAL),
    _text("agent_version", events=_TERMINAL),
    _text("model", events=_TERMINAL),
    _text("provider", events=_TERMINAL),
    *_usage(events=_TERMINAL),
    _duration("llm_latency_ms", events=_TERMINAL),
    _duration("duration_ms", events=_TERMINAL + _TOOL),
    _money("cost_usd", events=_TERMINAL),
    _field("tool_calls", Kind.TEXT_LIST, events=_TERMINAL),
    _count("api_calls", events=_TERMINAL),
    _count("attempt", events=_TERMINAL),
    _text("error_type", events=_TERMINAL + _TOOL),
    _field("tool_name", Kind.TEXT, events=_TOOL, required_events=_TOOL),
    _id("tool_call_id", events=_TOOL),
    _field(
        "rating", Kind.COUNT, minimum="1", maximum="5", events=_FEEDBACK, required_events=_FEEDBACK
    ),
    _field("comment", Kind.TEXT, privacy=Privacy.PRESENCE_ONLY, events=_FEEDBACK),
)

_DECLARED = (
    _stream(
        "agent_events",
        key=("id",),
        required=(
            _id("id"),
            _text("event_type", allowed=EVENT_TYPES),
            _id("agent_id"),
            _id("publisher_id"),
            _id("tenant_id"),
            _time("timestamp"),
        ),
        properties_field="properties",
        properties=_AGENT_EVENT_PROPERTIES,
    ),
    _stream(
        "llm_calls",
        key=("llm_call_id",),
        required=(_id("llm_call_id"), _id("invocation_id"), _time("timestamp"), _text("model")),
        optional=(
            _text("provider"),
            _id("span_id"),
            _id("parent_span_id"),
            *_usage(),
            _duration("latency_ms"),
            _money("cost_usd"),
            _text("status"),
            _text("error_type"),
        ),
    ),
    _stream(
        "audit_events",
        key=("audit_id",),
        required=(_id("audit_id"), _id("tenant_id"), _id("agent_id"), _time("timestamp")),
        optional=(
            _id("invocation_id"),
            _field("toxicity_score", Kind.FRACTION, minimum="0", maximum="1"),
            _flag("is_toxic"),
            _field("pii_redactions", Kind.COUNT_MAP),
        ),
    ),
    _stream(
        "quality_scores",
        key=("score_id",),
        time_field="judged_at",
        required=(
            _id("score_id"),
            _id("conversation_id"),
            _id("tenant_id"),
            _id("agent_id"),
            _text("dimension", allowed=("accuracy", "helpfulness", "tone", "completeness")),
            _field("score", Kind.FRACTION, minimum="1", maximum="5"),
            _time("judged_at"),
        ),
        optional=(_text("judge_model"),),
    ),
    _stream(
        "charges",
        key=("charge_id",),
        time_field="charged_at",
        required=(
            _id("charge_id"),
            _id("tenant_id"),
            _id("publisher_id"),
            _id("agent_id"),
            _time("charged_at"),
            _money("amount", minimum="0"),
            _text("currency"),
            _text("kind", allowed=("usage", "subscription", "one_off", "refund")),
        ),
        optional=(
            _money("platform_fee"),
            _field("service_start", Kind.DATE),
            _field("service_end", Kind.DATE),
        ),
    ),
    _stream(
        "provider_bills",
        key=("bill_id",),
        time_field="period_start",
        required=(
            _id("bill_id"),
            _text("provider"),
            _field("period_start", Kind.DATE),
            _field("period_end", Kind.DATE),
            _money("amount"),
            _text("currency"),
        ),
    ),
    _stream(
        "instance_samples",
        key=("agent_type_id", "tenant_id", "timestamp"),
        required=(_id("agent_type_id"), _time("timestamp"), _count("running_instances")),
        optional=(_id("tenant_id"),),
    ),
    _stream(
        "health_samples",
        key=("service", "timestamp"),
        required=(_text("service"), _time("timestamp")),
        optional=(
            _count("interval_s", default="60"),
            _flag("is_up"),
            _count("requests"),
            _count("failed_requests"),
            _count("queue_depth"),
            _count("capacity_rpm"),
        ),
    ),
    _stream(
        "incidents",
        key=("incident_id",),
        version_field="updated_at",
        required=(_id("incident_id"), _text("service"), _time("started_at"), _time("updated_at")),
        optional=(_time("ended_at"), _flag("is_maintenance")),
    ),
    _stream(
        "deployments",
        key=("deployment_id",),
        time_field="deployed_at",
        required=(
            _id("deployment_id"),
            _id("agent_id"),
            _text("agent_version"),
            _time("deployed_at"),
        ),
        optional=(_text("note"),),
    ),
    _stream(
        "conversations",
        key=("conversation_id",),
        version_field="updated_at",
        required=(
            _id("conversation_id"),
            _id("tenant_id"),
            _id("agent_id"),
            _time("created_at"),
            _text("status", allowed=("open", "completed", "abandoned")),
            _time("updated_at"),
        ),
        optional=(
            _user_id(),
            _time("ended_at"),
            _flag("escalated"),
            _field("satisfaction_score", Kind.FRACTION, minimum="1", maximum="5"),
        ),
    ),
    _stream(
        "tasks",
        key=("task_id",),
        version_field="updated_at",
        required=(
            _id("task_id"),
            _id("tenant_id"),
            _id("agent_id"),
            _text("status", allowed=("queued", "running", "completed", "failed", "cancelled")),
            _time("created_at"),
            _time("updated_at"),
        ),
        optional=(
            _time("started_at"),
            _time("ended_at"),
            _count("attempts"),
            _count("steps"),
            _count("api_calls"),
            _text("model"),
            _count("input_tokens"),
            _count("output_tokens"),
            _money("cost_usd"),
            _user_id(),
            _id("team_id"),
            _id("project_id"),
        ),
    ),
    _stream(
        "agents",
        key=("agent_id",),
        version_field="updated_at",
        required=(
            _id("agent_id"),
            _text("agent_name"),
            _id("agent_type_id"),
            _time("updated_at"),
        ),
        optional=(_text("agent_type_name"), _id("publisher_id")),
    ),
    _stream(
        "publishers",
        key=("publisher_id",),
        version_field="updated_at",
        required=(_id("publisher_id"), _text("publisher_name"), _time("updated_at")),
    ),
    _stream(
        "tenants",
        key=("tenant_id",),
        version_field="updated_at",
        required=(_id("tenant_id"), _text("tenant_name"), _time("updated_at")),
        optional=(
            _text("plan_tier", allowed=("free", "pro", "enterprise")),
            _count("retention_days"),
            _flag("legal_hold"),
            _field("timezone", Kind.ZONE),
            _text("currency"),
            _text("use_case", allowed=("support", "sales", "it_helpdesk")),
            _money("cost_per_human_interaction_usd"),
            _money("platform_fee_usd_month"),
            _count("monthly_call_volume"),
            _money("average_deal_value_usd"),
            _field("answer_rate", Kind.FRACTION),
            _field("capture_share", Kind.FRACTION),
            _field("conversion_rate", Kind.FRACTION),
            _money("receptionist_cost_usd_month"),
            _field("displaced_share", Kind.FRACTION),
        ),
    ),
    _stream(
        "budgets",
        key=("scope_kind", "scope_id", "month"),
        version_field="updated_at",
        required=(
            _text("scope_kind", allowed=(*_SCOPES, "agent")),
            _id("scope_id"),
            _field("month", Kind.MONTH),
            _money("amount_usd"),
            _time("updated_at"),
        ),
    ),
    _stream(
        "goals",
        key=("scope_kind", "scope_id", "metric"),
        version_field="updated_at",
        required=(
            _text("scope_kind"),
            _id("scope_id"),
            _field("metric", Kind.METRIC),
            _field("target", Kind.MONEY),
            _time("updated_at"),
        ),
    ),
    _stream(
        "experiments",
        key=("experiment_id",),
        version_field="updated_at",
        required=(
            _id("experiment_id"),
            _id("agent_id"),
            _text("version_a"),
            _text("version_b"),
            _time("started_at"),
            _time("updated_at"),
        ),
        optional=(
            _time("ended_at"),
            _field("split_a", Kind.FRACTION, minimum="0", maximum="1"),
        ),
    ),
    _stream(
        "report_subscriptions",
        key=("subscription_id",),
        version_field="updated_at",
        required=(
            _id("subscription_id"),
            _text("scope_kind", allowed=_SCOPES),
            _id("scope_id"),
            _text("frequency", allowed=("daily", "weekly", "monthly")),
            _field("formats", Kind.TEXT_LIST, allowed=("pdf", "csv", "json")),
            _field("recipients", Kind.TEXT_LIST),
            _time("updated_at"),
        ),
        optional=(_field("timezone", Kind.ZONE), _flag("is_active")),
    ),
    _stream(
        "alert_rules",
        key=("rule", "scope_kind", "scope_id"),
        version_field="updated_at",
        required=(
            _text("rule"),
            _text("scope_kind"),
            _id("scope_id"),
            _time("updated_at"),
        ),
        optional=(
            _field("threshold", Kind.MONEY),
            _count("window_minutes"),
            _count("min_samples"),
            _field("channels", Kind.TEXT_LIST),
            _flag("is_active"),
            # A mute ends after the load by its nature.
            _time("muted_until", may_be_future=True),
        ),
    ),
)

STREAMS: dict[str, Stream] = {stream.name: stream for stream in _DECLARED}
