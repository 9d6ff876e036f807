"""Taking rows out of the lake: files without them, and ledger entries that say what is left.

Belongs here: files and entries of the lake. Does not belong here: which rows go (doomed.py), in which order a
removal goes (removal.py).

The caller holds the warehouse's lock and lets nobody load. A file is replaced by one rename under the name it
has, so every moment finds it whole, with or without the rows; doing all again changes nothing. Entries are
mended by what their files hold now, so it does not matter where a removal was interrupted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from orchestration.contracts.streams import STREAMS
from orchestration.ingest import sql
from orchestration.ingest.lake import move_into_place
from orchestration.ingest.ledger import (
    LedgerEntry,
    StreamEntry,
    read_all_entries,
    replace_entry,
    sync_folder,
)
from orchestration.ingest.listing import (
    event_date_of,
    read_records,
    record_path,
    records_in_force,
)
from orchestration.ingest.pieces import LAKE_FORMAT
from orchestration.retention.search import Words

ERASED = "[erased]"


def rewrite_files(
    lake: Path, *, doomed: Path, staging: Path, connection: duckdb.DuckDBPyConnection
) -> int:
    """Take the rows listed in ``doomed`` out of the lake's files; how many files were changed."""
    paths = connection.execute(
        f"select distinct path, place from read_parquet({sql.text(str(doomed))}) order by all"
    ).fetchall()
    changed = 0
    for path, place in paths:
        if (lake / path).exists():
            connection.execute(
                "create or replace temp table going as select action, load_id, row_number, row_hash "
                f"from read_parquet({sql.text(str(doomed))}) where path = {sql.text(path)}"
            )
            changed += _rewrite(lake / path, place=place, staging=staging, connection=connection)
    return changed


def _rewrite(
    path: Path, *, place: str, staging: Path, connection: duckdb.DuckDBPyConnection
) -> bool:
    rows = f"read_parquet({sql.text(str(path))}, hive_partitioning = false)"
    identity = "load_id, row_number"
    selected = "*"
    if place != "quarantine":
        identity += ", row_hash"
        selected = (
            "* replace (case when (load_id, row_number, row_hash) in (select (load_id, row_number, "
            "row_hash) from going where action = 'clear') then null else source_metadata end "
            "as source_metadata)"
        )
    found = f"({identity}) in (select ({identity}) from going where action = 'remove')"
    ((count,),) = connection.execute(
        f"select count(*) from {rows} where ({identity}) in (select ({identity}) from going)"
    ).fetchall()
    if not count:
        return False
    staged = staging / "rest.parquet"
    file_format = LAKE_FORMAT if place == "raw" else "format parquet"
    connection.execute(
        f"copy (select {selected} from {rows} where not ({found})) "
        f"to {sql.text(str(staged))} ({file_format})"
    )
    move_into_place(staged, path)
    return True


@dataclass(frozen=True, kw_only=True)
class _Left:
    """What files hold of one load and day of a stream."""

    rows: int
    first: datetime
    last: datetime


def mend_entries(
    lake: Path,
    *,
    doomed: Path,
    connection: duckdb.DuckDBPyConnection,
    words: Words | None,
) -> int:
    """Let the entries of the loads in ``doomed`` say what their files hold now; how many changed.

    ``words``: what may stand in none of them, whose paths are as the producer wrote them.
    """
    touched = {
        load_id
        for (load_id,) in connection.execute(
            f"select distinct load_id from read_parquet({sql.text(str(doomed))})"
        ).fetchall()
    }
    entries = read_all_entries(lake)
    loads = {one.replay_of or one.load_id for one in entries if one.load_id in touched}
    entries = [one for one in entries if (one.replay_of or one.load_id) in loads]
    left = _rows_left(lake, connection=connection)
    waiting = _waiting_left(lake, connection=connection)
    refused = _refused_left(lake, connection=connection)
    latest: dict[str, LedgerEntry] = {}
    totals: dict[str, dict[tuple[str, str], int]] = {}
    for entry in entries:
        load = entry.replay_of or entry.load_id
        if load not in latest or latest[load].replay_number < entry.replay_number:
            latest[load] = entry
        of_load = totals.setdefault(load, {})
        for name, stream in entry.streams.items():
            for reason, count in stream.quarantined_by_reason.items():
                of_load[name, reason] = of_load.get((name, reason), 0) + count
    changed = 0
    for entry in entries:
        load = entry.replay_of or entry.load_id
        mended = _without_landed(entry, left=left, waiting=waiting)
        if entry == latest[load]:
            mended = _without_refused(mended, before=totals[load], refused=refused)
        elif mended.quarantine_file is not None and not (lake / mended.quarantine_file).exists():
            mended = replace(mended, quarantine_file=None)
        if words is not None:
            mended = replace(mended, path=words.blanked(mended.path, mark=ERASED))
        if mended != entry:
            replace_entry(lake, mended)
            changed += 1
    return changed


