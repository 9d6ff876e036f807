"""Raw extracts as the contract reads them: typed, checked, one row for each key.

Belongs here: reading files, the types of fields, which rows are refused, which copy of a key counts.
Does not belong here: what the rows mean together (facts.py). Of the files only Parquet and zstd are
opened by DuckDB, because the standard library reads neither; all checks are made here.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import duckdb

Raw = Mapping[str, Any]
Record = dict[str, Any]

_FUTURE = timedelta(minutes=5)
_MONEY = Decimal("1e-12")


class Refused(Exception):
    """The row breaks the contract."""


def text(value: object) -> str | None:
    return None if value in (None, "") else str(value)


def count(value: object) -> int | None:
    if value in (None, ""):
        return None
    number = decimal(value)
    if number is None or number != int(number) or number < 0:
        raise Refused(f"{value!r} is no count")
    return int(number)


def decimal(value: object) -> Decimal | None:
    if value in (None, ""):
        return None
    try:
        number = Decimal(str(value))
    except InvalidOperation as error:
        raise Refused(f"{value!r} is no number") from error
    if not number.is_finite():
        raise Refused(f"{value!r} is no number")
    return number


def money(value: object) -> Decimal | None:
    """Money with the twelve places that are kept of it (D-62)."""
    number = decimal(value)
    return None if number is None else number.quantize(_MONEY, rounding="ROUND_HALF_UP")


def milliseconds(value: object) -> int | None:
    """Whole milliseconds; a finer measurement is cut to the nearest one."""
    number = decimal(value)
    if number is None:
        return None
    if number < 0:
        raise Refused(f"{value!r} is no duration")
    return int(number.to_integral_value(rounding="ROUND_HALF_UP"))


def flag(value: object) -> bool | None:
    if value in (None, ""):
        return None
    known = {"true": True, "false": False, "1": True, "0": False}
    if str(value).lower() not in known:
        raise Refused(f"{value!r} is no yes or no")
    return known[str(value).lower()]


def moment(value: object) -> datetime | None:
    """ISO 8601, without a zone UTC, or the number of seconds, milli-, micro- or nanoseconds."""
    if value in (None, ""):
        return None
    if isinstance(value, datetime):
        return value if value.tzinfo else value.replace(tzinfo=UTC)
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        return _iso(str(value))
    for limit, unit in ((11, 0), (14, 3), (17, 6), (20, 9)):
        if abs(number) < Decimal(10) ** limit:
            micros = int(number.scaleb(6 - unit).to_integral_value(rounding="ROUND_FLOOR"))
            return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=micros)
    raise Refused(f"{value!r} is no time")


def _iso(value: str) -> datetime:
    try:
        parsed = datetime.fromisoformat(value)
    except ValueError as error:
        raise Refused(f"{value!r} is no time") from error
    return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).astimezone(UTC)


def day(value: object) -> date | None:
    if value in (None, ""):
        return None
    try:
        return date.fromisoformat(str(value))
    except ValueError as error:
        raise Refused(f"{value!r} is no date") from error


def zone(value: object) -> str | None:
    name = text(value)
    if name is not None:
        ZoneInfo(name)
    return name


def names(value: object) -> list[str]:
    """A list of names, which csv and Parquet may hold as JSON text."""
    listed: Any = json.loads(value) if isinstance(value, str) and value else value
    return [str(name) for name in listed or []]


def counts(value: object) -> dict[str, int]:
    held: Any = json.loads(value) if isinstance(value, str) and value else value
    return {str(name): int(number) for name, number in dict(held or {}).items()}


def between(low: int, high: int) -> Callable[[object], Decimal | None]:
    def read(value: object) -> Decimal | None:
        number = decimal(value)
        if number is not None and not low <= number <= high:
            raise Refused(f"{value!r} is not between {low} and {high}")
        return number

    return read


def one_of(*allowed: str) -> Callable[[object], str | None]:
    def read(value: object) -> str | None:
        name = text(value)
        if name is not None and name not in allowed:
            raise Refused(f"{value!r} is none of {allowed}")
        return name

    return read


def positive(value: object) -> Decimal | None:
    number = money(value)
    if number is not None and number < 0:
        raise Refused(f"{value!r} is below 0")
    return number


Reader = Callable[[object], Any]


@dataclass(frozen=True, kw_only=True)
class Form:
    """How rows of one stream are read: required and optional fields, key, time, states or events."""

    required: Mapping[str, Reader]
    optional: Mapping[str, Reader] = field(default_factory=dict)
    key: tuple[str, ...]
    time: str = "timestamp"
    is_state: bool = False


_TOKENS: dict[str, Reader] = {
    "input_tokens": count,
    "output_tokens": count,
    "cache_read_tokens": count,
    "cache_write_tokens": count,
    "reasoning_tokens": count,
}

TERMINAL = ("agent_completed", "agent_errored")
TOOL = ("tool_called", "tool_failed")

# Property of agent_events: its reader and the event types that carry it, in the contract's order.
PROPERTIES: Mapping[str, tuple[Reader, tuple[str, ...]]] = {
    "invocation_id": (text, ("agent_invoked", *TERMINAL, *TOOL, "user_feedback")),
    "conversation_id": (text, ("agent_invoked", *TERMINAL, "user_feedback")),
    "session_id": (text, ("agent_invoked", *TERMINAL)),
    "task_id": (text, ("agent_invoked", *TERMINAL, *TOOL)),
    "user_id": (text, ("agent_invoked", *TERMINAL, "user_feedback")),
    "instance_id": (text, TERMINAL),
    "agent_version": (text, TERMINAL),
    "model": (text, TERMINAL),
    "provider": (text, TERMINAL),
    **{name: (reader, TERMINAL) for name, reader in _TOKENS.items()},
    "llm_latency_ms": (milliseconds, TERMINAL),
    "duration_ms": (milliseconds, (*TERMINAL, *TOOL)),
    "cost_usd": (money, TERMINAL),
    "tool_calls": (names, TERMINAL),
    "api_calls": (count, TERMINAL),
    "attempt": (count, TERMINAL),
    "error_type": (text, (*TERMINAL, *TOOL)),
    "tool_name": (text, TOOL),
    "tool_call_id": (text, TOOL),
    "rating": (between(1, 5), ("user_feedback",)),
    "comment": (text, ("user_feedback",)),
}
_DEMANDED = {"tool_called": "tool_name", "tool_failed": "tool_name", "user_feedback": "rating"}

EVENT_TYPES = ("agent_invoked", *TERMINAL, *TOOL, "user_feedback", "install", "uninstall")

FORMS: Mapping[str, Form] = {
    "agent_events": Form(
        required={
            "id": text,
            "event_type": one_of(*EVENT_TYPES),
            "agent_id": text,
            "publisher_id": text,
            "tenant_id": text,
            "timestamp": moment,
        },
        key=("id",),
    ),
    "llm_calls": Form(
        required={"llm_call_id": text, "invocation_id": text, "timestamp": moment, "model": text},
        optional={
            "provider": text,
            "span_id": text,
            "parent_span_id": text,
            **_TOKENS,
            "latency_ms": milliseconds,
            "cost_usd": money,
        },
        key=("llm_call_id",),
    ),
    "audit_events": Form(
        required={"audit_id": text, "tenant_id": text, "agent_id": text, "timestamp": moment},
        optional={
            "invocation_id": text,
            "toxicity_score": between(0, 1),
            "is_toxic": flag,
            "pii_redactions": counts,
        },
        key=("audit_id",),
    ),
    "quality_scores": Form(
        required={
            "score_id": text,
            "conversation_id": text,
            "tenant_id": text,
            "agent_id": text,
            "dimension": one_of("accuracy", "helpfulness", "tone", "completeness"),
            "score": between(1, 5),
            "judged_at": moment,
        },
        key=("score_id",),
        time="judged_at",
    ),
    "charges": Form(
        required={
            "charge_id": text,
            "tenant_id": text,
            "publisher_id": text,
            "agent_id": text,
            "charged_at": moment,
            "amount": positive,
            "currency": text,
            "kind": one_of("usage", "subscription", "one_off", "refund"),
        },
        optional={"platform_fee": money, "service_start": day, "service_end": day},
        key=("charge_id",),
        time="charged_at",
    ),
    "instance_samples": Form(
        required={"agent_type_id": text, "timestamp": moment, "running_instances": count},
        optional={"tenant_id": text},
        key=("agent_type_id", "tenant_id", "timestamp"),
    ),
    "health_samples": Form(
        required={"service": text, "timestamp": moment},
        optional={
            "interval_s": count,
            "is_up": flag,
            "requests": count,
            "failed_requests": count,
            "queue_depth": count,
            "capacity_rpm": count,
        },
        key=("service", "timestamp"),
    ),
    "incidents": Form(
        required={
            "incident_id": text,
            "service": text,
            "started_at": moment,
            "updated_at": moment,
        },
        optional={"ended_at": moment, "is_maintenance": flag},
        key=("incident_id",),
        time="updated_at",
        is_state=True,
    ),
    "conversations": Form(
        required={
            "conversation_id": text,
            "tenant_id": text,
            "agent_id": text,
            "created_at": moment,
            "status": one_of("open", "completed", "abandoned"),
            "updated_at": moment,
        },
        optional={
            "user_id": text,
            "ended_at": moment,
            "escalated": flag,
            "satisfaction_score": between(1, 5),
        },
        key=("conversation_id",),
        time="updated_at",
        is_state=True,
    ),
    "tasks": Form(
        required={
            "task_id": text,
            "tenant_id": text,
            "agent_id": text,
            "status": one_of("queued", "running", "completed", "failed", "cancelled"),
            "created_at": moment,
            "updated_at": moment,
        },
        optional={
            "started_at": moment,
            "ended_at": moment,
            "attempts": count,
            "steps": count,
            "api_calls": count,
            "model": text,
            "input_tokens": count,
            "output_tokens": count,
            "cost_usd": money,
            "user_id": text,
        },
        key=("task_id",),
        time="updated_at",
        is_state=True,
    ),
    "agents": Form(
        required={
            "agent_id": text,
            "agent_name": text,
            "agent_type_id": text,
            "updated_at": moment,
        },
        optional={"agent_type_name": text, "publisher_id": text},
        key=("agent_id",),
        time="updated_at",
        is_state=True,
    ),
    "publishers": Form(
        required={"publisher_id": text, "publisher_name": text, "updated_at": moment},
        key=("publisher_id",),
        time="updated_at",
        is_state=True,
    ),
    "tenants": Form(
        required={"tenant_id": text, "tenant_name": text, "updated_at": moment},
        optional={
            "timezone": zone,
            "currency": text,
            "use_case": one_of("support", "sales", "it_helpdesk"),
            "cost_per_human_interaction_usd": money,
            "platform_fee_usd_month": decimal,
            "monthly_call_volume": count,
            "average_deal_value_usd": decimal,
            "answer_rate": decimal,
            "capture_share": decimal,
            "conversion_rate": decimal,
            "receptionist_cost_usd_month": decimal,
            "displaced_share": decimal,
        },
        key=("tenant_id",),
        time="updated_at",
        is_state=True,
    ),
    "alert_rules": Form(
        required={"rule": text, "scope_kind": text, "scope_id": text, "updated_at": moment},
        optional={
            "threshold": decimal,
            "window_minutes": count,
            "min_samples": count,
            "is_active": flag,
        },
        key=("rule", "scope_kind", "scope_id"),
        time="updated_at",
        is_state=True,
    ),
    "budgets": Form(
        required={
            "scope_kind": text,
            "scope_id": text,
            "month": text,
            "amount_usd": money,
            "updated_at": moment,
        },
        key=("scope_kind", "scope_id", "month"),
        time="updated_at",
        is_state=True,
    ),
    "goals": Form(
        required={
            "scope_kind": text,
            "scope_id": text,
            "metric": text,
            "target": decimal,
            "updated_at": moment,
        },
        key=("scope_kind", "scope_id", "metric"),
        time="updated_at",
        is_state=True,
    ),
}


@dataclass(frozen=True, kw_only=True)
class Extracts:
    """The rows that count: for events one of each key, for states all of each key by time."""

    events: list[Record]
    calls: list[Record]
    audits: list[Record]
    scores: list[Record]
    charges: list[Record]
    samples: list[Record]
    health: list[Record]
    incidents: list[Record]
    conversations: list[Record]
    tasks: list[Record]
    agents: dict[str, list[Record]]
    tenants: dict[str, list[Record]]
    publishers: dict[str, list[Record]]
    alert_rules: dict[tuple[str, ...], list[Record]]
    budgets: list[Record]
    goals: list[Record]
    as_of: datetime


def read_landing(landing: Path, *, as_of: datetime) -> Extracts:
    """The native extracts below a landing folder, as a load at ``as_of`` takes them."""
    return keep({name: _stream_rows(landing / name) for name in FORMS}, as_of=as_of)


def keep(streams: Mapping[str, Iterable[Raw]], *, as_of: datetime) -> Extracts:
    """Check the rows of each stream and settle copies and states."""
    kept = {
        name: _settle(form, _accepted(name, form, streams.get(name, ()), as_of=as_of))
        for name, form in FORMS.items()
    }
    latest = {name: [states[-1] for states in rows.values()] for name, rows in kept.items()}
    return Extracts(
        events=latest["agent_events"],
        calls=latest["llm_calls"],
        audits=latest["audit_events"],
        scores=latest["quality_scores"],
        charges=latest["charges"],
        samples=latest["instance_samples"],
        health=latest["health_samples"],
        incidents=latest["incidents"],
        conversations=latest["conversations"],
        tasks=latest["tasks"],
        agents={key[0]: states for key, states in kept["agents"].items()},
        tenants={key[0]: states for key, states in kept["tenants"].items()},
        publishers={key[0]: states for key, states in kept["publishers"].items()},
        alert_rules=kept["alert_rules"],
        budgets=latest["budgets"],
        goals=latest["goals"],
        as_of=as_of,
    )


def _accepted(name: str, form: Form, rows: Iterable[Raw], *, as_of: datetime) -> Iterator[Record]:
    for row in rows:
        try:
            record = _record(form, row)
            if name == "agent_events":
                record |= _properties(record["event_type"], row.get("properties"))
            _refuse_future(form, record, as_of=as_of)
        except Refused:
            continue
        yield record


def _record(form: Form, row: Raw) -> Record:
    record: Record = {name: read(row.get(name)) for name, read in form.required.items()}
    missing = [name for name, value in record.items() if value is None]
    if missing:
        raise Refused(f"{missing} missing")
    return record | {name: read(row.get(name)) for name, read in form.optional.items()}


def _properties(event_type: str, properties: object) -> Record:
    held: Any = (
        json.loads(properties, parse_float=Decimal) if isinstance(properties, str) else properties
    )
    given = dict(held or {})
    carried: Record = {
        name: read(given.get(name)) if event_type in types else None
        for name, (read, types) in PROPERTIES.items()
    }
    demanded = _DEMANDED.get(event_type)
    if demanded is not None and carried[demanded] is None:
        raise Refused(f"{demanded} missing")
    return carried


def _refuse_future(form: Form, record: Record, *, as_of: datetime) -> None:
    for name, read in {**form.required, **form.optional}.items():
        if read is moment and record[name] is not None and record[name] > as_of + _FUTURE:
            raise Refused(f"{name} is in the future")


def _settle(form: Form, records: Iterable[Record]) -> dict[tuple[Any, ...], list[Record]]:
    """Rows by key: of an event the one that counts, of a state one for each time, in order."""
    copies: dict[tuple[Any, ...], list[Record]] = {}
    for record in records:
        copies.setdefault(tuple(record[name] for name in form.key), []).append(record)
    if not form.is_state:
        return {key: [min(rows, key=_event_rank(form))] for key, rows in copies.items()}
    return {key: _states(form, rows) for key, rows in copies.items()}


def _states(form: Form, rows: list[Record]) -> list[Record]:
    """One state for each time; of two that differ the one with the greater hash (D-28)."""
    by_time: dict[datetime, Record] = {}
    for row in sorted(rows, key=fingerprint):
        by_time[row[form.time]] = row
    return [by_time[time] for time in sorted(by_time)]


def _event_rank(form: Form) -> Callable[[Record], tuple[datetime, str]]:
    return lambda row: (row[form.time], fingerprint(row))


SALT = "agentmart-development-salt"


def fingerprint(row: Record) -> str:
    """The hash of a row's content, by which copies that differ are settled (D-28)."""
    return hashlib.md5("\x1f".join(_hashed(name, row[name]) for name in row).encode()).hexdigest()


