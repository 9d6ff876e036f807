"""Every rule of the contract, shown on rows that break it and on rows that just keep it.

The rows of a stream are one file, loaded once: a case is a row of it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pytest

from orchestration.contracts.reasons import Reason
from orchestration.contracts.streams import EVENT_TYPES, STREAMS
from orchestration.ingest.load import LoadReport
from orchestration.settings import Settings
from tests.support.landing import landed, load, ndjson, put, quarantined, row_of

ABSENT = object()


def event(event_type: str = "agent_completed", /, **properties: object) -> dict[str, Any]:
    """An agent event with properties, over the required ones of its type."""
    required: dict[str, object] = {}
    if event_type in ("tool_called", "tool_failed"):
        required = {"tool_name": "search"}
    if event_type == "user_feedback":
        required = {"rating": 4}
    return {"event_type": event_type, "properties": {**required, **properties}}


@dataclass(frozen=True, kw_only=True)
class Broken:
    """A row that breaks one rule; ``rule`` is the beginning of what the quarantine says."""

    stream: str
    changes: dict[str, Any]
    reason: Reason
    rule: str


@dataclass(frozen=True, kw_only=True)
class Kept:
    """A row that lands, and columns it then has."""

    stream: str
    changes: dict[str, Any]
    columns: dict[str, Any] = field(default_factory=dict)


def broken(
    stream: str, changes: dict[str, Any], reason: Reason, field_name: str, rule: str
) -> Broken:
    return Broken(
        stream=stream, changes=changes, reason=reason, rule=f"{stream}.{field_name} {rule}"
    )


MISSING = [
    broken(stream.name, {name: value}, Reason.MISSING_REQUIRED, name, "is required")
    for stream in STREAMS.values()
    for name in stream.required
    for value in (ABSENT, None, "")
]
LISTS_EMPTY = [
    broken("report_subscriptions", {name: value}, Reason.MISSING_REQUIRED, name, "is required")
    for name in ("formats", "recipients")
    for value in ([], [""], [None])
]
PROPERTIES_MISSING = [
    broken(
        "agent_events",
        {"event_type": event_type, "properties": {name: value}},
        Reason.MISSING_REQUIRED,
        name,
        "is required for",
    )
    for event_type, name in (
        ("tool_called", "tool_name"),
        ("tool_failed", "tool_name"),
        ("user_feedback", "rating"),
    )
    for value in (None, "")
]
NOT_ALLOWED = [
    broken(stream, changes, Reason.NOT_ALLOWED, name, "must be one of")
    for stream, name, changes in (
        ("agent_events", "event_type", {"event_type": "agent_started"}),
        ("quality_scores", "dimension", {"dimension": "speed"}),
        ("charges", "kind", {"kind": "gift"}),
        ("conversations", "status", {"status": "resolved"}),
        ("tasks", "status", {"status": "done"}),
        ("tenants", "plan_tier", {"plan_tier": "gold"}),
        ("tenants", "use_case", {"use_case": "legal"}),
        ("budgets", "scope_kind", {"scope_kind": "company"}),
        ("report_subscriptions", "scope_kind", {"scope_kind": "agent"}),
        ("report_subscriptions", "frequency", {"frequency": "yearly"}),
    )
] + [
    broken("tenants", {"timezone": "Mars/Olympus"}, Reason.NOT_ALLOWED, "timezone", "must be an"),
    broken(
        "report_subscriptions", {"timezone": "CEST+2"}, Reason.NOT_ALLOWED, "timezone", "must be an"
    ),
    broken(
        "report_subscriptions",
        {"formats": ["pdf", "docx"]},
        Reason.NOT_ALLOWED,
        "formats",
        "may hold pdf, csv, json",
    ),
]
OUT_OF_RANGE = [
    broken("charges", {"amount": "-0.01"}, Reason.OUT_OF_RANGE, "amount", "must be 0 or more"),
    broken("quality_scores", {"score": 0.9}, Reason.OUT_OF_RANGE, "score", "must be between 1"),
    broken("quality_scores", {"score": 5.1}, Reason.OUT_OF_RANGE, "score", "must be between 1"),
    broken(
        "conversations",
        {"satisfaction_score": 6},
        Reason.OUT_OF_RANGE,
        "satisfaction_score",
        "must be between 1 and 5",
    ),
    broken(
        "audit_events",
        {"toxicity_score": 1.01},
        Reason.OUT_OF_RANGE,
        "toxicity_score",
        "must be between 0 and 1",
    ),
    broken("experiments", {"split_a": 1.5}, Reason.OUT_OF_RANGE, "split_a", "must be between 0"),
    broken(
        "instance_samples",
        {"running_instances": -1},
        Reason.OUT_OF_RANGE,
        "running_instances",
        "must be 0 or more",
    ),
    broken("llm_calls", {"latency_ms": -1}, Reason.OUT_OF_RANGE, "latency_ms", "must be 0 or"),
    broken(
        "llm_calls", {"input_tokens": 10**19}, Reason.OUT_OF_RANGE, "input_tokens", "is too large"
    ),
    *(
        broken(
            "agent_events",
            event("user_feedback", rating=rating),
            Reason.OUT_OF_RANGE,
            "rating",
            "must be between 1 and 5",
        )
        for rating in (0, 6)
    ),
    *(
        broken("agent_events", event(**{name: -1}), Reason.OUT_OF_RANGE, name, "must be 0 or more")
        for name in ("input_tokens", "output_tokens", "cache_read_tokens", "attempt", "duration_ms")
    ),
]
WRONG_TYPE = [
    broken("llm_calls", {"input_tokens": 1.5}, Reason.NOT_WHOLE, "input_tokens", "must be a whole"),
    broken(
        "agent_events",
        event("user_feedback", rating=4.5),
        Reason.NOT_WHOLE,
        "rating",
        "must be a whole number",
    ),
    broken(
        "llm_calls", {"input_tokens": "many"}, Reason.WRONG_TYPE, "input_tokens", "must be a whole"
    ),
    broken(
        "llm_calls", {"input_tokens": "1_000"}, Reason.WRONG_TYPE, "input_tokens", "must be a whole"
    ),
    broken("llm_calls", {"model": True}, Reason.WRONG_TYPE, "model", "must be a text"),
    broken("llm_calls", {"model": {"name": "x"}}, Reason.WRONG_TYPE, "model", "must be a text"),
    broken("llm_calls", {"llm_call_id": 1.5}, Reason.WRONG_TYPE, "llm_call_id", "must be a text"),
    broken("llm_calls", {"llm_call_id": ["x"]}, Reason.WRONG_TYPE, "llm_call_id", "must be a text"),
    broken(
        "llm_calls", {"latency_ms": "fast"}, Reason.WRONG_TYPE, "latency_ms", "must be a number"
    ),
    broken("llm_calls", {"cost_usd": "1,5"}, Reason.WRONG_TYPE, "cost_usd", "must be a decimal"),
    broken("charges", {"amount": "NaN"}, Reason.WRONG_TYPE, "amount", "must be a decimal"),
    broken(
        "audit_events", {"toxicity_score": "high"}, Reason.WRONG_TYPE, "toxicity_score", "must be a"
    ),
    broken("health_samples", {"is_up": "maybe"}, Reason.WRONG_TYPE, "is_up", "must be true or"),
    broken(
        "agent_events",
        event(tool_calls="search"),
        Reason.WRONG_TYPE,
        "tool_calls",
        "must be a list of texts",
    ),
    broken(
        "agent_events",
        event(tool_calls=[{"name": "search"}]),
        Reason.WRONG_TYPE,
        "tool_calls",
        "must be a list of texts",
    ),
    broken(
        "audit_events",
        {"pii_redactions": ["EMAIL"]},
        Reason.WRONG_TYPE,
        "pii_redactions",
        "must be an object",
    ),
    broken(
        "audit_events",
        {"pii_redactions": {"EMAIL": -1}},
        Reason.WRONG_TYPE,
        "pii_redactions",
        "must be an object",
    ),
    broken(
        "audit_events",
        {"pii_redactions": {"EMAIL": 1.5}},
        Reason.WRONG_TYPE,
        "pii_redactions",
        "must be an object",
    ),
    broken(
        "agent_events", {"properties": "none"}, Reason.WRONG_TYPE, "properties", "must be an object"
    ),
    broken("agent_events", {"properties": [1]}, Reason.WRONG_TYPE, "properties", "must be an"),
    broken("alert_rules", {"channels": "email"}, Reason.WRONG_TYPE, "channels", "must be a list"),
]
BAD_TIME = [
    *(
        broken("agent_events", {"timestamp": value}, Reason.BAD_TIME, "timestamp", "must be a time")
        for value in (
            "yesterday",
            "infinity",
            "epoch",
            "2026-02-30T00:00:00Z",
            "2026-03-01T25:00:00Z",
            "01/03/2026",
            True,
            10**21,
        )
    ),
    broken(
        "provider_bills", {"period_end": "March"}, Reason.BAD_TIME, "period_end", "must be a date"
    ),
    *(
        broken("provider_bills", {"period_start": value}, Reason.BAD_TIME, "period_start", "must")
        for value in ("294247-01-10", "-0044-03-15", 1e308, "12026-01-01T00:00:00Z", -62167219201)
    ),
    broken(
        "alert_rules", {"muted_until": "99999-01-01"}, Reason.BAD_TIME, "muted_until", "must be"
    ),
    broken("budgets", {"month": "2026-13"}, Reason.BAD_TIME, "month", "must be a month"),
    broken("budgets", {"month": "March"}, Reason.BAD_TIME, "month", "must be a month"),
]
# The load is at 2026-03-10 12:00 UTC; five minutes ahead are forgiven.
FUTURE = [
    broken(stream, changes, Reason.FUTURE_TIME, name, "lies in the future")
    for stream, name, changes in (
        ("agent_events", "timestamp", {"timestamp": "2026-03-10T12:05:01Z"}),
        ("charges", "charged_at", {"charged_at": "2026-03-11T00:00:00Z"}),
        ("conversations", "updated_at", {"updated_at": "2026-03-10T14:00:00+01:00"}),
        ("incidents", "ended_at", {"ended_at": "2026-04-01T00:00:00Z"}),
    )
]
BROKEN = [
    *MISSING,
    *LISTS_EMPTY,
    *PROPERTIES_MISSING,
    *NOT_ALLOWED,
    *OUT_OF_RANGE,
    *WRONG_TYPE,
    *BAD_TIME,
    *FUTURE,
]

NOON = datetime(2026, 3, 1, 12)
TIMES = [
    Kept(stream="agent_events", changes={"timestamp": value}, columns={"timestamp": NOON})
    for value in (
        "2026-03-01T12:00:00Z",
        "2026-03-01t12:00:00z",
        "2026-03-01T13:00:00+01:00",
        "2026-03-01T13:00:00+0100",
        "2026-03-01 07:00:00-05",
        "2026-03-01T12:00:00",
        "2026-03-01T12:00Z",
        "2026-03-01T13:00+01:00",
        "2026-03-01T12:00",
        "20260301T120000Z",
        "2026-03-01T12:00:00,000Z",
        1772366400,
        1772366400.0,
        1772366400000,
        1772366400000000,
        1772366400000000000,
        "1772366400",
        "1772366400000",
    )
]
KEPT = [
    *TIMES,
    Kept(
        stream="agent_events",
        changes={"timestamp": "2026-03-01T12:00:00.123456789Z"},
        columns={"timestamp": datetime(2026, 3, 1, 12, 0, 0, 123456)},
    ),
    Kept(
        stream="agent_events",
        changes={"timestamp": 1772366400.5},
        columns={"timestamp": datetime(2026, 3, 1, 12, 0, 0, 500000)},
    ),
    Kept(stream="agent_events", changes={"timestamp": "2026-03-10T12:05:00Z"}),
    Kept(
        stream="agent_events",
        changes={"timestamp": "2026-03-01"},
        columns={"timestamp": datetime(2026, 3, 1), "event_date": date(2026, 3, 1)},
    ),
    Kept(
        stream="agent_events",
        changes={"timestamp": "2026-03-01T00:30:00+02:00"},
        columns={"event_date": date(2026, 2, 28)},
    ),
    Kept(stream="agent_events", changes={"id": 17, "agent_id": 10**25}, columns={"id": "17"}),
    Kept(stream="agent_events", changes={"id": "1.50"}, columns={"id": "1.50"}),
    Kept(stream="agent_events", changes={"id": "true"}, columns={"id": "true"}),
    Kept(stream="agent_events", changes={"id": "{x}"}, columns={"id": "{x}"}),
    *(
        Kept(stream="agent_events", changes=event(event_type), columns={"event_type": event_type})
        for event_type in EVENT_TYPES
    ),
    Kept(
        stream="agent_events",
        changes=event(
            input_tokens="12",
            output_tokens=12.0,
            reasoning_tokens=0,
            duration_ms=1500.6,
            cost_usd=0.000000123456,
            tool_calls=["search", "search"],
            model="",
            agent_version=1.5,
        ),
        columns={
            "input_tokens": 12,
            "output_tokens": 12,
            "reasoning_tokens": 0,
            "duration_ms": 1501,
            "cost_usd": Decimal("0.000000123456"),
            "tool_calls": ["search", "search"],
            "model": None,
            "agent_version": "1.5",
            "cache_read_tokens": None,
        },
    ),
    Kept(
        stream="agent_events",
        changes=event(tool_calls=[], task_id=None),
        columns={"tool_calls": [], "task_id": None, "source_metadata": None},
    ),
    Kept(
        stream="agent_events",
        changes=event("user_feedback", rating=5, comment="good"),
        columns={"rating": 5, "has_comment": True, "source_metadata": None},
    ),
    Kept(
        stream="agent_events",
        changes=event("user_feedback", rating="1", comment=""),
        columns={"rating": 1, "has_comment": False},
    ),
    # Properties of other event types, or of none, are extra fields: they never fail a row.
    Kept(
        stream="agent_events",
        changes=event("install", rating=9, input_tokens="many", colour="red"),
        columns={"source_metadata": '{"properties":{"colour":"red","input_tokens":"many"}}'},
    ),
    Kept(
        stream="agent_events",
        changes={"region": "eu", "properties": None, "empty": None},
        columns={"source_metadata": '{"region":"eu"}'},
    ),
    Kept(
        stream="charges",
        changes={"amount": 0, "platform_fee": "-1.5", "service_end": "2026-04-01"},
        columns={
            "amount": Decimal(0),
            "platform_fee": Decimal("-1.5"),
            "service_end": date(2026, 4, 1),
        },
    ),
    Kept(
        stream="audit_events",
        changes={"toxicity_score": 1, "is_toxic": True, "pii_redactions": {"PHONE": 1, "EMAIL": 2}},
        columns={
            "toxicity_score": Decimal(1),
            "is_toxic": True,
            "pii_redactions": {"EMAIL": 2, "PHONE": 1},
        },
    ),
    Kept(stream="quality_scores", changes={"score": 3.5}, columns={"score": Decimal("3.5")}),
    Kept(stream="health_samples", changes={}, columns={"interval_s": 60, "is_up": None}),
    Kept(stream="health_samples", changes={"is_up": 0}, columns={"is_up": False}),
    Kept(stream="tenants", changes={"timezone": "Europe/Berlin", "plan_tier": "pro"}),
    Kept(
        stream="alert_rules",
        changes={"muted_until": "2027-01-01T00:00:00Z", "channels": ["email"]},
        columns={"muted_until": datetime(2027, 1, 1)},
    ),
    Kept(
        stream="llm_calls",
        changes={"user_id": "u-1"},
        columns={"source_metadata": '{"user_id":"[removed]"}'},
    ),
    *(Kept(stream=name, changes={}) for name in STREAMS),
]

CASES: list[Broken | Kept] = [*BROKEN, *KEPT]


def raw_row(case: Broken | Kept) -> dict[str, Any]:
    row = row_of(case.stream, **case.changes)
    return {name: value for name, value in row.items() if value is not ABSENT}


def row_number(case: Broken | Kept) -> int:
    return [other for other in CASES if other.stream == case.stream].index(case) + 1


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return Settings(home=tmp_path_factory.mktemp("home"), threads=2)


@pytest.fixture(scope="module")
def report(settings: Settings) -> LoadReport:
    for stream in STREAMS:
        rows = [raw_row(case) for case in CASES if case.stream == stream]
        put(settings, f"{stream}/rows.ndjson", ndjson(rows))
    return load(settings)


@pytest.fixture(scope="module")
def refused(settings: Settings, report: LoadReport) -> dict[tuple[str, int], dict[str, Any]]:
    return {(row["stream_name"], row["row_number"]): row for row in quarantined(settings)}


@pytest.fixture(scope="module")
def kept(settings: Settings, report: LoadReport) -> dict[tuple[str, int], dict[str, Any]]:
    return {
        (stream, row["row_number"]): row for stream in STREAMS for row in landed(settings, stream)
    }


def name_of(case: Broken | Kept) -> str:
    return f"{case.stream}-{row_number(case)}"


@pytest.mark.parametrize("case", BROKEN, ids=name_of)
def test_a_row_that_breaks_a_rule_is_quarantined_with_reason_and_rule(
    case: Broken,
    refused: dict[tuple[str, int], dict[str, Any]],
    kept: dict[tuple[str, int], dict[str, Any]],
) -> None:
    place = (case.stream, row_number(case))
    assert place not in kept
    assert refused[place]["reason_code"] == case.reason.value
    assert refused[place]["rule"].startswith(case.rule)
    assert refused[place]["path"] == f"{case.stream}/rows.ndjson"
    assert refused[place]["source_name"] == "native"


@pytest.mark.parametrize("case", KEPT, ids=name_of)
def test_a_row_that_keeps_every_rule_lands(
    case: Kept,
    refused: dict[tuple[str, int], dict[str, Any]],
    kept: dict[tuple[str, int], dict[str, Any]],
) -> None:
    place = (case.stream, row_number(case))
    assert place not in refused, refused[place]
    assert {name: kept[place][name] for name in case.columns} == case.columns


def test_every_row_is_landed_or_quarantined(report: LoadReport) -> None:
    assert report.rows_read == len(CASES)
    assert report.rows_landed == len(KEPT)
    assert report.rows_quarantined == len(BROKEN)


def test_the_rule_names_the_value_that_broke_it(
    refused: dict[tuple[str, int], dict[str, Any]],
) -> None:
    (case,) = [one for one in BROKEN if one.changes == {"kind": "gift"}]
    assert refused[(case.stream, row_number(case))]["rule"] == (
        "charges.kind must be one of usage, subscription, one_off, refund; got gift"
    )


def test_every_reason_of_a_row_with_a_rule_is_shown_by_a_case() -> None:
    # Rows that cannot be read at all are shown in test_formats.py.
    unreadable = {Reason.MALFORMED_ROW, Reason.NOT_AN_OBJECT}
    assert {case.reason for case in BROKEN} == set(Reason) - unreadable


def test_lake_columns_are_those_of_the_contract(
    settings: Settings, kept: dict[tuple[str, int], dict[str, Any]]
) -> None:
    for stream in STREAMS.values():
        row = next(row for (name, _), row in kept.items() if name == stream.name)
        assert list(row) == [*(name for name, _ in stream.lake_columns), "event_date"]
