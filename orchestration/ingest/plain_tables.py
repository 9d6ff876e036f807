"""Native Parquet whose rows keep the contract, read and written by one statement for each day.

Belongs here: a shorter way to the rows that pieces.py lands. Does not belong here: any rule
(validation.py); a piece with a row that may break one takes the way of pieces.py.

The file's schema says what there is to read, so nothing is to prove but that every row was written.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path

import duckdb

from orchestration.contracts.model import Stream
from orchestration.ingest import sql
from orchestration.ingest.leftovers import extra_columns
from orchestration.ingest.pieces import (
    LAKE_FORMAT,
    PieceResult,
    PieceTask,
    StagedFile,
    Written,
    copied,
    lake_columns,
)
from orchestration.ingest.plain_rows import landed_result
from orchestration.ingest.reader import open_unit
from orchestration.ingest.validation import plain_table_rows
from orchestration.ingest.worker import Worker

# Row groups of other days are skipped by the bounds of their times; with many days nearly none is.
_MOST_DAYS = 8
# Types whose values become a time of the lake without being rounded, perhaps to another day.
_EXACT_TIMES = ("TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP WITH TIME ZONE")

# How the engine writes the path of a value, and what may lie below a value or a list of values.
_BETWEEN_NAMES = ", "
_VALUE_PATHS = ((), ("list", "element"), ("list", "item"))


def run_plain_table(task: PieceTask, *, worker: Worker) -> PieceResult | None:
    """Stage a piece of native Parquet; None if its rows are to be read the other way."""
    if not task.adapter.is_native or task.unit.format != "parquet":
        return None
    stream = task.adapter.sections[0].stream
    connection = worker.connection
    rows = open_unit(connection, task.unit, adapter=task.adapter, is_guarded=False)
    columns = _without_empty(rows.columns, task=task, stream=stream, connection=connection)
    folder = task.folder / "plain"
    parts = []
    try:
        for day in _days(stream, columns=columns, connection=connection):
            part = folder / (day or "all")
            part.mkdir(parents=True)
            parts.append(
                _write(
                    part, day=day, task=task, stream=stream, columns=columns, connection=connection
                )
            )
    except (duckdb.ConversionException, duckdb.InvalidInputException, duckdb.OutOfRangeException):
        # A value that cannot be read, such as a time without end: the other way finds out which.
        return None
    written = _united(parts)
    return landed_result(written, stream=stream) if written.rows == rows.rows_read else None


def _without_empty(
    columns: Mapping[str, str],
    *,
    task: PieceTask,
    stream: Stream,
    connection: duckdb.DuckDBPyConnection,
) -> dict[str, str]:
    """The columns but those beyond the contract that hold nothing in the whole file."""
    found = connection.execute(
        f"select distinct path_in_schema from parquet_metadata({sql.text(str(task.unit.path))}) "
        "where stats_null_count is distinct from num_values"
    ).fetchall()
    filled = [str(path).split(_BETWEEN_NAMES) for (path,) in found]
    extras = extra_columns(stream, columns=columns)
    empty = {name for name in extras if _BETWEEN_NAMES not in name}
    empty -= {path[0] for path in filled}
    members = [path[1:] for path in filled if path[0] == stream.properties_field]
    known = {field.name for field in stream.properties}
    if all(path and path[0] in known and tuple(path[1:]) in _VALUE_PATHS for path in members):
        empty |= {"has_object", "object_text"}
    return {name: kind for name, kind in columns.items() if name not in empty}


def _days(
    stream: Stream, *, columns: Mapping[str, str], connection: duckdb.DuckDBPyConnection
) -> Sequence[str | None]:
    """The days the rows can be of; only None where they are not to be told cheaply, or too many."""
    if columns[stream.time_field] not in _EXACT_TIMES:
        return (None,)
    column = sql.name(stream.time_field)
    ((first, last),) = connection.execute(
        f"select epoch_us(min({column})), epoch_us(max({column})) from raw_rows"
    ).fetchall()
    if first is None or last is None:
        return (None,)
    begin, end = (_day(moment) for moment in (first, last))
    if begin is None or end is None or (end - begin).days >= _MOST_DAYS:
        return (None,)
    return [(begin + timedelta(days=n)).isoformat() for n in range((end - begin).days + 1)]


def _day(microseconds: int) -> date | None:
    try:
        return (datetime(1970, 1, 1) + timedelta(microseconds=microseconds)).date()
    except OverflowError:
        return None


def _write(
    folder: Path,
    *,
    day: str | None,
    task: PieceTask,
    stream: Stream,
    columns: Mapping[str, str],
    connection: duckdb.DuckDBPyConnection,
) -> Written:
    section = "select * from raw_rows"
    if day is not None:
        kind, column = columns[stream.time_field], sql.name(stream.time_field)
        midnight = f"{sql.text(day)}::{kind}"
        section += f" where {column} >= {midnight} and {column} < {midnight} + interval 1 day"
    select = plain_table_rows(
        stream,
        section_sql=section,
        columns=columns,
        source_name=task.source_name,
        load_id=sql.text(task.load_id),
    )
    if day is None:
        return copied(
            f"copy ({select}) to {sql.text(str(folder))} "
            f"({LAKE_FORMAT}, partition_by (event_date), overwrite true, return_stats)",
            connection=connection,
        )
    path = folder / "rows.parquet"
    written = copied(
        f"copy (select {lake_columns(stream)} from ({select})) to {sql.text(str(path))} "
        f"({LAKE_FORMAT}, return_stats)",
        connection=connection,
    )
    files = (StagedFile(event_date=day, path=path),) if written.rows else ()
    return replace(written, files=files)


def _united(parts: Sequence[Written]) -> Written:
    """What was written in several statements."""
    nulls: dict[str, int] = {}
    bounds: dict[str, list[tuple[str, str]]] = {}
    for part in parts:
        for column, count in part.nulls.items():
            nulls[column] = nulls.get(column, 0) + count
        for column, pairs in part.bounds.items():
            bounds.setdefault(column, []).extend(pairs)
    return Written(
        rows=sum(part.rows for part in parts),
        files=tuple(file for part in parts for file in part.files),
        nulls=nulls,
        bounds=bounds,
    )
