"""One piece of a file: read, typed, checked, and written as staged Parquet.

Belongs here: the statements run for a piece and what they counted. Does not belong here: when a
file's pieces become part of the lake (load.py).
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from orchestration.contracts.model import Stream
from orchestration.contracts.reasons import Reason
from orchestration.ingest import sql
from orchestration.ingest.adapter import Adapter, Section
from orchestration.ingest.reader import RawRows, Unit, UnreadableRows, cut, open_unit, raw_text_of
from orchestration.ingest.repair import rewrite_rows
from orchestration.ingest.validation import CheckedSelect, checked_rows
from orchestration.ingest.worker import Worker

# Against the engine's own choice: half the bytes, and a fifth less time. Columns of identifiers are
# found out to be none for a dictionary after a thousand values.
LAKE_FORMAT = (
    "format parquet, parquet_version v2, compression zstd, compression_level 1, "
    "dictionary_size_limit 1000"
)


@dataclass(frozen=True, kw_only=True)
class PieceTask:
    """A piece and everything needed to read it. ``folder``, in the staging folder, is its own."""

    unit: Unit
    adapter: Adapter
    source_name: str
    load_id: str
    shown_path: str
    folder: Path
    defaults: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class StagedFile:
    """A staged lake file of one event date."""

    event_date: str
    path: Path


@dataclass(frozen=True, kw_only=True)
class Written:
    """The files the engine wrote, and what it says of their columns."""

    rows: int
    files: tuple[StagedFile, ...]
    nulls: Mapping[str, int]
    # Least and greatest value of each file, as text.
    bounds: Mapping[str, Sequence[tuple[str, str]]]

    def times(self, stream: Stream) -> tuple[datetime | None, datetime | None]:
        """The least and the greatest event time."""
        found = self.bounds.get(stream.time_field)
        if not found:
            return None, None
        least, greatest = min(pair[0] for pair in found), max(pair[1] for pair in found)
        return utc(datetime.fromisoformat(least)), utc(datetime.fromisoformat(greatest))

    @property
    def paths(self) -> tuple[Path, ...]:
        return tuple(file.path for file in self.files)


@dataclass(frozen=True, kw_only=True)
class StreamResult:
    rows_landed: int
    quarantined_by_reason: Mapping[str, int]
    min_event_at: datetime | None
    max_event_at: datetime | None
    files: tuple[StagedFile, ...]
    future_file: Path | None = None


@dataclass(frozen=True, kw_only=True)
class PieceResult:
    rows_read: int
    rows_unreadable: int
    rows_ignored: int
    rows_expanded: int
    streams: Mapping[str, StreamResult]
    quarantine_files: tuple[Path, ...]
    retry_at: datetime | None


def run_piece(task: PieceTask, *, worker: Worker) -> PieceResult:
    """Read, check and stage one piece.

    Raises:
        duckdb.Error: the piece cannot be read at all.
    """
    task.folder.mkdir(parents=True, exist_ok=True)
    with cut(task.unit, folder=task.folder) as unit:
        try:
            return _run(task, unit=unit, worker=worker, is_guarded=False)
        except UnreadableRows:
            rewritten = rewrite_rows(unit, target=task.folder / "rewritten")
            return _run(task, unit=rewritten, worker=worker, is_guarded=True)
        except duckdb.InvalidInputException as error:
            if "Malformed JSON" not in str(error):
                raise
            return _run(task, unit=unit, worker=worker, is_guarded=True)


def _run(task: PieceTask, *, unit: Unit, worker: Worker, is_guarded: bool) -> PieceResult:
    connection = worker.connection
    rows = open_unit(connection, unit, adapter=task.adapter, is_guarded=is_guarded)
    quarantine_files: list[Path] = []
    streams: dict[str, StreamResult] = {}
    retries: list[datetime] = []
    if not task.adapter.is_native:
        connection.execute("create or replace temp table mapped_rows (row_number bigint)")
    for table in task.adapter.tables:
        connection.execute(f"create or replace temp table {sql.name(table.name)} as {table.sql}")
    for section in task.adapter.sections:
        result, quarantine_file, retry_at = _run_section(
            task, section=section, unit=unit, rows=rows, connection=connection
        )
        streams[section.stream.name] = result
        quarantine_files += [quarantine_file] if quarantine_file else []
        retries += [retry_at] if retry_at else []
    first = task.adapter.sections[0].stream
    if rows.rows_unreadable:
        path = task.folder / "quarantine-unreadable.parquet"
        counts = _quarantine_unreadable(task, stream=first, path=path, connection=connection)
        quarantine_files.append(path)
        known = streams[first.name]
        streams[first.name] = replace(
            known, quarantined_by_reason=_added(known.quarantined_by_reason, counts)
        )
    ignored = expanded = 0
    if not task.adapter.is_native:
        mapped, distinct = connection.execute(
            "select count(*), count(distinct row_number) from mapped_rows"
        ).fetchall()[0]
        ignored = rows.rows_read - rows.rows_unreadable - distinct
        expanded = mapped - distinct
    return PieceResult(
        rows_read=rows.rows_read,
        rows_unreadable=rows.rows_unreadable,
        rows_ignored=ignored,
        rows_expanded=expanded,
        streams={
            name: result
            for name, result in streams.items()
            if task.adapter.is_native or result.rows_landed or result.quarantined_by_reason
        },
        quarantine_files=tuple(quarantine_files),
        retry_at=min(retries, default=None),
    )


def _run_section(
    task: PieceTask,
    *,
    section: Section,
    unit: Unit,
    rows: RawRows,
    connection: duckdb.DuckDBPyConnection,
) -> tuple[StreamResult, Path | None, datetime | None]:
    stream = section.stream
    section_sql, columns = _section_with_defaults(task, section, rows=rows, connection=connection)
    checked = checked_rows(
        stream,
        section_sql=section_sql,
        columns=columns,
        source_name=task.source_name,
        load_id=sql.text(task.load_id),
        is_json=unit.is_json,
        is_native=task.adapter.is_native,
    )
    if task.adapter.is_native:
        # Nearly all rows land, so they are written as they are read; only the others are kept.
        written = _written_rows(task, stream=stream, rows=checked.sql, connection=connection)
        has_refused = written.rows < rows.rows_read - rows.rows_unreadable
        refused_sql = f"select * from ({checked.sql}) where {has_refused} and failed_rule > 0"
        connection.execute(f"create or replace temp table checked as {refused_sql}")
    else:
        connection.execute(f"create or replace temp table checked as {checked.sql}")
        connection.execute("insert into mapped_rows select row_number from checked")
        written = _written_rows(task, stream=stream, rows="from checked", connection=connection)
    counts = connection.execute(
        "select failed_rule, count(*), min(retry_at) from checked where failed_rule > 0 "
        "group by failed_rule order by 1"
    ).fetchall()
    first, last = written.times(stream)
    retry_at = min((row[2] for row in counts if row[2] is not None), default=None)
    future_file = None
    if retry_at is not None:
        future_file = task.folder / f"future-{stream.name}.parquet"
        connection.execute(
            f"copy (select {lake_columns(stream)}, event_date, retry_at from checked "
            f"where retry_at is not null) to {sql.text(str(future_file))} (format parquet)"
        )
    refused = {row[0]: row[1] for row in counts}
    by_reason: dict[str, int] = {}
    quarantine_file = None
    if refused:
        for number, count in refused.items():
            reason = checked.rules[number - 1].reason.value
            by_reason[reason] = by_reason.get(reason, 0) + count
        quarantine_file = task.folder / f"quarantine-{stream.name}.parquet"
        _quarantine_refused(
            task,
            stream=stream,
            checked=checked,
            unit=unit,
            path=quarantine_file,
            connection=connection,
        )
    result = StreamResult(
        rows_landed=written.rows,
        quarantined_by_reason=by_reason,
        min_event_at=first,
        max_event_at=last,
        files=written.files,
        future_file=future_file,
    )
    return result, quarantine_file, utc(retry_at)


def _written_rows(
    task: PieceTask, *, stream: Stream, rows: str, connection: duckdb.DuckDBPyConnection
) -> Written:
    # A piece that is read again, guarded, writes again.
    folder = task.folder / stream.name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return copied(
        f"copy (select {lake_columns(stream)}, event_date from ({rows}) where failed_rule = 0) "
        f"to {sql.text(str(folder))} "
        f"({LAKE_FORMAT}, partition_by (event_date), overwrite true, return_stats)",
        connection=connection,
    )


def utc(moment: datetime | None) -> datetime | None:
    """A time as the engine gives it, naive and UTC, as an aware one."""
    return None if moment is None else moment.replace(tzinfo=UTC)


def _section_with_defaults(
    task: PieceTask, section: Section, *, rows: RawRows, connection: duckdb.DuckDBPyConnection
) -> tuple[str, dict[str, str]]:
    if task.adapter.is_native:
        return section.sql, rows.columns
    # The checks name a value many times; as an expression it would be computed each time.
    connection.execute(f"create or replace temp table raw_section as {section.sql}")
    described = connection.execute("describe raw_section").fetchall()
    columns = {str(row[0]): str(row[1]) for row in described}
    known = {stream_field.name for stream_field in section.stream.all_fields}
    outputs = []
    for column in columns:
        default = task.defaults.get(column) if column in known else None
        value = sql.name(column)
        if default is not None:
            value = f"coalesce(nullif({value}::varchar, ''), {sql.text(default)})"
            columns[column] = "VARCHAR"
        outputs.append(f"{value} as {sql.name(column)}")
    for column, default in task.defaults.items():
        if column in known and column not in columns:
            outputs.append(f"{sql.text(default)} as {sql.name(column)}")
            columns[column] = "VARCHAR"
    return f"select {', '.join(outputs)} from raw_section", columns


def lake_columns(stream: Stream) -> str:
    """SQL: the columns of the stream's lake files."""
    return ", ".join(sql.name(column) for column, _ in stream.lake_columns)