def _without_landed(
    entry: LedgerEntry,
    *,
    left: Mapping[tuple[str, str, str], _Left],
    waiting: Mapping[str, datetime | None],
) -> LedgerEntry:
    streams = {}
    gone = 0
    for name, stream in entry.streams.items():
        found = {
            day: left[name, entry.load_id, day]
            for day in {event_date_of(path) for path in stream.files}
            if (name, entry.load_id, day) in left
        }
        rows = sum(one.rows for one in found.values())
        files = tuple(path for path in stream.files if event_date_of(path) in found)
        future = tuple(path for path in stream.future_files if waiting.get(path) is not None)
        gone += stream.rows_landed - rows
        after = replace(stream, future_files=future)
        if rows != stream.rows_landed or files != stream.files:
            after = replace(
                after,
                rows_landed=rows,
                files=files,
                event_dates=tuple(day for day in stream.event_dates if day in found),
                min_event_at=min((one.first for one in found.values()), default=None),
                max_event_at=max((one.last for one in found.values()), default=None),
            )
        streams[name] = after
    moments = [
        moment
        for stream in streams.values()
        for path in stream.future_files
        if (moment := waiting[path]) is not None
    ]
    return replace(
        entry,
        streams=streams,
        rows_ignored=entry.rows_ignored + gone,
        retry_at=min(moments, default=None),
    )


def _without_refused(
    entry: LedgerEntry,
    *,
    before: Mapping[tuple[str, str], int],
    refused: Mapping[str, Mapping[tuple[str, str], int]],
) -> LedgerEntry:
    """The last entry of a load carries what is refused; the counts of all its entries add up to that."""
    now = refused.get(entry.quarantine_file or "", {})
    streams = dict(entry.streams)
    gone = 0
    for (name, reason), count in before.items():
        less = count - now.get((name, reason), 0)
        if less:
            stream = streams.get(name, StreamEntry(rows_landed=0, rows_quarantined=0))
            by_reason = dict(stream.quarantined_by_reason)
            by_reason[reason] = by_reason.get(reason, 0) - less
            streams[name] = replace(
                stream,
                quarantined_by_reason={one: rows for one, rows in by_reason.items() if rows},
                rows_quarantined=stream.rows_quarantined - less,
            )
            gone += less
    return replace(
        entry,
        streams=streams,
        rows_ignored=entry.rows_ignored + gone,
        quarantine_file=entry.quarantine_file if now else None,
    )


def _rows_left(
    lake: Path, *, connection: duckdb.DuckDBPyConnection
) -> dict[tuple[str, str, str], _Left]:
    """By stream, load and day what is left, each row once: merged files stand beside their originals."""
    left: dict[tuple[str, str, str], _Left] = {}
    replaced = {
        path for record in records_in_force(read_records(lake)) for path in record.originals
    }
    merged = {record.path for record in records_in_force(read_records(lake))}
    for stream in STREAMS.values():
        files = []
        for file in sorted((lake / "raw" / stream.name).glob("event_date=*/*.parquet")):
            path = file.relative_to(lake).as_posix()
            if path not in replaced and (path in merged or not file.name.startswith("merged-")):
                files.append(str(file))
        if files:
            time = sql.name(stream.time_field)
            for load_id, day, rows, first, last in connection.execute(
                f"select load_id, event_date::varchar, count(*), min({time})::timestamp, "
                f"max({time})::timestamp from read_parquet({sql.text_list(files)}, "
                "union_by_name = true, hive_partitioning = true, hive_types = {'event_date': date}) "
                "group by all"
            ).fetchall():
                left[stream.name, load_id, day] = _Left(
                    rows=rows, first=first.replace(tzinfo=UTC), last=last.replace(tzinfo=UTC)
                )
    return left


def _waiting_left(
    lake: Path, *, connection: duckdb.DuckDBPyConnection
) -> dict[str, datetime | None]:
    """By file of waiting rows when the first of them is due."""
    due: dict[str, datetime | None] = {}
    for file in sorted((lake / "future").glob("*/*.parquet")):
        ((first,),) = connection.execute(
            f"select min(retry_at) from read_parquet({sql.text(str(file))})"
        ).fetchall()
        due[file.relative_to(lake).as_posix()] = first and first.replace(tzinfo=UTC)
    return due


def _refused_left(
    lake: Path, *, connection: duckdb.DuckDBPyConnection
) -> dict[str, dict[tuple[str, str], int]]:
    """By file of the quarantine how many rows each stream and reason has."""
    files = sorted(str(path) for path in (lake / "quarantine").glob("*.parquet"))
    found: dict[str, dict[tuple[str, str], int]] = {}
    if files:
        start = len(str(lake)) + 2
        for path, name, reason, rows in connection.execute(
            f"select filename[{start}:], stream_name, reason_code, count(*) "
            f"from read_parquet({sql.text_list(files)}, filename = true) group by all"
        ).fetchall():
            found.setdefault(path, {})[name, reason] = rows
    return found


def remove_empty(lake: Path, *, doomed: Path, connection: duckdb.DuckDBPyConnection) -> int:
    """Remove files in which a removal left no row, once no entry names them; how many."""
    paths = [
        path
        for (path,) in connection.execute(
            f"select distinct path from read_parquet({sql.text(str(doomed))}) order by all"
        ).fetchall()
        if (lake / path).exists()
    ]
    empty = [path for path in paths if not _count(lake / path, connection=connection)]
    records = {record.path: record for record in read_records(lake)}
    for path in empty:
        if path in records:
            # First the record: a merged file without one is known to be nobody's.
            record_path(lake, records[path]).unlink()
        (lake / path).unlink()
    for folder in {(lake / path).parent for path in empty}:
        sync_folder(folder)
        if folder.name.startswith("event_date=") and not any(folder.iterdir()):
            folder.rmdir()
    return len(empty)


def _count(path: Path, *, connection: duckdb.DuckDBPyConnection) -> int:
    ((rows,),) = connection.execute(
        f"select sum(num_rows)::bigint from parquet_file_metadata({sql.text_list([str(path)])})"
    ).fetchall()
    return int(rows)
