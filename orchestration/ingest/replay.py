"""Taking rows out of the quarantine: rows that were refused once land by a later load, never twice.

Belongs here: what a replay writes, and the replay of rows whose time has come. Does not belong
here: reading refused rows again after a rule or an adapter was fixed (reread.py).

A replay is a load of its own that reads nothing: it moves rows from the quarantine of its first
load into the lake and writes anew what is still refused, so over both the count of refused rows is
what is still refused. Replays of a load are numbered, and a number is given once, so of two loaders
that move the same rows one wins; files that no entry names do not exist.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from orchestration.contracts.streams import STREAMS
from orchestration.ingest import sql
from orchestration.ingest.lake import keep_file
from orchestration.ingest.ledger import LedgerEntry, StreamEntry, read_entries
from orchestration.ingest.load_place import LoadPlace
from orchestration.ingest.pieces import stage_rows
from orchestration.ingest.publishing import move_rows
from orchestration.ingest.quarantine import Holding, holdings
from orchestration.ingest.tombstones import has_tombstones, open_tombstones, withheld
from orchestration.ingest.worker import Worker


@dataclass(frozen=True, kw_only=True)
class StreamMove:
    """Two SELECTs of the lake's columns and event_date: rows to land, and rows of the future, with
    retry_at, that wait on."""

    landing: str
    waiting: str


@dataclass(frozen=True, kw_only=True)
class Move:
    """What becomes of the refused rows of a load. ``refused`` is a SELECT of the quarantine's
    columns: all that is still refused."""

    streams: Mapping[str, StreamMove]
    refused: str
    # Raw rows of which nothing is left: the adapter maps them to nothing now.
    rows_ignored: int = 0


def has_due_rows(lake: Path, *, as_of: datetime) -> bool:
    """Whether the time of any refused row has come."""
    return any(_is_due(held, as_of=as_of) for held in holdings(read_entries(lake)))


def _is_due(held: Holding, *, as_of: datetime) -> bool:
    due_at = held.latest.retry_at
    return due_at is not None and due_at <= as_of


def replay_due_rows(
    *, place: LoadPlace, as_of: datetime, staging: Path, worker: Worker
) -> Iterator[LedgerEntry]:
    """Land every row whose time has come; the entries of the loads this makes.

    Such a row broke no other rule, so its typed form was kept beside the quarantine.
    """
    for held in holdings(read_entries(place.lake)):
        if _is_due(held, as_of=as_of):
            entry = record_move(
                held,
                _due_move(held, lake=place.lake, as_of=as_of),
                place=place,
                as_of=as_of,
                staging=staging,
                worker=worker,
            )
            if entry is not None:
                yield entry


def _due_move(held: Holding, *, lake: Path, as_of: datetime) -> Move:
    now = f"{sql.text(str(as_of.astimezone(UTC).replace(tzinfo=None)))}::timestamp"
    streams = {}
    for name, entry in held.latest.streams.items():
        if entry.future_files:
            rows = f"from read_parquet({lake_paths(lake, entry.future_files)})"
            streams[name] = StreamMove(
                landing=f"select * exclude (retry_at) {rows} where retry_at <= {now}",
                waiting=f"select * {rows} where retry_at > {now}",
            )
    return Move(
        streams=streams,
        refused=f"select * from ({refused_rows(held, lake=lake)}) "
        f"where retry_at is null or retry_at > {now}",
    )


def refused_rows(held: Holding, *, lake: Path) -> str:
    """SQL: the rows of a load that are refused now; there are some."""
    assert held.latest.quarantine_file is not None
    return f"from read_parquet({lake_paths(lake, (held.latest.quarantine_file,))})"


def lake_paths(lake: Path, files: Iterable[str]) -> str:
    """SQL: a list of files of the lake."""
    return sql.text_list(str(lake / file) for file in files)


def record_move(
    held: Holding, move: Move, *, place: LoadPlace, as_of: datetime, staging: Path, worker: Worker
) -> LedgerEntry | None:
    """Write what a replay moves; its entry, or None if nothing moves or another loader was first."""
    lake = place.lake
    connection = worker.connection
    connection.execute("create schema if not exists replay")
    connection.execute(f"create or replace table replay.refused as {move.refused}")
    for name, stream in move.streams.items():
        connection.execute(f"create or replace table {_landing(name)} as {stream.landing}")
        connection.execute(f"create or replace table {_waiting(name)} as {stream.waiting}")
    if has_tombstones(lake):
        _drop_withheld(move, lake=lake, worker=worker)
    changes = _changes(held, lake=lake, worker=worker)
    landed = {name: _count(_landing(name), worker=worker) for name in move.streams}
    if not any(landed.values()) and not _is_refused_otherwise(held, lake=lake, worker=worker):
        return None
    # What is moved is part of the identity: another loader may move other rows under this number,
    # and must not write over files of this one.
    number = len(held.replays) + 1
    identity = "|".join(
        (held.entry.load_id, str(number), as_of.isoformat(), _digest(move, worker=worker))
    )
    load_id = hashlib.sha256(identity.encode()).hexdigest()[:32]
    folder = staging / load_id
    folder.mkdir(parents=True, exist_ok=True)
    root = place.root(folder / "lake")
    streams = {}
    for name in sorted({*move.streams, *changes}):
        by_reason = changes.get(name, {})
        empty = StreamEntry(
            rows_landed=0,
            rows_quarantined=sum(by_reason.values()),
            quarantined_by_reason=by_reason,
        )
        if name in move.streams:
            streams[name] = _write_stream(
                name, empty, load_id=load_id, root=root, folder=folder, worker=worker
            )
        else:
            streams[name] = empty
    entry = replace(
        held.entry,
        load_id=load_id,
        rows_read=0,
        rows_ignored=move.rows_ignored,
        # Whatever the counts of rows do not explain is rows that the adapter makes more or fewer
        # of one raw row.
        rows_expanded=move.rows_ignored
        + sum(one.rows_landed + one.rows_quarantined for one in streams.values()),
        loaded_at=as_of,
        streams=streams,
        quarantine_file=_write_refused(load_id=load_id, root=root, folder=folder, worker=worker),
        retry_at=_earliest_retry(move, worker=worker),
        replay_of=held.entry.load_id,
        replay_number=number,
    )
    return entry if place.put(entry, root=root, staging=staging) else None


def _drop_withheld(move: Move, *, lake: Path, worker: Worker) -> None:
    """Rows of somebody who was erased may only show as such once they can be read."""
    open_tombstones(worker.connection, lake)
    for name in move.streams:
        for table in (_landing(name), _waiting(name)):
            conditions = withheld(STREAMS[name], rows=table)
            if conditions:
                worker.connection.execute(f"delete from {table} where {' or '.join(conditions)}")


def _landing(name: str) -> str:
    return f"replay.landing_{name}"


def _waiting(name: str) -> str:
    return f"replay.waiting_{name}"


def _count(table: str, *, worker: Worker) -> int:
    ((count,),) = worker.connection.execute(f"select count(*) from {table}").fetchall()
    return int(count)


def _changes(held: Holding, *, lake: Path, worker: Worker) -> dict[str, dict[str, int]]:
    """By how many rows each reason of each stream grows or shrinks."""
    rows = worker.connection.execute(
        f"""select stream_name, reason_code, sum(change)::bigint as change
        from (
            select stream_name, reason_code, 1 as change from replay.refused
            union all
            select stream_name, reason_code, -1 from ({refused_rows(held, lake=lake)})
        )
        group by all
        having sum(change) <> 0
        order by all"""
    ).fetchall()
    changes: dict[str, dict[str, int]] = {}
    for stream, reason, change in rows:
        changes.setdefault(stream, {})[reason] = change
    return changes


def _is_refused_otherwise(held: Holding, *, lake: Path, worker: Worker) -> bool:
    columns = "stream_name, row_number, reason_code, rule"
    ((differing,),) = worker.connection.execute(
        f"""select count(*) from (
            (
                select {columns} from replay.refused
                except all
                select {columns} from ({refused_rows(held, lake=lake)})
            )
            union all
            (
                select {columns} from ({refused_rows(held, lake=lake)})
                except all
                select {columns} from replay.refused
            )
        )"""
    ).fetchall()
    return bool(differing)


def _digest(move: Move, *, worker: Worker) -> str:
    parts = [
        "select 'refused' as kind, stream_name, row_number, rule as content from replay.refused"
    ]
    for name in sorted(move.streams):
        for kind, table in (("landing", _landing(name)), ("waiting", _waiting(name))):
            parts.append(
                f"select {sql.text(kind)}, {sql.text(name)}, row_number, row_hash from {table}"
            )
    ((digest,),) = worker.connection.execute(
        f"""select md5(string_agg(
            concat_ws('|', kind, stream_name, row_number, content), chr(10)
            order by kind, stream_name, row_number, content
        ))
        from ({" union all ".join(parts)})"""
    ).fetchall()
    return str(digest)


def _write_stream(
    name: str, entry: StreamEntry, *, load_id: str, root: Path, folder: Path, worker: Worker
) -> StreamEntry:
    """The entry with the rows that land and those that wait on."""
    connection = worker.connection
    stream = STREAMS[name]
    if _count(_waiting(name), worker=worker):
        staged = folder / f"future-{name}.parquet"
        connection.execute(f"copy {_waiting(name)} to {sql.text(str(staged))} (format parquet)")
        future_file = keep_file(staged, lake=root, folder=f"future/{name}", load_id=load_id)
        entry = replace(entry, future_files=(future_file,))
    time_column = sql.name(stream.time_field)
    ((count, first, last, first_date, last_date),) = connection.execute(
        f"select count(*), min({time_column})::timestamp, max({time_column})::timestamp, "
        f"min(event_date), max(event_date) from {_landing(name)}"
    ).fetchall()
    if not count:
        return entry
    columns = ", ".join(
        {
            "load_id": f"{sql.text(load_id)} as load_id",
            "loaded_at": "getvariable('loaded_at')::timestamp as loaded_at",
        }.get(column, sql.name(column))
        for column, _ in stream.lake_columns
    )
    staged_rows = stage_rows(
        f"select {columns}, event_date from {_landing(name)} order by row_number, row_hash",
        folder=folder / name,
        only_date=first_date.isoformat() if first_date == last_date else None,
        connection=connection,
    )
    return replace(
        entry,
        rows_landed=count,
        min_event_at=first.replace(tzinfo=UTC),
        max_event_at=last.replace(tzinfo=UTC),
        event_dates=tuple(sorted({file.event_date for file in staged_rows})),
        files=move_rows(staged_rows, lake=root, stream=name, load_id=load_id),
    )


def _write_refused(*, load_id: str, root: Path, folder: Path, worker: Worker) -> str | None:
    if not _count("replay.refused", worker=worker):
        return None
    staged = folder / "quarantine.parquet"
    worker.connection.execute(
        "copy (from replay.refused order by row_number, stream_name, rule) "
        f"to {sql.text(str(staged))} (format parquet)"
    )
    return keep_file(staged, lake=root, folder="quarantine", load_id=load_id)


def _earliest_retry(move: Move, *, worker: Worker) -> datetime | None:
    moments = [
        row[0]
        for name in move.streams
        for row in worker.connection.execute(
            f"select min(retry_at) from {_waiting(name)}"
        ).fetchall()
        if row[0] is not None
    ]
    return min(moments).replace(tzinfo=UTC) if moments else None