def stage_rows(
    rows: str, *, folder: Path, only_date: str | None, connection: duckdb.DuckDBPyConnection
) -> tuple[StagedFile, ...]:
    """Write rows to one file per event date.

    Args:
        rows: a SELECT of the lake's columns and event_date.
        only_date: the event date of all rows, if they have only one: then nothing is divided.
    """
    folder.mkdir(parents=True)
    if only_date is not None:
        path = folder / "rows.parquet"
        connection.execute(
            f"copy (select * exclude (event_date) from ({rows})) to {sql.text(str(path))} "
            f"({LAKE_FORMAT})"
        )
        return (StagedFile(event_date=only_date, path=path),)
    connection.execute(
        f"copy ({rows}) to {sql.text(str(folder))} ({LAKE_FORMAT}, partition_by (event_date), "
        "overwrite true)"
    )
    return tuple(
        StagedFile(event_date=path.parent.name.removeprefix("event_date="), path=path)
        for path in sorted(folder.glob("event_date=*/*.parquet"))
    )


def copied(statement: str, *, connection: duckdb.DuckDBPyConnection) -> Written:
    """Run a COPY that returns statistics."""
    rows = 0
    files = []
    nulls: dict[str, int] = {}
    bounds: dict[str, list[tuple[str, str]]] = {}
    for name, count, _, _, statistics, _ in connection.execute(statement).fetchall():
        path = Path(name)
        rows += count
        files.append(StagedFile(event_date=path.parent.name.removeprefix("event_date="), path=path))
        for quoted, known in statistics.items():
            column = quoted.strip('"')
            nulls[column] = nulls.get(column, 0) + int(known["null_count"])
            if "min" in known:
                bounds.setdefault(column, []).append((known["min"], known["max"]))
    return Written(
        rows=rows,
        files=tuple(sorted(files, key=lambda file: file.event_date)),
        nulls=nulls,
        bounds=bounds,
    )


