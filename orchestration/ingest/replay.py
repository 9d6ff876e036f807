"""Rows that came too early: refused as future once, landed by a later load when their time has
come.

Belongs here: finding and landing them, exactly once. Does not belong here: rows refused for other
reasons, which only a corrected file, rule or adapter can change.

Such a row broke no other rule, so its typed form was kept beside the quarantine. A replay is a load
of its own that reads nothing: it moves rows from the quarantine of its first load into the lake, so
over both the count of refused rows is what is still refused.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from orchestration.contracts.reasons import Reason
from orchestration.contracts.streams import STREAMS
from orchestration.ingest import sql
from orchestration.ingest.ledger import LedgerEntry, StreamEntry, read_entries, write_entry
from orchestration.ingest.pieces import stage_rows
from orchestration.ingest.publishing import move_rows
from orchestration.ingest.worker import Worker


def replay_due_rows(
    *, lake: Path, as_of: datetime, staging: Path, worker: Worker
) -> Iterator[LedgerEntry]:
    """Land every row whose time has come; the entries of the loads this makes."""
    entries = read_entries(lake)
    replays: dict[str, list[LedgerEntry]] = {}
    for entry in entries:
        if entry.replay_of is not None:
            replays.setdefault(entry.replay_of, []).append(entry)
    for entry in entries:
        if entry.replay_of is not None or entry.retry_at is None:
            continue
        done = sorted(replays.get(entry.load_id, []), key=lambda one: one.replay_number)
        due_at = done[-1].retry_at if done else entry.retry_at
        if due_at is not None and due_at <= as_of:
            replay = _replay(
                entry, done=done, lake=lake, as_of=as_of, staging=staging, worker=worker
            )
            if write_entry(lake, replay):
                yield replay


def _replay(
    entry: LedgerEntry,
    *,
    done: Sequence[LedgerEntry],
    lake: Path,
    as_of: datetime,
    staging: Path,
    worker: Worker,
) -> LedgerEntry:
    number = len(done) + 1
    after = max((one.replayed_until for one in done if one.replayed_until), default=None)
    # The moment is part of the identity: another loader may replay the same rows and later ones.
    identity = f"{entry.load_id}|{number}|{as_of.isoformat()}"
    load_id = hashlib.sha256(identity.encode()).hexdigest()[:32]
    window = f"retry_at <= {_moment(as_of)}" + (
        f" and retry_at > {_moment(after)}" if after else ""
    )
    streams = {}
    later: list[datetime] = []
    for name, stream_entry in entry.streams.items():
        if not stream_entry.future_files:
            continue
        files = (
            f"read_parquet({sql.text_list(str(lake / file) for file in stream_entry.future_files)})"
        )
        landed = _land_stream(
            name,
            rows=f"{files} where {window}",
            load_id=load_id,
            lake=lake,
            staging=staging,
            worker=worker,
        )
        if landed is not None:
            streams[name] = landed
        (next_at,) = worker.connection.execute(
            f"select min(retry_at) from {files} where retry_at > {_moment(as_of)}"
        ).fetchall()[0]
        later += [next_at.replace(tzinfo=UTC)] if next_at is not None else []
    return replace(
        entry,
        load_id=load_id,
        rows_read=0,
        rows_ignored=0,
        rows_expanded=0,
        loaded_at=as_of,
        streams=streams,
        quarantine_file=None,
        retry_at=min(later, default=None),
        replay_of=entry.load_id,
        replay_number=number,
        replayed_until=as_of,
    )


def _land_stream(
    name: str, *, rows: str, load_id: str, lake: Path, staging: Path, worker: Worker
) -> StreamEntry | None:
    stream = STREAMS[name]
    time_column = sql.name(stream.time_field)
    counted = worker.connection.execute(
        f"select count(*), min({time_column})::timestamp, max({time_column})::timestamp, "
        f"min(event_date), max(event_date) from {rows}"
    ).fetchall()[0]
    count, first, last, first_date, last_date = counted
    if count == 0:
        return None
    columns = ", ".join(
        {
            "load_id": f"{sql.text(load_id)} as load_id",
            "loaded_at": "getvariable('loaded_at')::timestamp as loaded_at",
        }.get(column, sql.name(column))
        for column, _ in stream.lake_columns
    )
    staged = stage_rows(
        f"select {columns}, event_date from {rows}",
        folder=staging / load_id / name,
        only_date=first_date.isoformat() if first_date == last_date else None,
        connection=worker.connection,
    )
    return StreamEntry(
        rows_landed=count,
        rows_quarantined=-count,
        min_event_at=first.replace(tzinfo=UTC),
        max_event_at=last.replace(tzinfo=UTC),
        event_dates=tuple(sorted({file.event_date for file in staged})),
        files=move_rows(staged, lake=lake, stream=name, load_id=load_id),
        quarantined_by_reason={Reason.FUTURE_TIME.value: -count},
    )


def _moment(moment: datetime) -> str:
    return f"{sql.text(str(moment.astimezone(UTC).replace(tzinfo=None)))}::timestamp"
