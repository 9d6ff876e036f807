"""What a build has to do, and the small tables that tell dbt so.

Belongs here: comparing the ledger and the code with the last publication, and writing the run inputs
(`raw.run_context`, `raw.files`, `raw.loads`, `raw.lake_files`, `raw.pending_event_dates`, `raw.rebuilt_days`,
`raw.quarantine`, `raw.frozen_days`, `raw.removed_ranges`). Does not belong here: closing the pending dates
over changed keys, which is SQL (models/intermediate).
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb

from orchestration.errors import RunFailure
from orchestration.ingest.ledger import LedgerEntry
from orchestration.ingest.listing import lake_files
from orchestration.ingest.quarantine import Holding, holdings
from orchestration.ingest.repeats import count_repeats
from orchestration.ingest.tombstones import frozen_file, ranges_file
from orchestration.settings import DEFAULT_TARGET, Settings
from orchestration.state.store import Publication
from orchestration.warehouse.date_slices import date_slice_ends
from orchestration.warehouse.days import DayRange
from orchestration.warehouse.engines import engine_of
from orchestration.warehouse.sql_text import text as _text
from orchestration.warehouse.unaudited import read_unaudited

# What decides which rows a model makes. Tests and docs do not; changing them never rebuilds anything.
_CODE = (
    "dbt_project/models",
    "dbt_project/macros",
    "dbt_project/dbt_project.yml",
    "seeds/reference",
)

# What retention keeps of what it removed; the measures are those of the mart tenant_days.
_MONEY = "decimal(38, 12)"
_FROZEN_DAYS = {
    "removal_id": "varchar",
    "event_date": "date",
    "active_tenants": "bigint",
    "agent_messages": "bigint",
    "completed_count": "bigint",
    "errored_count": "bigint",
    "user_messages": "bigint",
    "active_users": "bigint",
    "input_tokens": "bigint",
    "output_tokens": "bigint",
    "total_tokens": "bigint",
    "cost_usd": _MONEY,
    "unpriced_usage_count": "bigint",
    "resolved_conversations": "bigint",
    "escalated_conversations": "bigint",
    "completed_tasks": "bigint",
    "failed_tasks": "bigint",
    "charge_count": "bigint",
    "refund_count": "bigint",
    "gross_usd": _MONEY,
    "refund_usd": _MONEY,
    "net_usd": _MONEY,
    "fee_usd": _MONEY,
}
_REMOVED_RANGES = {
    "scope_kind": "varchar",
    "source_name": "varchar",
    "scope_id": "varchar",
    "first_date": "date",
    "kept_from": "date",
}


@dataclass(frozen=True, kw_only=True)
class BuildPlan:
    """What to build and why. ``reason`` is one line for people; ``days`` are made again though no load
    touched them; ``lake_rows`` are the rows that landed of all streams, and ``entries`` the ledger
    that it was made from."""

    reason: str
    is_nothing: bool
    is_full_refresh: bool
    code_fingerprint: str
    load_ids: frozenset[str]
    pending_load_ids: frozenset[str]
    days: DayRange | None = None
    lake_rows: int = 0
    entries: Sequence[LedgerEntry] = field(default=(), repr=False)


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """What the warehouse file was built from, noted before the build so that publishing cannot mistake
    a file that another run rebuilt, or loads that came later, for its own.

    ``load_ids`` are those that are published with it; ``met_load_ids`` all whose rows it has met since it was
    made in full, whether a build that met them was published or not.
    """

    run_id: int
    code_fingerprint: str
    is_complete: bool
    load_ids: frozenset[str]
    met_load_ids: frozenset[str]


def plan_build(
    *,
    entries: Sequence[LedgerEntry],
    last: Publication | None,
    as_of: datetime,
    code_fingerprint: str,
    candidate: Candidate | None,
    is_rolled_back: bool,
    days: DayRange | None = None,
    is_by_the_clock: bool = False,
) -> BuildPlan:
    """Compare what is loaded with what is published; ``days`` are built again whatever was published.

    ``candidate`` is what the warehouse was built from, None when an increment could not go on with it;
    ``is_rolled_back`` says that readers see an older publication than ``last``. Without new loads what was
    published holds until the hour is over, unless somebody asked for another time than the clock's.
    """
    load_ids = frozenset(entry.load_id for entry in entries)
    published = last.load_ids if last else frozenset()
    pending = load_ids - published
    is_full_refresh = True
    if last is None:
        reason = "nothing is published yet"
    elif candidate is None:
        reason = "there is no warehouse of this engine yet"
    elif {last.code_fingerprint, candidate.code_fingerprint} != {code_fingerprint}:
        reason = "the models or the reference data changed"
    elif candidate.met_load_ids - load_ids:
        # A build that was not published took up what an adapter has read anew since, or somebody took out.
        reason = "loads that the warehouse was built from are gone"
    elif published - load_ids:
        # A load was taken back (erasure): its rows can be in any fact of its dates and beyond.
        reason = "loads that were published are gone"
    else:
        is_full_refresh = False
        if days is not None:
            reason = f"the event days {days} are to be built again"
            reason += f", and {len(pending)} new loads" if pending else ""
        elif pending:
            reason = f"{len(pending)} new loads"
        elif last.as_of != as_of and not (is_by_the_clock and _is_same_hour(last.as_of, as_of)):
            reason = "the as-of time moved"
        elif not last.is_complete:
            reason = "only part of the marts was published for this time"
        elif is_rolled_back:
            reason = "readers were taken back to an older publication"
        else:
            return BuildPlan(
                reason="nothing is new",
                is_nothing=True,
                is_full_refresh=False,
                code_fingerprint=code_fingerprint,
                load_ids=load_ids,
                pending_load_ids=frozenset(),
                entries=entries,
            )
    return BuildPlan(
        reason=reason,
        is_nothing=False,
        is_full_refresh=is_full_refresh,
        code_fingerprint=code_fingerprint,
        load_ids=load_ids,
        pending_load_ids=load_ids if is_full_refresh else pending,
        days=days,
        lake_rows=sum(entry.rows_landed for entry in entries),
        entries=entries,
    )


def _is_same_hour(one: datetime, other: datetime) -> bool:
    return one <= other < one.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)


def built_days(plan: BuildPlan) -> list[date]:
    """The event days that a build takes up: those its loads touched, and those it was asked for."""
    touched = {
        date.fromisoformat(day)
        for entry in plan.entries
        if entry.load_id in plan.pending_load_ids
        for landed in entry.streams.values()
        for day in landed.event_dates
    }
    return sorted(touched.union(plan.days.days() if plan.days else ()))


def fingerprint_code(project_root: Path, *, places: Sequence[str] = _CODE) -> str:
    """A digest of everything that decides what the models make, or of other files of the project."""
    digest = hashlib.sha256()
    for place in places:
        root = project_root / place
        files = sorted(root.rglob("*")) if root.is_dir() else [root]
        for file in files:
            if file.is_file():
                digest.update(str(file.relative_to(project_root)).encode())
                digest.update(b"\0")
                digest.update(file.read_bytes())
    return digest.hexdigest()


def write_run_inputs(
    settings: Settings,
    *,
    plan: BuildPlan,
    run_id: int,
    as_of: datetime,
    is_complete: bool,
    only_streams: frozenset[str] | None = None,
) -> None:
    """Write the run inputs; each file is replaced whole.

    ``is_complete`` says whether all models are built from them. Where the build is of ``only_streams``, it
    knows nothing of what else was landed since the last publication, and takes no load for done: the next
    build of all reads them again.
    """
    settings.run_inputs.mkdir(parents=True, exist_ok=True)
    entries = plan.entries
    before = None if plan.is_full_refresh else candidate_of_increment(settings)
    if plan.is_full_refresh:
        # Before anything says that there is another candidate: a run killed right then begins it anew.
        _begun_file(settings).touch()
    context = [
        {
            "run_id": str(run_id),
            "as_of": _naive(as_of),
            "platform_time_zone": settings.time_zone,
        }
    ]
    loads: list[Mapping[str, object]] = []
    pending_dates: set[tuple[str, str]] = set()
    for entry in sorted(entries, key=lambda one: one.load_id):
        is_pending = entry.load_id in plan.pending_load_ids
        for stream, landed in sorted(entry.streams.items()):
            if is_pending and only_streams is not None and stream not in only_streams:
                continue
            loads.append(
                {
                    "load_id": entry.load_id,
                    "file_load_id": entry.replay_of or entry.load_id,
                    "source_name": entry.source_name,
                    "stream_name": stream,
                    "path": entry.path,
                    "adapter": entry.adapter,
                    "content_sha256": entry.content_sha256,
                    "rows_read": entry.rows_read,
                    "rows_ignored": entry.rows_ignored,
                    "rows_landed": landed.rows_landed,
                    "rows_quarantined": landed.rows_quarantined,
                    "min_event_at": _naive(landed.min_event_at),
                    "max_event_at": _naive(landed.max_event_at),
                    "loaded_at": _naive(entry.loaded_at),
                    "is_pending": is_pending,
                }
            )
            if is_pending:
                pending_dates.update((stream, str(day)) for day in landed.event_dates)
    repeats = count_repeats(settings.lake)
    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'")
        _write(
            connection,
            settings.run_inputs / "run_context.parquet",
            context,
            {"run_id": "varchar", "as_of": "timestamp", "platform_time_zone": "varchar"},
        )
        _write(
            connection,
            settings.run_inputs / "loads.parquet",
            loads,
            {
                "load_id": "varchar",
                "file_load_id": "varchar",
                "source_name": "varchar",
                "stream_name": "varchar",
                "path": "varchar",
                "adapter": "varchar",
                "content_sha256": "varchar",
                "rows_read": "bigint",
                "rows_ignored": "bigint",
                "rows_landed": "bigint",
                "rows_quarantined": "bigint",
                "min_event_at": "timestamp",
                "max_event_at": "timestamp",
                "loaded_at": "timestamp",
                "is_pending": "boolean",
            },
        )
        _write(
            connection,
            settings.run_inputs / "files.parquet",
            [_file_row(held, repeats=repeats) for held in holdings(entries)],
            {
                "load_id": "varchar",
                "source_name": "varchar",
                "path": "varchar",
                "adapter": "varchar",
                "adapter_version": "varchar",
                "loaded_at": "timestamp",
                "rows_read": "bigint",
                "rows_ignored": "bigint",
                "rows_expanded": "bigint",
                "rows_replayed": "bigint",
                "repeated_file_count": "bigint",
            },
        )
        _write(
            connection,
            settings.run_inputs / "lake_files.parquet",
            [
                {
                    "stream_name": file.stream,
                    "event_date": file.event_date,
                    "path": str(settings.lake / file.path),
                    "excluded_load_ids": list(file.excluded_load_ids),
                }
                for file in lake_files(settings.lake, entries=entries)
            ],
            {
                "stream_name": "varchar",
                "event_date": "date",
                "path": "varchar",
                "excluded_load_ids": "varchar[]",
            },
        )
        _write(
            connection,
            settings.run_inputs / "pending_event_dates.parquet",
            [{"stream_name": stream, "event_date": day} for stream, day in sorted(pending_dates)],
            {"stream_name": "varchar", "event_date": "date"},
        )
        _write(
            connection,
            settings.run_inputs / "date_slices.parquet",
            [{"last_date": day} for day in date_slice_ends(entries, memory_gb=settings.memory_gb)],
            {"last_date": "date"},
        )
        _write(
            connection,
            settings.run_inputs / "rebuilt_days.parquet",
            [{"event_date": str(day)} for day in (plan.days.days() if plan.days else ())],
            {"event_date": "date"},
        )
        _write(
            connection,
            settings.run_inputs / "quarantine.parquet",
            [row for held in holdings(entries) for row in _quarantine_rows(held)],
            {
                "load_id": "varchar",
                "source_name": "varchar",
                "stream_name": "varchar",
                "reason_code": "varchar",
                "row_count": "bigint",
            },
        )
        for name, path, types in (
            ("frozen_days", frozen_file(settings.lake), _FROZEN_DAYS),
            ("removed_ranges", ranges_file(settings.lake), _REMOVED_RANGES),
        ):
            _copy_or_empty(connection, settings.run_inputs / f"{name}.parquet", path, types)
    met = frozenset(str(load["load_id"]) for load in loads)
    _write_candidate(
        settings,
        Candidate(
            run_id=run_id,
            code_fingerprint=plan.code_fingerprint,
            is_complete=is_complete,
            load_ids=(
                plan.load_ids if only_streams is None else plan.load_ids - plan.pending_load_ids
            ),
            met_load_ids=met | (before.met_load_ids if before else frozenset()),
        ),
    )


def _copy_or_empty(
    connection: duckdb.DuckDBPyConnection, target: Path, source: Path, types: Mapping[str, str]
) -> None:
    """A table of the lake that need not exist, as a run input with all its columns."""
    columns = ", ".join(f"null::{kind} as {name}" for name, kind in types.items())
    rows = f" union all by name from read_parquet({_text(source)})" if source.exists() else ""
    _copy(connection, target, f"select {columns} where false{rows}", {})


def _file_row(held: Holding, *, repeats: Mapping[str, int]) -> Mapping[str, object]:
    """What became of a file, with the changes that replays of its refused rows made."""
    return {
        "load_id": held.entry.load_id,
        "source_name": held.entry.source_name,
        "path": held.entry.path,
        "adapter": held.entry.adapter,
        "adapter_version": held.entry.adapter_version,
        "loaded_at": _naive(held.entry.loaded_at),
        "rows_read": held.entry.rows_read,
        "rows_ignored": sum(one.rows_ignored for one in held.everything),
        "rows_expanded": sum(one.rows_expanded for one in held.everything),
        "rows_replayed": sum(one.rows_landed for one in held.replays),
        "repeated_file_count": repeats.get(held.entry.load_id, 0),
    }


def _quarantine_rows(held: Holding) -> Iterator[Mapping[str, object]]:
    """The rows of a file that are refused now, by stream and reason."""
    counts: Counter[tuple[str, str]] = Counter()
    for entry in held.everything:
        for stream, landed in entry.streams.items():
            for reason, count in landed.quarantined_by_reason.items():
                counts[stream, reason] += count
    for (stream, reason), count in sorted(counts.items()):
        if count:
            yield {
                "load_id": held.entry.load_id,
                "source_name": held.entry.source_name,
                "stream_name": stream,
                "reason_code": reason,
                "row_count": count,
            }


def candidate_of_increment(settings: Settings) -> Candidate | None:
    """The candidate that an increment can go on with; None when there is none of this engine.

    None as well while a full refresh is not published: one that was killed leaves a candidate without some
    tables, in which no increment could be built. And where the engine does not replace the days of a fact at
    once, after a build that died: days may be gone that nothing would make again.

    After a build with changed code failed its audit and the change was taken back, this is what tells that
    it is not what the last publication says.
    """
    path = settings.run_inputs / "candidate.json"
    if not path.exists() or _begun_file(settings).exists():
        return None
    content = json.loads(path.read_text(encoding="utf-8"))
    # What another engine built last says nothing of what this one has.
    if content.get("target", DEFAULT_TARGET) != settings.target:
        return None
    engine = engine_of(settings)
    if not engine.replaces_days_at_once and read_unaudited(settings).begun:
        return None
    return _candidate(content) if engine.has_candidate(settings) else None


def end_full_refresh(settings: Settings) -> None:
    """Note that the candidate is whole."""
    _begun_file(settings).unlink(missing_ok=True)


def _begun_file(settings: Settings) -> Path:
    return settings.run_inputs / "full_refresh.begun"


def read_candidate(settings: Settings, *, run_id: int) -> Candidate:
    """What the warehouse file was last built from.

    Raises:
        RunFailure: another run has rebuilt it since; publishing it under this run would be wrong.
    """
    path = settings.run_inputs / "candidate.json"
    if not path.exists():
        raise RunFailure(f"Nothing is built in {settings.warehouse}; run `agentmart run`")
    content = json.loads(path.read_text(encoding="utf-8"))
    if content["run_id"] != run_id:
        raise RunFailure(
            f"Run {run_id} cannot publish: run {content['run_id']} rebuilt the warehouse since; "
            "run again"
        )
    return _candidate(content)


def _candidate(content: Mapping[str, Any]) -> Candidate:
    load_ids = frozenset(content["load_ids"])
    return Candidate(
        run_id=content["run_id"],
        code_fingerprint=content["code_fingerprint"],
        is_complete=content["is_complete"],
        load_ids=load_ids,
        # An earlier version does not say it.
        met_load_ids=frozenset(content.get("met_load_ids", load_ids)),
    )


def _write_candidate(settings: Settings, candidate: Candidate) -> None:
    path = settings.run_inputs / "candidate.json"
    unfinished = path.with_suffix(".json.tmp")
    content = {
        "target": settings.target,
        "run_id": candidate.run_id,
        "code_fingerprint": candidate.code_fingerprint,
        "is_complete": candidate.is_complete,
        "load_ids": sorted(candidate.load_ids),
        "met_load_ids": sorted(candidate.met_load_ids),
    }
    unfinished.write_text(json.dumps(content), encoding="utf-8")
    unfinished.replace(path)


def _write(
    connection: duckdb.DuckDBPyConnection,
    target: Path,
    rows: Iterable[Mapping[str, object]],
    types: Mapping[str, str],
) -> None:
    """Write rows as typed Parquet. DuckDB reads them from one JSON file: thousands of ledger entries
    through executemany take seconds, through the file a few milliseconds."""
    with tempfile.NamedTemporaryFile("w", suffix=".ndjson", encoding="utf-8") as lines:
        for row in rows:
            lines.write(json.dumps(row))
            lines.write("\n")
        lines.flush()
        columns = "{" + ", ".join(f"'{name}': '{kind}'" for name, kind in types.items()) + "}"
        _copy(
            connection,
            target,
            f"select * from read_json($path, format = 'newline_delimited', columns = {columns})",
            {"path": lines.name},
        )


def _copy(
    connection: duckdb.DuckDBPyConnection,
    target: Path,
    query: str,
    parameters: Mapping[str, object],
) -> None:
    unfinished = target.with_suffix(".parquet.tmp")
    unfinished.unlink(missing_ok=True)
    quoted = str(unfinished).replace("'", "''")
    connection.execute(f"copy ({query}) to '{quoted}' (format parquet)", dict(parameters))
    unfinished.replace(target)


def _naive(moment: datetime | None) -> str | None:
    """UTC without its zone, as every timestamp column of the warehouse is stored."""
    if moment is None:
        return None
    if moment.tzinfo is not None:
        moment = moment.astimezone(UTC).replace(tzinfo=None)
    return moment.isoformat(sep=" ")
