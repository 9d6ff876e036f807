"""Small native files of JSON lines without a fault, many of them by the same few statements.

Belongs here: a shorter way to the same lake files. Does not belong here: any rule; a file with a row
that is not simply landed takes the way of pieces.py.

Planning the checks of a stream takes 50 ms, ten times as long as running them for a few hundred rows,
and a landing folder may hold a thousand such files. What a file becomes does not depend on the files
that are read beside it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import duckdb

from orchestration.contracts.model import Stream
from orchestration.ingest import sql
from orchestration.ingest.pieces import (
    LAKE_FORMAT,
    PieceResult,
    PieceTask,
    StagedFile,
    StreamResult,
    utc,
)
from orchestration.ingest.plain_rows import run_plain_lines
from orchestration.ingest.plain_tables import run_plain_table
from orchestration.ingest.reader import json_rows, lines_reader
from orchestration.ingest.validation import checked_rows
from orchestration.ingest.worker import Worker

_SMALL_BYTES = 4_000_000
# The engine closes files and begins others beyond so many that are written at once.
_FILES_WRITTEN_AT_ONCE = 100


def run_small_file(task: PieceTask, *, worker: Worker) -> PieceResult | None:
    """Stage a file that is read alone; None if it is not native, or not without fault."""
    unit = task.unit
    if unit.format == "parquet":
        return run_plain_table(task, worker=worker)
    if not task.adapter.is_native or unit.format != "lines":
        return None
    if not is_small(task):
        return run_plain_lines(task, worker=worker)
    return run_small_files([task], folder=task.folder, worker=worker)[0]


def is_small(task: PieceTask) -> bool:
    """Whether a piece may be read together with others: a small native file of plain lines."""
    unit = task.unit
    return (
        task.adapter.is_native
        and unit.format == "lines"
        and unit.end is None
        and unit.path.stat().st_size <= _SMALL_BYTES
    )


def run_small_files(
    tasks: Sequence[PieceTask], *, folder: Path, worker: Worker
) -> list[PieceResult | None]:
    """Stage small files of one stream; None for each that is not without fault.

    Where the files cannot be read together, each half of them is tried, so that a broken file
    leaves the others their shorter way.

    Args:
        folder: in the staging folder; what is staged stays in it.
    """
    batch = _Batch(
        tasks=tasks,
        folder=folder,
        stream=tasks[0].adapter.sections[0].stream,
        connection=worker.connection,
    )
    try:
        found = batch.run()
        return [found.get(task.load_id) for task in tasks]
    except duckdb.Error:
        # A line, a document or a file that cannot be read: the other way finds out which.
        if len(tasks) == 1:
            return [None]
    finally:
        for table in ("small_lines", "small_files", "small_checked"):
            worker.connection.execute(f"drop table if exists {table}")
    middle = len(tasks) // 2
    return [
        *run_small_files(tasks[:middle], folder=folder / "a", worker=worker),
        *run_small_files(tasks[middle:], folder=folder / "b", worker=worker),
    ]


@dataclass(frozen=True, kw_only=True)
class _Checked:
    """A file of which every row can land."""

    task: PieceTask
    rows: int
    first: datetime
    last: datetime
    dates: int


@dataclass(frozen=True, kw_only=True)
class _Batch:
    tasks: Sequence[PieceTask]
    folder: Path
    stream: Stream
    connection: duckdb.DuckDBPyConnection

    def run(self) -> dict[str, PieceResult]:
        """The results of the files without fault, by their load."""
        if not self._read_lines():
            return {}
        checked = self._check()
        staged: dict[str, list[StagedFile]] = {}
        for group in _written_together(checked):
            self._write(group, staged=staged)
        return {
            one.task.load_id: self._result(one, files=staged[one.task.load_id]) for one in checked
        }

    def _read_lines(self) -> bool:
        """Read all files; False if none of them has an object in every line."""
        reader = lines_reader(*(task.unit.path for task in self.tasks))
        self.connection.execute(
            "create temp table small_lines as "
            f"select row_number() over () as position, filename, line from {reader}"
        )
        # Files without a row have no object in any line.
        read = self.connection.execute(
            "select filename, min(position), max(position) from small_lines group by filename "
            "having count(*) = count(*) filter (starts_with(line, '{'))"
        ).fetchall()
        if not read:
            return False
        loads = {str(task.unit.path): task.load_id for task in self.tasks}
        found = ", ".join(
            f"({sql.text(path)}, {sql.text(loads[path])}, {first}, {last})"
            for path, first, last in read
        )
        self.connection.execute(
            "create temp table small_files as "
            f"from (values {found}) as found (filename, load_id, first_position, last_position)"
        )
        return True

    def _check(self) -> list[_Checked]:
        """Check the rows of all files at once; the files of which every row can land."""
        lines = (
            "select position as row_number, line as raw_text from small_lines "
            "where filename in (select filename from small_files)"
        )
        rows, columns = json_rows(self.tasks[0].adapter, source=lines)
        select = checked_rows(
            self.stream,
            section_sql=rows,
            columns=columns,
            source_name=self.tasks[0].source_name,
            load_id="null::varchar",
            is_json=True,
            is_native=True,
        ).sql
        self.connection.execute(f"create temp table small_checked as {select}")
        time_column = f"{sql.name(self.stream.time_field)}::timestamp"
        found = self.connection.execute(
            f"""select files.load_id, count(*), min({time_column}), max({time_column}),
                count(distinct event_date)
            from small_checked as checked
            inner join small_files as files
                on checked.row_number between files.first_position and files.last_position
            group by files.load_id
            having count(*) filter (failed_rule > 0) = 0"""
        ).fetchall()
        counted = {load_id: counts for load_id, *counts in found}
        return [
            _Checked(task=task, rows=rows, first=first, last=last, dates=dates)
            for task in self.tasks
            if task.load_id in counted
            for rows, first, last, dates in [counted[task.load_id]]
        ]

    def _write(self, group: Sequence[_Checked], *, staged: dict[str, list[StagedFile]]) -> None:
        """Write the rows of some files, for each of them one file per event date."""
        folder = self.folder / self.stream.name / group[0].task.load_id
        folder.mkdir(parents=True)
        columns = ", ".join(
            {
                "load_id": "files.load_id",
                "row_number": "checked.row_number - files.first_position + 1 as row_number",
            }.get(column, f"checked.{sql.name(column)}")
            for column, _ in self.stream.lake_columns
        )
        loads = sql.text_list(one.task.load_id for one in group)
        written = self.connection.execute(
            f"""copy (
                select {columns}, checked.event_date, files.load_id as load
                from small_checked as checked
                inner join small_files as files
                    on checked.row_number between files.first_position and files.last_position
                where list_contains({loads}, files.load_id)
                order by checked.row_number
            ) to {sql.text(str(folder))}
            ({LAKE_FORMAT}, partition_by (load, event_date), overwrite true, return_files)"""
        ).fetchall()
        for name in sorted(name for _, names in written for name in names):
            path = Path(name)
            load_id = path.parent.parent.name.removeprefix("load=")
            event_date = path.parent.name.removeprefix("event_date=")
            staged.setdefault(load_id, []).append(StagedFile(event_date=event_date, path=path))

    def _result(self, one: _Checked, *, files: Sequence[StagedFile]) -> PieceResult:
        landed = StreamResult(
            rows_landed=one.rows,
            quarantined_by_reason={},
            min_event_at=utc(one.first),
            max_event_at=utc(one.last),
            files=tuple(files),
        )
        return PieceResult(
            rows_read=one.rows,
            rows_unreadable=0,
            rows_ignored=0,
            rows_expanded=0,
            streams={self.stream.name: landed},
            quarantine_files=(),
            retry_at=None,
        )


def _written_together(checked: Sequence[_Checked]) -> Iterator[list[_Checked]]:
    """Files in groups that have few enough event dates for all to be written at once.

    So what is written of a file is the same whatever is read beside it.
    """
    group: list[_Checked] = []
    dates = 0
    for one in checked:
        if group and dates + one.dates > _FILES_WRITTEN_AT_ONCE:
            yield group
            group, dates = [], 0
        group.append(one)
        dates += one.dates
    if group:
        yield group
