"""A deployment with a published state of reports' rows and subscriptions, made by hand.

Every scope has the rows that ``report_rows`` makes, so a test of which reports are made and sent
needs no warehouse.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb

from orchestration.ingest.ledger import LedgerEntry, StreamEntry, write_entry
from orchestration.reporting.gather import (
    BREAKDOWNS,
    DAILY_ANOMALIES,
    INSIGHTS,
    SUMMARIES,
    USAGE_FORECAST,
)
from orchestration.reporting.model import Frequency
from orchestration.reporting.scopes import ScopeKind
from orchestration.settings import Settings
from tests.support.published import TABLE_FUNCTION_PARAMETERS
from tests.support.report_rows import AS_OF, FIRST_EVENT_AT, Values, report_rows

_SCHEMAS = {
    "usage": (
        "usage_summary",
        "usage_by_agent",
        "usage_by_model",
        "usage_by_provider",
        "usage_daily",
        "usage_hourly",
        "session_distribution",
        "usage_by_weekday_hour",
        USAGE_FORECAST,
    ),
    "quality": ("quality_summary", "tool_usage", "task_summary", "tasks_by_steps"),
    "revenue": ("value_summary", "revenue_summary", "adoption_summary", "revenue_daily"),
    "compliance": ("compliance_summary", "compliance_by_agent_type", "pii_by_entity"),
    "feedback": ("feedback_summary", "feedback_by_agent_type", "feedback_by_load"),
    "operations": ("health_summary", "goals", "budgets", DAILY_ANOMALIES),
    "insights": (INSIGHTS,),
}

# A week of acme whose messages were published as 940 before 950.
RESTATED: tuple[Values, ...] = (
    {
        "publication_id": 7,
        "restated_as_of": datetime(2026, 3, 1, 6),
        "cause": "late rows",
        "dataset": "usage.usage_summary",
        "scope_kind": "tenant",
        "scope_id": "acme",
        "source_name": "native",
        "time_zone": "UTC",
        "start_local": date(2026, 2, 16),
        "end_local": date(2026, 2, 23),
        "start_at": datetime(2026, 2, 16),
        "end_at": datetime(2026, 2, 23),
        "subject": None,
        "metric_key": "agent_messages",
        "before_value": Decimal(940),
        "after_value": Decimal(950),
    },
)


@dataclass(frozen=True, kw_only=True)
class ScopeSeed:
    """One scope of the published state; ``marts`` replaces rows of its marts."""

    kind: ScopeKind
    id: str = ""
    name: str = ""
    marts: Mapping[str, Sequence[Values]] | None = None

    @property
    def key(self) -> str:
        return "*" if self.kind is ScopeKind.PLATFORM else f"native:{self.id}"


SCOPES = (
    ScopeSeed(kind=ScopeKind.PLATFORM),
    ScopeSeed(kind=ScopeKind.PUBLISHER, id="p1", name="Maker"),
    ScopeSeed(kind=ScopeKind.TENANT, id="acme", name="Acme Support"),
    ScopeSeed(kind=ScopeKind.TENANT, id="bolt", name="Bolt"),
)


def publish_reports(home: Path, scopes: Sequence[ScopeSeed] = SCOPES) -> Settings:
    """A deployment whose published state has these scopes as of Mar 2, 2026."""
    settings = Settings(home=home, threads=2)
    settings.published.mkdir(parents=True, exist_ok=True)
    settings.published_file.unlink(missing_ok=True)
    with duckdb.connect(str(settings.published_file)) as connection:
        _write_context(connection, scopes)
        _write_marts(connection, scopes)
    return settings


def subscribe(settings: Settings, *states: Mapping[str, Any]) -> None:
    """Land states of subscriptions; what a state leaves out is that of a weekly one of acme."""
    rows = [
        {
            "subscription_id": f"s{number}",
            "scope_kind": "tenant",
            "scope_id": "acme",
            "frequency": "weekly",
            "formats": ["pdf", "csv"],
            "recipients": ["ann@example.org"],
            "updated_at": datetime(2026, 1, 1),
            "is_active": True,
            "timezone": None,
            "source_name": "native",
            "row_hash": f"{number:032d}",
            **state,
        }
        for number, state in enumerate(states, start=1)
    ]
    load_id = hashlib.sha256(repr(rows).encode()).hexdigest()[:32]
    file = Path("raw/report_subscriptions/event_date=2026-01-01") / f"{load_id}.parquet"
    (settings.lake / file).parent.mkdir(parents=True, exist_ok=True)
    with duckdb.connect() as connection:
        connection.execute(
            "create table states (subscription_id varchar, scope_kind varchar, scope_id varchar,"
            " frequency varchar, formats varchar[], recipients varchar[], updated_at timestamp,"
            " is_active boolean, timezone varchar, source_name varchar, row_hash varchar, load_id varchar)"
        )
        connection.executemany(
            "insert into states values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [[*row.values(), load_id] for row in rows],
        )
        connection.execute(f"copy states to '{settings.lake / file}' (format parquet)")
    write_entry(
        settings.lake,
        LedgerEntry(
            source_name="native",
            adapter="native",
            adapter_version="1",
            content_sha256=load_id * 2,
            load_id=load_id,
            path="subscriptions.ndjson",
            size_bytes=1,
            format="ndjson",
            rows_read=len(rows),
            rows_ignored=0,
            loaded_at=AS_OF,
            streams={
                "report_subscriptions": StreamEntry(
                    rows_landed=len(rows), rows_quarantined=0, files=(file.as_posix(),)
                )
            },
        ),
        staging=settings.lake / ".staging" / load_id,
    )


def _write_context(connection: duckdb.DuckDBPyConnection, scopes: Sequence[ScopeSeed]) -> None:
    for schema in ("core", "meta", *_SCHEMAS):
        connection.execute(f"create schema {schema}")
    _create(connection, "meta.run_context", [{"as_of": AS_OF.replace(tzinfo=None)}])
    _create(
        connection,
        "meta.freshness",
        [
            {
                "kind": "stream",
                "name": "agent_events",
                "last_event_at": AS_OF.replace(tzinfo=None) - timedelta(minutes=5),
            }
        ],
    )
    _create(connection, "meta.restatements", RESTATED)
    _create(connection, "meta.quarantine", [{"row_count": 17}])
    for kind, column in ((ScopeKind.TENANT, "tenant"), (ScopeKind.PUBLISHER, "publisher")):
        members = [scope for scope in scopes if scope.kind is kind] or [
            ScopeSeed(kind=kind, id="none", name="None")
        ]
        _create(
            connection,
            f"core.dim_{column}s",
            [
                {
                    f"{column}_key": scope.key,
                    f"{column}_id": scope.id,
                    f"{column}_name": scope.name,
                    "source_name": "native",
                    "time_zone": "UTC",
                }
                for scope in members
            ],
        )
    _create(
        connection,
        "core.dim_agents",
        [
            {
                "agent_id": "a1",
                "agent_name": "A",
                "source_name": "native",
                "publisher_key": "native:p1",
            }
        ],
    )
    for fact, time in (("fct_invocations", "responded_at"), ("fct_llm_calls", "used_at")):
        _create(
            connection,
            f"core.{fact}",
            [
                {
                    "tenant_key": scope.key if scope.kind is ScopeKind.TENANT else "native:others",
                    "publisher_key": scope.key
                    if scope.kind is ScopeKind.PUBLISHER
                    else "native:others",
                    time: FIRST_EVENT_AT.replace(tzinfo=None),
                }
                for scope in scopes
            ],
        )
    _create(connection, "core.dim_windows", [row for scope in scopes for row in _windows(scope)])


_FREQUENCIES = (Frequency.WEEKLY, Frequency.MONTHLY)


def _windows(scope: ScopeSeed) -> list[Values]:
    rows: list[Values] = []
    for frequency in _FREQUENCIES:
        window = report_rows(kind=scope.kind, frequency=frequency).window
        length = window.end_day - window.first_day
        for is_previous in (False, True):
            start = window.first_day - length if is_previous else window.first_day
            end = window.first_day if is_previous else window.end_day
            rows.append(
                {
                    "window_key": _window_key(scope, frequency, is_previous=is_previous),
                    "scope_kind": scope.kind.value,
                    "scope_id": scope.id or "platform",
                    "source_name": None if scope.kind is ScopeKind.PLATFORM else "native",
                    "scope_key": scope.key,
                    "time_zone": "UTC",
                    "window_kind": frequency.value,
                    "is_previous": is_previous,
                    "previous_window_key": None
                    if is_previous
                    else _window_key(scope, frequency, is_previous=True),
                    "start_local": start,
                    "end_local": end,
                    "start_at": datetime(start.year, start.month, start.day),
                    "end_at": datetime(end.year, end.month, end.day),
                    "is_partial": False,
                }
            )
    return rows


def _window_key(scope: ScopeSeed, frequency: Frequency, *, is_previous: bool) -> str:
    return f"{scope.kind}:{scope.key}/{frequency}/{'previous' if is_previous else 'current'}"


def _write_marts(connection: duckdb.DuckDBPyConnection, scopes: Sequence[ScopeSeed]) -> None:
    schema_of = {mart: schema for schema, marts in _SCHEMAS.items() for mart in marts}
    written: dict[str, list[Values]] = {
        mart: [] for mart in (*SUMMARIES, *BREAKDOWNS, DAILY_ANOMALIES, USAGE_FORECAST, INSIGHTS)
    }
    for scope in scopes:
        for frequency in _FREQUENCIES:
            made = report_rows(kind=scope.kind, frequency=frequency, marts=scope.marts)
            for is_previous, marts in ((False, made.current), (True, made.previous)):
                key = _window_key(scope, frequency, is_previous=is_previous)
                for mart, rows in marts.items():
                    more = {"state": "open"} if mart == INSIGHTS else {}
                    written[mart] += [{"window_key": key, **more, **row.values} for row in rows]
    for mart, values in written.items():
        table = f"{schema_of[mart]}.{mart}"
        _create(connection, table, values)
        function, parameters = mart, TABLE_FUNCTION_PARAMETERS
        if mart == INSIGHTS:
            function = "insight_findings"
            parameters += ", previous_start := null, previous_end := null"
        # Whatever window is asked for, a scope has the rows of its weekly one.
        connection.execute(
            f"create macro {function}({parameters}) as table from {table} where window_key ="
            " (case when scope = 'platform' then 'platform:*' else split_part(scope, ':', 1) ||"
            " ':native:' || split_part(scope, ':', 2) end) || '/weekly/current'"
        )


def _create(connection: duckdb.DuckDBPyConnection, table: str, rows: Sequence[Values]) -> None:
    """A table of the rows, each column of the type of its values."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    columns = ", ".join(f'"{name}" {_type([row.get(name) for row in rows])}' for name in names)
    connection.execute(f"create table {table} ({columns})")
    # One statement of text: bound row by row, the tables took three seconds.
    lines = ", ".join(f"({', '.join(_text(row.get(name)) for name in names)})" for row in rows)
    connection.execute(f"insert into {table} values {lines}")


def _text(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool | int | float | Decimal):
        return str(value)
    return "'" + str(value).replace("'", "''") + "'"


def _type(values: Sequence[Any]) -> str:
    kinds = {type(value) for value in values if value is not None}
    for kind, name in (
        (Decimal, "decimal(38, 12)"),
        (float, "double"),
        (bool, "boolean"),
        (int, "bigint"),
        (datetime, "timestamp"),
        (date, "date"),
    ):
        if kind in kinds:
            return name
    return "varchar"


LATER = datetime(2026, 3, 3, 6, tzinfo=UTC)
