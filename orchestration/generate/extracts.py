"""Synthetic extracts of every stream of the contract, made by DuckDB from a seed.

Belongs here: the order in which the SQL beside this module runs, and how its rows are cut into
files. Does not belong here: what the rows say (the .sql files), the faults of real deliveries
(dirt.py), reading extracts (ingest/).
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from importlib.resources import files
from pathlib import Path

import duckdb

from orchestration.errors import UserError
from orchestration.generate.dirt import add_dirt

# Measured over the default set: events that a session comes to, with its tool calls and ratings.
EVENTS_PER_SESSION = 6.7

DAYS_PER_DELIVERY = 7

# A chunk is planned once whatever its size (0.3 s), held in memory, and scanned for every day it
# delivers: 400,000 events over 60 days took 28 s in one chunk and 15 s in chunks of this size.
EVENTS_PER_CHUNK = 150_000

# On these days of ten the producer of agent events sends something else than plain ndjson.
_EVENT_SUFFIXES = {4: "ndjson.gz", 7: "ndjson.zst", 8: "parquet"}

_COPY_OPTIONS = {
    "ndjson": "FORMAT json",
    "ndjson.gz": "FORMAT json, COMPRESSION gzip",
    "ndjson.zst": "FORMAT json, COMPRESSION zstd",
    "json": "FORMAT json, ARRAY true",
    "csv": "FORMAT csv, HEADER true",
    "csv.gz": "FORMAT csv, HEADER true, COMPRESSION gzip",
    "parquet": "FORMAT parquet, COMPRESSION zstd",
}


@dataclass(frozen=True, kw_only=True)
class Stream:
    """How one stream is delivered: a file ``every`` so many days, or (0) on each day with rows."""

    name: str
    key: str
    every: int
    suffix: str = "ndjson"


@dataclass(frozen=True, kw_only=True)
class Calendar:
    """The days of a set, numbered from 0; number ``days`` is the open day at the end."""

    first_day: date
    days: int

    def day(self, day_no: int) -> date:
        return self.first_day + timedelta(days=day_no)

    def covered_by(self, stream: Stream, day_no: int) -> list[date]:
        """The days whose rows the file of this day holds; none where no file is due."""
        every = max(stream.every, 1)
        if day_no == self.days:
            covered = range(day_no - day_no % every, day_no + 1)
        elif day_no % every == every - 1:
            covered = range(day_no - every + 1, day_no + 1)
        else:
            covered = range(0)
        return [self.day(number) for number in covered]


GROWING_STREAMS = (
    Stream(name="agent_events", key="id", every=1),
    Stream(name="llm_calls", key="llm_call_id", every=1),
    Stream(name="audit_events", key="audit_id", every=DAYS_PER_DELIVERY, suffix="ndjson.gz"),
    Stream(name="conversations", key="conversation_id", every=DAYS_PER_DELIVERY),
    Stream(name="tasks", key="task_id, status", every=DAYS_PER_DELIVERY, suffix="ndjson.zst"),
    Stream(name="quality_scores", key="score_id", every=DAYS_PER_DELIVERY, suffix="parquet"),
    Stream(name="charges", key="charge_id", every=DAYS_PER_DELIVERY, suffix="csv"),
)

STEADY_STREAMS = (
    Stream(
        name="instance_samples",
        key="agent_type_id, tenant_id",
        every=DAYS_PER_DELIVERY,
        suffix="parquet",
    ),
    Stream(name="health_samples", key="service", every=DAYS_PER_DELIVERY, suffix="parquet"),
    Stream(name="incidents", key="incident_id", every=0),
    Stream(name="deployments", key="deployment_id", every=0, suffix="csv"),
    Stream(name="provider_bills", key="bill_id", every=0, suffix="csv"),
    Stream(name="publishers", key="publisher_id", every=0),
    Stream(name="agents", key="agent_id", every=0, suffix="json"),
    Stream(name="tenants", key="tenant_id", every=0, suffix="csv"),
    Stream(name="budgets", key="scope_kind, scope_id, month", every=0, suffix="csv"),
    Stream(name="goals", key="scope_kind, scope_id, metric", every=0, suffix="csv.gz"),
    Stream(name="experiments", key="experiment_id", every=0),
    Stream(name="report_subscriptions", key="subscription_id", every=0),
    Stream(name="alert_rules", key="rule, scope_kind, scope_id", every=0, suffix="json"),
)


def write_extracts(*, out: Path, events: int, days: int, seed: int, until: datetime) -> None:
    """Write about ``events`` agent events, and what belongs to them, over ``days`` days.

    The day of ``until`` follows these, begun and left open. The same arguments give the same bytes.

    Raises:
        UserError: an argument is out of range, or ``out`` already holds something.
    """
    if events < 1 or days < 1:
        raise UserError(f"events is {events} and days is {days}; both must be at least 1")
    if until.tzinfo is None:
        raise UserError(f"until is {until.isoformat()}, without a zone; add one, such as Z")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UserError(f"{out} is not an empty folder; name a new one, or remove it first")
    partial = out.with_name(out.name + ".partial")
    if partial.exists():
        shutil.rmtree(partial)
    partial.mkdir(parents=True)
    spill = partial / "spill"
    moment = until.astimezone(UTC).replace(tzinfo=None)
    with duckdb.connect(":memory:", config={"temp_directory": str(spill)}) as connection:
        _write_all(connection, out=partial, events=events, days=days, seed=seed, until=moment)
    shutil.rmtree(spill, ignore_errors=True)
    add_dirt(out=partial, until=moment)
    # Ingestion passes over names that begin with an underscore.
    (partial / "_README.txt").write_text(_resource("README.txt"), encoding="utf-8")
    if out.exists():
        out.rmdir()
    partial.rename(out)


def _write_all(
    connection: duckdb.DuckDBPyConnection,
    *,
    out: Path,
    events: int,
    days: int,
    seed: int,
    until: datetime,
) -> None:
    first_day = until.date() - timedelta(days=days)
    connection.execute("set TimeZone = 'UTC'")
    connection.execute("set enable_progress_bar = false")
    _set_variable(connection, "seed", seed, "bigint")
    _set_variable(connection, "total_sessions", round(events / EVENTS_PER_SESSION), "bigint")
    _set_variable(connection, "first_day", first_day, "date")
    _set_variable(connection, "last_day", until.date(), "date")
    _set_variable(connection, "until", until, "timestamp")
    for script in ("world", "calendar", "streams"):
        connection.execute(_sql(script))
    calendar = Calendar(first_day=first_day, days=days)
    turns, outcomes = _sql("turns"), _sql("outcomes")
    chunk_days = max(1, EVENTS_PER_CHUNK * days // events)
    for chunk_from in range(0, days + 1, chunk_days):
        chunk = range(chunk_from, min(days + 1, chunk_from + chunk_days))
        _set_variable(connection, "chunk_from", calendar.day(chunk[0]), "date")
        _set_variable(connection, "chunk_to", calendar.day(chunk[-1]), "date")
        connection.execute(turns)
        connection.execute(outcomes)
        for stream in GROWING_STREAMS:
            _deliver(connection, stream=stream, out=out, calendar=calendar, day_numbers=chunk)
            _forget_delivered(connection, stream=stream, calendar=calendar, day_numbers=chunk)
    connection.execute(_sql("steady"))
    for stream in STEADY_STREAMS:
        _deliver(connection, stream=stream, out=out, calendar=calendar, day_numbers=range(days + 1))


def _set_variable(
    connection: duckdb.DuckDBPyConnection, name: str, value: int | date | datetime, kind: str
) -> None:
    connection.execute(f"set variable {name} = cast('{value}' as {kind})")


def _sql(name: str) -> str:
    return _resource(f"{name}.sql")


def _resource(name: str) -> str:
    return (files("orchestration.generate") / name).read_text(encoding="utf-8")


def _deliver(
    connection: duckdb.DuckDBPyConnection,
    *,
    stream: Stream,
    out: Path,
    calendar: Calendar,
    day_numbers: range,
) -> None:
    """Write the files that fall due on these days, each with the rows since the one before."""
    waiting = connection.execute(f"select distinct delivered_on from out_{stream.name}").fetchall()
    waiting_days = {day for (day,) in waiting}
    for day_no in day_numbers:
        covered = calendar.covered_by(stream, day_no)
        if not waiting_days.intersection(covered):
            continue
        suffix = stream.suffix
        if stream.name == "agent_events":
            suffix = _EVENT_SUFFIXES.get(day_no % 10, suffix)
        folder = out / stream.name / f"dt={calendar.day(day_no)}"
        folder.mkdir(parents=True)
        rows = (
            "select * exclude (delivered_on, happened_at, copies, copy_no) "
            f"from out_{stream.name} "
            "cross join lateral unnest(range(copies)) as numbers (copy_no) "
            f"where delivered_on between date '{covered[0]}' and date '{covered[-1]}' "
            f"order by happened_at, {stream.key}"
        )
        _copy(connection, rows=rows, path=folder / f"part-0.{suffix}", suffix=suffix)


def _forget_delivered(
    connection: duckdb.DuckDBPyConnection,
    *,
    stream: Stream,
    calendar: Calendar,
    day_numbers: range,
) -> None:
    """Keep only what waits: deleted rows of a table in memory would still take their place."""
    due = [number for number in day_numbers if calendar.covered_by(stream, number)]
    if due:
        connection.execute(
            f"create or replace table out_{stream.name} as from out_{stream.name} "
            f"where delivered_on > date '{calendar.day(due[-1])}'"
        )


def _copy(connection: duckdb.DuckDBPyConnection, *, rows: str, path: Path, suffix: str) -> None:
    target = str(path).replace("'", "''")
    connection.execute(f"copy ({rows}) to '{target}' ({_COPY_OPTIONS[suffix]})")