def _hashed(name: str, value: object) -> str:
    if name == "comment":
        return str(int(value is not None))
    if name == "user_id" and value is not None:
        return hashlib.sha256(f"{SALT}|native|{value}".encode()).hexdigest()[:32]
    match value:
        case None:
            return ""
        case bool():
            return str(int(value))
        case datetime():
            return str((value - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1))
        case list() | dict():
            return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
        case Decimal():
            return f"{value:.12f}" if name == "cost_usd" else str(value)
        case _:
            return str(value)


def _stream_rows(folder: Path) -> Iterator[Raw]:
    seen: set[bytes] = set()
    for path in sorted(folder.rglob("*")):
        if not path.is_file() or path.name.startswith(("_", ".")):
            continue
        content = path.read_bytes()
        digest = hashlib.sha256(content).digest()
        if digest not in seen:
            seen.add(digest)
            yield from file_rows(path, content)


def file_rows(path: Path, content: bytes) -> Iterator[Raw]:
    """The rows of one file by the ending of its name; a line that is no JSON is no row."""
    name = path.name.removesuffix(".gz").removesuffix(".zst")
    if path.name.endswith(".parquet"):
        return iter(_parquet_rows(path))
    if path.name.endswith(".zst"):
        return _json_lines(_unpacked(path))
    plain = gzip.decompress(content) if path.name.endswith(".gz") else content
    decoded = plain.decode("utf-8-sig")
    if name.endswith(".csv"):
        return iter(list(csv.DictReader(io.StringIO(decoded, newline=""))))
    if decoded.lstrip().startswith("["):
        return iter(json.loads(decoded, parse_float=Decimal))
    return _json_lines(decoded.splitlines())


def _json_lines(lines: Iterable[str]) -> Iterator[Raw]:
    for line in lines:
        try:
            yield json.loads(line, parse_float=Decimal)
        except json.JSONDecodeError:
            continue


def _unpacked(path: Path) -> list[str]:
    with duckdb.connect() as connection:
        return [
            str(line)
            for (line,) in connection.execute(
                "select json from read_ndjson_objects(?)", [str(path)]
            ).fetchall()
        ]


def _parquet_rows(path: Path) -> list[Raw]:
    with duckdb.connect() as connection:
        cursor = connection.execute(
            "select * from read_parquet(?, hive_partitioning = false)", [str(path)]
        )
        columns = [column[0] for column in cursor.description or []]
        return [dict(zip(columns, row, strict=True)) for row in cursor.fetchall()]