def _quarantine_refused(
    task: PieceTask,
    *,
    stream: Stream,
    checked: CheckedSelect,
    unit: Unit,
    path: Path,
    connection: duckdb.DuckDBPyConnection,
) -> None:
    rules = ", ".join(
        f"({number}, {sql.text(rule.reason.value)}, {sql.text(rule.text)})"
        for number, rule in enumerate(checked.rules, start=1)
    )
    raw_text = _without_private(task.adapter, "texts.raw_text", source_name=task.source_name)
    # The raw rows are filtered first, so that their texts are only made for the refused ones.
    connection.execute(
        f"""copy (
        select
            {sql.text(task.source_name)} as source_name,
            {sql.text(stream.name)} as stream_name,
            rules.reason_code,
            rules.rule || coalesce('; got ' || left(checked.rejected_value, 200), '') as rule,
            {sql.text(task.shown_path)} as path,
            checked.row_number,
            {raw_text} as raw_text,
            {sql.text(task.load_id)} as load_id,
            getvariable('loaded_at')::timestamp as quarantined_at,
            checked.retry_at
        from (
            select row_number, failed_rule, rejected_value, retry_at
            from checked
            where failed_rule > 0
        ) as checked
        inner join (values {rules}) as rules (number, reason_code, rule)
            on checked.failed_rule = rules.number
        left join (
            select row_number, {raw_text_of(unit)} as raw_text
            from (
                select * from raw_texts
                where row_number in (select row_number from checked where failed_rule > 0)
            ) as raw_texts
        ) as texts on checked.row_number = texts.row_number
        order by checked.row_number
        ) to {sql.text(str(path))} (format parquet)"""
    )


