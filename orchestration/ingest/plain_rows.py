"""Native JSON lines whose rows keep the contract, read and written by one statement.

Belongs here: a shorter way to the rows that pieces.py lands, and the proof that they are the same.
Does not belong here: any rule (validation.py); a row that may break one takes the way of pieces.py.

Rows are read by their declared members only, which is twice as fast as taking them apart but does
not show what else they hold. The bytes do (scanning.py): there are at least as many names with a
value as there are members, so if the values that were read are as many, there was nothing else, and
no name came twice. The engine's statistics of the written columns give that number and the bounds
of the values. First only those are relied upon; where they show that something is amiss, the piece
is read once more with a check of every row, and the rows that fail it are left to pieces.py.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from decimal import Decimal

import duckdb

from orchestration.contracts.model import Field, Kind, Privacy, Stream
from orchestration.ingest import sql
from orchestration.ingest.pieces import (
    LAKE_FORMAT,
    PieceResult,
    PieceTask,
    StagedFile,
    StreamResult,
    Written,
    copied,
    lake_columns,
    run_piece,
    stage_rows,
)
from orchestration.ingest.reader import cut, lines_reader, numbered_rows
from orchestration.ingest.scanning import LineScan, scan_file, scan_text
from orchestration.ingest.validation import plain_rows
from orchestration.ingest.worker import Worker

# Longer rows take the other way; small buffers stay in the processor's cache.
_LONGEST_ROW_BYTES = 1_000_000
# Beyond this share of suspicious rows the other way is as fast.
_MOST_SUSPECTS = 0.2
_SAMPLED_ROWS = 20
_SAMPLED_BYTES = 8_000
_PLAIN_TIME = re.compile(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d+)?$")
_PLAIN_DATE = re.compile(r"^\d{4}-\d\d-\d\d$")
_SIMPLE_NAME = re.compile(r"^[A-Za-z0-9_.-]+$")
_PRIVATE = ("user_id", "comment")


@dataclass(frozen=True, kw_only=True)
class _Extra:
    """A member that the contract does not know and the rows of a piece have."""

    name: str
    is_inner: bool


@dataclass(frozen=True, kw_only=True)
class _Counted:
    """Values that were written: of members, of those that are lists, of flags beyond the contract."""

    members: int
    lists: int
    extra_flags: int


def run_plain_lines(task: PieceTask, *, worker: Worker) -> PieceResult | None:
    """Stage a piece of native JSON lines; None if its rows are to be read the other way."""
    stream = task.adapter.sections[0].stream
    if (
        not task.adapter.is_native
        or task.unit.format != "lines"
        or any(field.default or field.kind is Kind.COUNT_MAP for field in stream.all_fields)
    ):
        return None
    task.folder.mkdir(parents=True, exist_ok=True)
    scan = task.unit.scan or scan_file(task.unit.path)
    if not scan.is_regular:
        return None
    with cut(task.unit, folder=task.folder) as unit:
        piece = _Piece(
            task=replace(task, unit=unit), stream=stream, scan=scan, connection=worker.connection
        )
        try:
            return piece.run(worker)
        except duckdb.InvalidInputException:
            # A row that cannot be read: the other way finds out which.
            return None


@dataclass(frozen=True, kw_only=True)
class _Piece:
    task: PieceTask
    stream: Stream
    scan: LineScan
    connection: duckdb.DuckDBPyConnection

    def run(self, worker: Worker) -> PieceResult | None:
        extras = self._extras()
        if extras is None or len(extras) > 1:
            return None
        extra = extras[0] if extras else None
        has_flags = any(field.kind is Kind.BOOLEAN for field in self.stream.all_fields)
        if not (has_flags or self.scan.empty_texts):
            written = self._write("plain", extra=extra, is_wary=False)
            if self._is_proven(written):
                return landed_result(written, stream=self.stream)
        return self._completed(self._write("wary", extra=extra, is_wary=True), worker=worker)

    def _extras(self) -> list[_Extra] | None:
        """The members beyond the contract in the first rows; None if they cannot be told."""
        known = {field.name for field in self.stream.fields} | {self.stream.properties_field}
        known_inner = {field.name for field in self.stream.properties}
        found = []
        with self.task.unit.path.open("rb") as file:
            for _ in range(min(_SAMPLED_ROWS, self.scan.rows)):
                try:
                    row = json.loads(file.readline(_LONGEST_ROW_BYTES))
                except ValueError:
                    return None
                found += [_Extra(name=name, is_inner=False) for name in row if name not in known]
                inner = row.get(self.stream.properties_field or "")
                if isinstance(inner, dict):
                    found += [
                        _Extra(name=name, is_inner=True)
                        for name in inner
                        if name not in known_inner
                    ]
        if any(not _SIMPLE_NAME.match(one.name) or one.name in _PRIVATE for one in found):
            return None
        return list(dict.fromkeys(found))

    def _write(self, name: str, *, extra: _Extra | None, is_wary: bool) -> Written:
        select = plain_rows(
            self.stream,
            section_sql=self._section(extra, is_wary=is_wary),
            columns=self._columns(extra),
            source_name=self.task.source_name,
            load_id=sql.text(self.task.load_id),
            metadata=_metadata(extra, stream=self.stream),
            is_wary=is_wary,
        )
        folder = self.task.folder / name
        folder.mkdir()
        if not self._is_likely_of_one_date():
            return copied(
                f"copy ({select}) to {sql.text(str(folder))} "
                f"({LAKE_FORMAT}, partition_by (event_date), overwrite true, return_stats)",
                connection=self.connection,
            )
        path = folder / "rows.parquet"
        written = copied(
            f"copy (select {lake_columns(self.stream)} from ({select})) "
            f"to {sql.text(str(path))} ({LAKE_FORMAT}, return_stats)",
            connection=self.connection,
        )
        time_column = self.stream.time_field
        dates = {bound[:10] for pair in written.bounds.get(time_column, ()) for bound in pair}
        if len(dates) == 1:
            return replace(written, files=(StagedFile(event_date=dates.pop(), path=path),))
        files = stage_rows(
            f"select *, {sql.name(time_column)}::date as event_date "
            f"from read_parquet({sql.text(str(path))})",
            folder=folder / "dates",
            only_date=None,
            connection=self.connection,
        )
        return replace(written, files=files)

    def _section(self, extra: _Extra | None, *, is_wary: bool) -> str:
        stream = self.stream
        columns = {field.name: _read_type(field) for field in stream.fields}
        outputs = [sql.name(field.name) for field in stream.fields]
        if extra is not None and not extra.is_inner:
            columns[extra.name] = "JSON"
            outputs.append(f"{sql.name(extra.name)} as extra_value")
        if stream.properties_field:
            parent = sql.name(stream.properties_field)
            members = {field.name: _read_type(field) for field in stream.properties}
            outputs += [f"{parent}.{sql.name(name)} as {sql.name(name)}" for name in members]
            has_object = f"{parent} is not null"
            if is_wary:
                # Where errors are ignored, any other kind of value reads as an object without members.
                given = [f"{parent}.{sql.name(name)} is not null" for name in members]
                has_object = f"({' or '.join(given)})"
            outputs.append(f"{has_object} as has_object")
            if extra is not None and extra.is_inner:
                members[extra.name] = "JSON"
                outputs.append(f"{parent}.{sql.name(extra.name)} as extra_value")
            shape = ", ".join(f"{sql.name(name)} {kind}" for name, kind in members.items())
            columns[stream.properties_field] = f"STRUCT({shape})"
        shape = ", ".join(f"{sql.text(name)}: {sql.text(kind)}" for name, kind in columns.items())
        reader = (
            f"read_json({sql.text(str(self.task.unit.path))}, format = 'newline_delimited', "
            f"columns = {{{shape}}}, maximum_object_size = {_LONGEST_ROW_BYTES}, "
            f"ignore_errors = {is_wary}, compression = 'uncompressed', hive_partitioning = false)"
        )
        return numbered_rows(reader, unit=self.task.unit, columns=outputs)

    def _columns(self, extra: _Extra | None) -> dict[str, str]:
        columns = {field.name: _read_type(field) for field in self.stream.all_fields}
        columns["row_number"] = "BIGINT"
        if self.stream.properties_field:
            columns["has_object"] = "BOOLEAN"
        if extra is not None:
            columns["extra_value"] = "JSON"
        return columns

    def _is_likely_of_one_date(self) -> bool:
        """Whether rows from all over the piece are of one date, as far as their text shows it."""
        pattern = re.compile(rb'"%s": ?"(\d{4}-\d\d-\d\d)' % self.stream.time_field.encode())
        size = self.task.unit.path.stat().st_size
        dates = set()
        with self.task.unit.path.open("rb") as file:
            for number in range(_SAMPLED_ROWS):
                file.seek(size * number // _SAMPLED_ROWS)
                match = pattern.search(file.read(_SAMPLED_BYTES))
                dates.add(match[1] if match else b"")
        return len(dates) == 1

    def _is_proven(self, written: Written) -> bool:
        """Whether every row of the piece was written, keeps the contract, and holds nothing else."""
        if written.rows != self.scan.rows:
            return False
        counted = self._counted(written)
        latest = self.connection.execute("select getvariable('latest_time')::varchar").fetchall()
        return (
            counted.members == self.scan.members
            and self.scan.objects == (written.rows if self.stream.properties_field else 0)
            and self.scan.lists == counted.lists
            and self.scan.booleans == counted.extra_flags
            and all(
                self._is_within(field, written, latest=str(latest[0][0]))
                for field in self.stream.all_fields
            )
        )

    def _is_within(self, field: Field, written: Written, *, latest: str) -> bool:
        if field.is_required and written.nulls.get(field.column, 1) > 0:
            return False
        found = written.bounds.get(field.column, [])
        if field.kind is Kind.TIME:
            return all(
                _PLAIN_TIME.match(bound) and (field.may_be_future or bound <= latest)
                for pair in found
                for bound in pair
            )
        if field.kind is Kind.DATE:
            return all(_PLAIN_DATE.match(bound) for pair in found for bound in pair)
        return all(
            (field.minimum is None or Decimal(least) >= Decimal(field.minimum))
            and (field.maximum is None or Decimal(greatest) <= Decimal(field.maximum))
            for least, greatest in (found if field.minimum or field.maximum else [])
        )

    def _counted(self, written: Written) -> _Counted:
        """The members that were read, by the columns that were written."""
        plain, lists, flags = [], ["0"], ["0"]
        for field in self.stream.all_fields:
            if field.kind is Kind.TEXT_LIST:
                lists.append(f"count({sql.name(field.column)})")
            elif field.privacy is Privacy.PRESENCE_ONLY:
                flags.append(f"count(*) filter ({sql.name(field.column)})")
            else:
                plain.append(field.column)
        files = sql.text_list(str(path) for path in written.paths)
        list_count, flag_count, extra_count, extra_flags = self.connection.execute(
            f"select {' + '.join(lists)}, {' + '.join(flags)}, count(source_metadata), "
            "count(*) filter (regexp_matches(source_metadata, ':(true|false)}+$')) "
            f"from read_parquet({files})"
        ).fetchall()[0]
        members = sum(written.rows - written.nulls[column] for column in plain)
        members += list_count + flag_count + extra_count
        if self.stream.properties_field:
            members += written.rows
        return _Counted(members=members, lists=list_count, extra_flags=extra_flags)

    def _completed(self, written: Written, *, worker: Worker) -> PieceResult | None:
        """The rows that were written, with those that were not, read the other way."""
        left = self.scan.rows - written.rows
        if left > self.scan.rows * _MOST_SUSPECTS:
            return None
        counted = self._counted(written)
        rest_unit = replace(self.task.unit, landed=written.paths)
        lines = numbered_rows(lines_reader(rest_unit.path), unit=rest_unit)
        ((text,),) = self.connection.execute(
            f"select coalesce(string_agg(line, chr(10)), '') from ({lines})"
        ).fetchall()
        if counted.members != self.scan.members - scan_text(text).members:
            return None
        result = landed_result(written, stream=self.stream)
        if not left:
            return result
        rest = run_piece(
            replace(self.task, unit=rest_unit, folder=self.task.folder / "rest"), worker=worker
        )
        return _united(result, rest, stream=self.stream)


def landed_result(written: Written, *, stream: Stream) -> PieceResult:
    """The result of a piece of which every row was written."""
    first, last = written.times(stream)
    landed = StreamResult(
        rows_landed=written.rows,
        quarantined_by_reason={},
        min_event_at=first,
        max_event_at=last,
        files=written.files,
    )
    return PieceResult(
        rows_read=written.rows,
        rows_unreadable=0,
        rows_ignored=0,
        rows_expanded=0,
        streams={stream.name: landed},
        quarantine_files=(),
        retry_at=None,
    )


def _united(first: PieceResult, rest: PieceResult, *, stream: Stream) -> PieceResult:
    landed, more = first.streams[stream.name], rest.streams[stream.name]
    times = [landed.min_event_at, landed.max_event_at, more.min_event_at, more.max_event_at]
    known = [moment for moment in times if moment is not None]
    return replace(
        rest,
        rows_read=first.rows_read + rest.rows_read,
        streams={
            stream.name: replace(
                more,
                rows_landed=landed.rows_landed + more.rows_landed,
                min_event_at=min(known),
                max_event_at=max(known),
                files=landed.files + more.files,
            )
        },
    )


def _read_type(field: Field) -> str:
    return "VARCHAR[]" if field.kind is Kind.TEXT_LIST else "VARCHAR"


def _metadata(extra: _Extra | None, *, stream: Stream) -> str:
    """SQL: source_metadata with a member beyond the contract, as the other way writes it."""
    if extra is None:
        return "null::varchar"
    opening = json.dumps({extra.name: None}).removesuffix("null}").replace(" ", "")
    closing = "}"
    if extra.is_inner:
        opening = f'{{"{stream.properties_field}":{opening}'
        closing = "}}"
    return f"{sql.text(opening)} || nullif(extra_value::varchar, 'null') || {sql.text(closing)}"
