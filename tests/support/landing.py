"""Landing folders for tests: write extracts, load them, read back what became of the rows."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb

from orchestration.ingest.load import FileOutcome, LoadReport, load_landing
from orchestration.settings import Settings

AS_OF = datetime(2026, 3, 10, 12, tzinfo=UTC)

Row = Mapping[str, Any]

# One row of every stream that keeps the contract, with its required fields and no other.
VALID_ROWS: dict[str, dict[str, Any]] = {
    "agent_events": {
        "id": "e-1",
        "event_type": "agent_invoked",
        "agent_id": "a-1",
        "publisher_id": "p-1",
        "tenant_id": "t-1",
        "timestamp": "2026-03-01T10:00:00Z",
    },
    "llm_calls": {
        "llm_call_id": "c-1",
        "invocation_id": "i-1",
        "timestamp": "2026-03-01T10:00:00Z",
        "model": "gpt-4o",
    },
    "audit_events": {
        "audit_id": "au-1",
        "tenant_id": "t-1",
        "agent_id": "a-1",
        "timestamp": "2026-03-01T10:00:00Z",
    },
    "quality_scores": {
        "score_id": "s-1",
        "conversation_id": "co-1",
        "tenant_id": "t-1",
        "agent_id": "a-1",
        "dimension": "tone",
        "score": 4,
        "judged_at": "2026-03-01T10:00:00Z",
    },
    "charges": {
        "charge_id": "ch-1",
        "tenant_id": "t-1",
        "publisher_id": "p-1",
        "agent_id": "a-1",
        "charged_at": "2026-03-01T10:00:00Z",
        "amount": "12.50",
        "currency": "EUR",
        "kind": "usage",
    },
    "provider_bills": {
        "bill_id": "b-1",
        "provider": "openai",
        "period_start": "2026-02-01",
        "period_end": "2026-03-01",
        "amount": "100",
        "currency": "USD",
    },
    "instance_samples": {
        "agent_type_id": "ty-1",
        "timestamp": "2026-03-01T10:00:00Z",
        "running_instances": 3,
    },
    "health_samples": {"service": "api", "timestamp": "2026-03-01T10:00:00Z"},
    "incidents": {
        "incident_id": "in-1",
        "service": "api",
        "started_at": "2026-03-01T10:00:00Z",
        "updated_at": "2026-03-01T11:00:00Z",
    },
    "deployments": {
        "deployment_id": "d-1",
        "agent_id": "a-1",
        "agent_version": "1.2",
        "deployed_at": "2026-03-01T10:00:00Z",
    },
    "conversations": {
        "conversation_id": "co-1",
        "tenant_id": "t-1",
        "agent_id": "a-1",
        "created_at": "2026-03-01T10:00:00Z",
        "status": "open",
        "updated_at": "2026-03-01T11:00:00Z",
    },
    "tasks": {
        "task_id": "ta-1",
        "tenant_id": "t-1",
        "agent_id": "a-1",
        "status": "queued",
        "created_at": "2026-03-01T10:00:00Z",
        "updated_at": "2026-03-01T11:00:00Z",
    },
    "agents": {
        "agent_id": "a-1",
        "agent_name": "Concierge",
        "agent_type_id": "ty-1",
        "updated_at": "2026-03-01T11:00:00Z",
    },
    "publishers": {
        "publisher_id": "p-1",
        "publisher_name": "Acme",
        "updated_at": "2026-03-01T11:00:00Z",
    },
    "tenants": {
        "tenant_id": "t-1",
        "tenant_name": "Globex",
        "updated_at": "2026-03-01T11:00:00Z",
    },
    "budgets": {
        "scope_kind": "tenant",
        "scope_id": "t-1",
        "month": "2026-03",
        "amount_usd": "500",
        "updated_at": "2026-03-01T11:00:00Z",
    },
    "goals": {
        "scope_kind": "tenant",
        "scope_id": "t-1",
        "metric": "cost_usd",
        "target": "10.5",
        "updated_at": "2026-03-01T11:00:00Z",
    },
    "experiments": {
        "experiment_id": "x-1",
        "agent_id": "a-1",
        "version_a": "1",
        "version_b": "2",
        "started_at": "2026-03-01T10:00:00Z",
        "updated_at": "2026-03-01T11:00:00Z",
    },
    "report_subscriptions": {
        "subscription_id": "su-1",
        "scope_kind": "platform",
        "scope_id": "platform",
        "frequency": "weekly",
        "formats": ["pdf", "csv"],
        "recipients": ["ops@example.com"],
        "updated_at": "2026-03-01T11:00:00Z",
    },
    "alert_rules": {
        "rule": "error_rate",
        "scope_kind": "tenant",
        "scope_id": "t-1",
        "updated_at": "2026-03-01T11:00:00Z",
    },
}


def row_of(stream: str, **changes: object) -> dict[str, Any]:
    """The valid row of a stream with other or more fields."""
    return {**VALID_ROWS[stream], **changes}


def events_and_a_bad_one(prefix: str, *, rows: int, days: int) -> list[Row]:
    """Events of the first days of March, the eighth of them of a type that the contract does not know."""
    return [
        row_of(
            "agent_events",
            id=f"{prefix}{row}",
            timestamp=f"2026-03-{1 + row % days:02}T10:00:00Z",
            event_type="unheard of" if row == 7 else "agent_invoked",
        )
        for row in range(rows)
    ]


def charges_now_and_soon(prefix: str = "") -> list[Row]:
    """A charge that counts now, and one of half an hour after ``AS_OF``."""
    return [
        row_of("charges", charge_id=f"{prefix}now"),
        row_of("charges", charge_id=f"{prefix}soon", charged_at="2026-03-10T12:30:00Z"),
    ]


def ndjson(rows: Sequence[Row]) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def csv_bytes(rows: Sequence[Row]) -> bytes:
    """Rows as csv; objects and lists as JSON text, booleans and numbers as written."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, fieldnames=columns)
    writer.writeheader()
    for row in rows:
        writer.writerow(
            {
                name: json.dumps(value) if isinstance(value, (dict, list, bool)) else value
                for name, value in row.items()
            }
        )
    return text.getvalue().encode()