def _quarantine_unreadable(
    task: PieceTask, *, stream: Stream, path: Path, connection: duckdb.DuckDBPyConnection
) -> dict[str, int]:
    texts = " ".join(
        f"when {sql.text(reason.value)} then {sql.text(reason.text)}"
        for reason in (Reason.MALFORMED_ROW, Reason.NOT_AN_OBJECT)
    )
    raw_text = _without_private(task.adapter, "raw_text", source_name=task.source_name)
    if _declared_private(task.adapter):
        # What cannot be read cannot be searched for what is private in it.
        raw_text = "'[removed]'"
    connection.execute(
        f"""copy (
        select
            {sql.text(task.source_name)} as source_name,
            {sql.text(stream.name)} as stream_name,
            problem as reason_code,
            case problem {texts} end as rule,
            {sql.text(task.shown_path)} as path,
            row_number,
            {raw_text} as raw_text,
            {sql.text(task.load_id)} as load_id,
            getvariable('loaded_at')::timestamp as quarantined_at,
            null::timestamp as retry_at
        from raw_problems
        order by row_number
        ) to {sql.text(str(path))} (format parquet)"""
    )
    counted = connection.execute(
        "select problem, count(*) from raw_problems group by problem"
    ).fetchall()
    return {str(problem): int(count) for problem, count in counted}


def _without_private(adapter: Adapter, raw_text: str, *, source_name: str) -> str:
    """SQL: the text of a row without what must not reach the lake.

    A user id is replaced by its hash, marked so that a replay of the row does not hash it again.
    Comments keep only that there was one.
    """
    if adapter.is_raw_text_private:
        return "'[removed]'"
    hashed = (
        f"'sha256:' || hashed_user({sql.text(source_name)}, "
        f'regexp_extract({raw_text}, \'"user_id"\\s*:\\s*"?([^",}}\\s]+)\', 1))'
    )
    text = (
        f'case when regexp_matches({raw_text}, \'"user_id"\\s*:\\s*"?[^",}}\\s]+\') '
        f"and not regexp_matches({raw_text}, '\"user_id\"\\s*:\\s*null') then "
        f'regexp_replace({raw_text}, \'"user_id"\\s*:\\s*("(\\\\.|[^"\\\\])*"?|[^,}}\\s]+)\', '
        f"'\"user_id\":\"' || {hashed} || '\"', 'g') else {raw_text} end"
    )
    members = "|".join(member for member in adapter.private_members if member != "user_id")
    text = (
        f'regexp_replace({text}, \'"({members})"\\s*:\\s*"(\\\\.|[^"\\\\])+"?\', '
        f"'\"\\1\":\"[removed]\"', 'g')"
    )
    declared = _declared_private(adapter)
    if not declared:
        return text
    # Objects and lists: those of a row that can be read are taken out; where none can, or one lies
    # deeper, the text ends before it.
    opening = f'"({members})"\\s*:\\s*[\\[{{]'
    patch = sql.text(json.dumps(dict.fromkeys(declared)))
    text = (
        f"case when regexp_matches({text}, '{opening}') and json_valid({text}) "
        f"then json_merge_patch({text}, {patch})::varchar else {text} end"
    )
    return f"regexp_replace({text}, '{opening}.*', '\"\\1\":\"[removed]', 's')"


def _declared_private(adapter: Adapter) -> list[str]:
    return [member for member in adapter.private_members if member not in ("user_id", "comment")]


def _added(first: Mapping[str, int], second: Mapping[str, int]) -> dict[str, int]:
    return {key: first.get(key, 0) + second.get(key, 0) for key in (*first, *second)}
