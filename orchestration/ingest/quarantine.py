"""The quarantine as it stands: which rows are refused now, counted and shown.

Belongs here: which file of the quarantine counts, and reading it. Does not belong here: refusing
rows (pieces.py), and taking them out again (replay.py, reread.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from orchestration.errors import UserError
from orchestration.ingest import sql
from orchestration.ingest.ledger import LedgerEntry


@dataclass(frozen=True, kw_only=True)
class Holding:
    """A load of a file with the replays of its refused rows, in their order."""

    entry: LedgerEntry
    replays: tuple[LedgerEntry, ...] = ()

    @property
    def latest(self) -> LedgerEntry:
        """The entry that says what is still refused."""
        return self.replays[-1] if self.replays else self.entry

    @property
    def everything(self) -> tuple[LedgerEntry, ...]:
        return (self.entry, *self.replays)


@dataclass(frozen=True, kw_only=True)
class Selection:
    """Which refused rows are meant; None means all. ``path`` may hold * and ?."""

    source_name: str | None = None
    stream: str | None = None
    reason: str | None = None
    path: str | None = None

    @property
    def condition(self) -> str:
        """SQL over the columns of the quarantine."""
        parts = [
            f"{column} = {sql.text(value)}"
            for column, value in (
                ("source_name", self.source_name),
                ("stream_name", self.stream),
                ("reason_code", self.reason),
            )
            if value is not None
        ]
        if self.path is not None:
            parts.append(f"(path = {sql.text(self.path)} or path glob {sql.text(self.path)})")
        return " and ".join(parts) or "true"


@dataclass(frozen=True, kw_only=True)
class RefusedCount:
    source_name: str
    stream: str
    path: str
    reason: str
    rows: int


@dataclass(frozen=True, kw_only=True)
class RefusedRow:
    """A refused row; ``field`` is None for a row that cannot be read, ``text`` is free of what is
    private."""

    source_name: str
    stream: str
    path: str
    row_number: int
    reason: str
    field: str | None
    rule: str
    text: str | None


def holdings(entries: Sequence[LedgerEntry]) -> list[Holding]:
    """The loads with their replays, in the order of the entries."""
    replays: dict[str, list[LedgerEntry]] = {}
    for entry in entries:
        if entry.replay_of is not None:
            replays.setdefault(entry.replay_of, []).append(entry)
    return [
        Holding(
            entry=entry,
            replays=tuple(
                sorted(replays.get(entry.load_id, []), key=lambda one: one.replay_number)
            ),
        )
        for entry in entries
        if entry.replay_of is None
    ]


def check_selection(selection: Selection, *, entries: Sequence[LedgerEntry]) -> None:
    """Tell a selection of nothing from a mistyped one.

    Raises:
        UserError: no load is of its source or file.
    """
    sources = sorted({entry.source_name for entry in entries})
    if selection.source_name is not None and selection.source_name not in sources:
        known = f"use one of {', '.join(sources)}" if sources else "nothing is loaded yet"
        raise UserError(f"source {selection.source_name!r} has loaded nothing; {known}")
    if selection.path is not None:
        with duckdb.connect() as connection:
            paths = sql.text_list({entry.path for entry in entries})
            pattern = sql.text(selection.path)
            ((found,),) = connection.execute(
                f"select count(*) from (select unnest({paths}) as path) "
                f"where path = {pattern} or path glob {pattern}"
            ).fetchall()
        if not found:
            raise UserError(
                f"file {selection.path!r} is none of the loaded ones; write its path below the "
                "landing folder, or a pattern such as 'charges/*'"
            )


def count_refused(
    lake: Path, *, entries: Sequence[LedgerEntry], selection: Selection
) -> tuple[RefusedCount, ...]:
    """The refused rows by source, stream, file and reason."""
    statement = f"""select source_name, stream_name, path, reason_code, count(*)
        from quarantine
        where {selection.condition}
        group by all
        order by all"""
    return tuple(
        RefusedCount(source_name=source, stream=stream, path=path, reason=reason, rows=count)
        for source, stream, path, reason, count in _read(lake, entries, statement)
    )


def read_refused(
    lake: Path, *, entries: Sequence[LedgerEntry], selection: Selection, limit: int
) -> tuple[RefusedRow, ...]:
    """Refused rows in the order of source, file and row."""
    statement = f"""select
            source_name, stream_name, path, row_number, reason_code,
            nullif(
                regexp_extract(rule, '^' || stream_name || '\\.([a-z0-9_]+) ', 1), ''
            ),
            rule, raw_text
        from quarantine
        where {selection.condition}
        order by source_name, path, row_number, stream_name, rule, raw_text
        limit {limit}"""
    return tuple(
        RefusedRow(
            source_name=source,
            stream=stream,
            path=path,
            row_number=number,
            reason=reason,
            field=field,
            rule=rule,
            text=text,
        )
        for source, stream, path, number, reason, field, rule, text in _read(
            lake, entries, statement
        )
    )


def _read(lake: Path, entries: Sequence[LedgerEntry], statement: str) -> list[tuple[Any, ...]]:
    files = [
        str(lake / held.latest.quarantine_file)
        for held in holdings(entries)
        if held.latest.quarantine_file is not None
    ]
    if not files:
        return []
    with duckdb.connect() as connection:
        return connection.execute(
            f"with quarantine as (from read_parquet({sql.text_list(files)})) {statement}"
        ).fetchall()