def put_bytes(settings: Settings, path: str, content: bytes) -> Path:
    """Write a file below the landing folder."""
    target = settings.landing / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(content)
    return target


def put(settings: Settings, path: str, content: bytes) -> Path:
    """Write a file below the landing folder; .gz compresses."""
    is_gzip = path.endswith(".gz")
    return put_bytes(settings, path, gzip.compress(content, mtime=0) if is_gzip else content)


def put_with_duckdb(settings: Settings, path: str, rows: Sequence[Row]) -> Path:
    """Write rows as .zst lines or as .parquet, objects and lists as JSON text."""
    target = settings.landing / path
    target.parent.mkdir(parents=True, exist_ok=True)
    lines = target.with_name("rows.tmp")
    lines.write_bytes(ndjson(rows))
    with duckdb.connect() as connection:
        if path.endswith(".parquet"):
            columns = dict.fromkeys((name for row in rows for name in row), "VARCHAR")
            source = f"read_json('{lines}', format = 'newline_delimited', columns = {columns})"
            options = "format parquet"
        else:
            source = (
                f"read_csv('{lines}', header = false, quote = '', escape = '', delim = E'\\x01', "
                "columns = {'line': 'VARCHAR'})"
            )
            options = (
                "format csv, header false, quote '', escape '', delimiter E'\\x01', "
                "compression zstd"
            )
        connection.execute(f"copy (select * from {source}) to '{target}' ({options})")
    lines.unlink()
    return target


def load(settings: Settings, *, as_of: datetime = AS_OF) -> LoadReport:
    settings.landing.mkdir(parents=True, exist_ok=True)
    return load_landing(settings=settings, landing=settings.landing, as_of=as_of)


def load_rows(settings: Settings, stream: str, rows: Sequence[Row]) -> FileOutcome:
    """Load rows as one file of JSON lines."""
    put(settings, f"{stream}/rows.ndjson", ndjson(rows))
    (outcome,) = load(settings).files
    return outcome


def query(statement: str) -> list[dict[str, Any]]:
    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'")
        cursor = connection.execute(statement)
        names = [column[0] for column in cursor.description or []]
        return [dict(zip(names, values, strict=True)) for values in cursor.fetchall()]


def landed(settings: Settings, stream: str) -> list[dict[str, Any]]:
    """The landed rows of a stream with their event date, in order of file and row."""
    files = sorted((settings.lake / "raw" / stream).glob("event_date=*/*.parquet"))
    if not files:
        return []
    paths = [str(file) for file in files]
    return query(
        f"select * from read_parquet({paths}, hive_partitioning = true, "
        "hive_types = {'event_date': date}) order by load_id, row_number"
    )


def quarantined(settings: Settings) -> list[dict[str, Any]]:
    """The refused rows of every load, in order of file and row."""
    files = [str(file) for file in sorted((settings.lake / "quarantine").glob("*.parquet"))]
    if not files:
        return []
    return query(f"select * from read_parquet({files}) order by path, row_number, stream_name")


def tree(folder: Path) -> dict[str, str]:
    """Every file below a folder with the hash of its bytes."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
