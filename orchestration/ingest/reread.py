"""Reading refused rows again, after a rule or an adapter was fixed.

Belongs here: where their text comes from, and which of the rows read again are new. Does not belong
here: how rows are read and checked (pieces.py), what a replay writes (replay.py).

Rows of the contract's own formats stand alone, so their kept text is enough. An adapter may look at
several rows of a file, or at what the quarantine must not keep; its file is read again in whole,
from the landing folder, and only what was refused is taken from it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from orchestration.contracts.streams import STREAMS
from orchestration.ingest import files as landing_files
from orchestration.ingest import sql
from orchestration.ingest.adapter import NATIVE, Adapter, native_adapter
from orchestration.ingest.files import Candidate, UnusableFile
from orchestration.ingest.lake import staging_folder
from orchestration.ingest.ledger import LedgerEntry, StreamEntry, read_entries
from orchestration.ingest.listing import lake_files, loading, reading
from orchestration.ingest.load_place import LoadPlace
from orchestration.ingest.pieces import PieceResult, PieceTask, run_piece
from orchestration.ingest.quarantine import Holding, Selection, check_selection, holdings
from orchestration.ingest.reader import Unit
from orchestration.ingest.replay import Move, StreamMove, lake_paths, record_move, refused_rows
from orchestration.ingest.sources import Source, read_sources
from orchestration.ingest.splitting import prepare
from orchestration.ingest.worker import Worker, worker_pool
from orchestration.settings import Settings


@dataclass(frozen=True, kw_only=True)
class FileReplay:
    """What became of the refused rows of one file. ``problem`` says why they cannot be read."""

    source_name: str
    path: str
    rows_tried: int
    rows_landed: int = 0
    rows_still_refused: int = 0
    problem: str | None = None


class _NotReadable(Exception):
    """The rows of a file cannot be read again; the text says why and what to do."""


def replay_refused_rows(
    *,
    settings: Settings,
    landing: Path,
    as_of: datetime,
    selection: Selection,
    on_file: Callable[[FileReplay], None] | None = None,
) -> tuple[FileReplay, ...]:
    """Put refused rows through the rules and adapters as they are now; land those that pass.

    A raw row of which one selected row was refused is read again as a whole. Rows that still break
    a rule stay refused, for the reason they break it now.

    Args:
        landing: where files may still lie.
        as_of: the load clock; aware.
        on_file: called with each outcome as it is known.

    Raises:
        UserError: the selection names nothing that was loaded, or the sources' declaration cannot
            be used.
    """
    entries = read_entries(settings.lake)
    check_selection(selection, entries=entries)
    sources = read_sources(settings.config)
    clock = as_of.astimezone(UTC)
    done = []
    with (
        loading(settings.lake),
        reading(settings.lake),
        staging_folder(settings.lake) as staging,
        worker_pool(settings=settings, scratch=staging, as_of=clock) as pool,
        pool.worker() as worker,
    ):
        replay = _Replay(
            settings=settings,
            landing=landing,
            clock=clock,
            selection=selection,
            sources=sources,
            staging=staging,
            worker=worker,
            place=LoadPlace.of(settings),
        )
        for held in holdings(entries):
            outcome = replay.run(held)
            if outcome is not None:
                done.append(outcome)
                if on_file is not None:
                    on_file(outcome)
    return tuple(sorted(done, key=lambda one: (one.source_name, one.path)))


@dataclass(frozen=True, kw_only=True)
class _Replay:
    """One call of replay_refused_rows."""

    settings: Settings
    landing: Path
    clock: datetime
    selection: Selection
    sources: Sequence[Source]
    staging: Path
    worker: Worker
    place: LoadPlace
    _found: list[Candidate] = field(default_factory=list)

    def run(self, held: Holding) -> FileReplay | None:
        """The outcome of one file; None if none of its rows is selected."""
        if held.latest.quarantine_file is None:
            return None
        self._keep_selected(held)
        tried = self._count("replay.chosen")
        if not tried:
            return None
        entry = held.entry
        outcome = FileReplay(source_name=entry.source_name, path=entry.path, rows_tried=tried)
        try:
            landed, refused = self._move(held)
        except (_NotReadable, UnusableFile) as error:
            return _with_problem(outcome, str(error))
        except duckdb.Error as error:
            return _with_problem(outcome, f"cannot be read again: {str(error).splitlines()[0]}")
        return FileReplay(
            source_name=entry.source_name,
            path=entry.path,
            rows_tried=tried,
            rows_landed=landed,
            rows_still_refused=refused,
        )

    def _keep_selected(self, held: Holding) -> None:
        """Make the tables replay.held, of all refused rows of the load, and replay.chosen, of those
        that are read again."""
        refused = refused_rows(held, lake=self.settings.lake)
        self._execute("create schema if not exists replay")
        self._execute(f"create or replace table replay.held as {refused}")
        # A line of a csv that could not be read is no row that could be put together again.
        is_row = "json_valid(raw_text)" if _is_table(held.entry) else "true"
        self._execute(
            f"""create or replace table replay.chosen as
            from replay.held
            where {is_row}
                and row_number in (
                    select row_number from replay.held where {self.selection.condition}
                )"""
        )

    def _move(self, held: Holding) -> tuple[int, int]:
        """Read, check, write; how many rows landed and how many of the chosen are still refused."""
        task = self._task(held)
        result = run_piece(task, worker=self.worker)
        self._list_landed(held)
        self._list_refused(result)
        streams = {
            name: StreamMove(
                landing=self._landing(name, result),
                waiting=self._waiting(name, held, result),
            )
            for name in {**held.latest.streams, **result.streams}
        }
        move = Move(
            streams=streams,
            refused="""from replay.held
                where row_number not in (select row_number from replay.chosen)
                union all by name
                from replay.refused_again""",
            rows_ignored=self._ignored(streams),
        )
        entry = record_move(
            held,
            move,
            place=self.place,
            as_of=self.clock,
            staging=self.staging,
            worker=self.worker,
        )
        return (entry.rows_landed if entry else 0), self._count("replay.refused_again")

    def _task(self, held: Holding) -> PieceTask:
        """What to read; makes the table replay.positions of its rows among those of the file."""
        entry = held.entry
        folder = self.staging / f"reread-{entry.load_id}"
        adapter, defaults = self._adapter(entry)
        if adapter.is_native:
            unit = self._unit_of_texts(entry, folder=folder)
        else:
            original = self._original(entry)
            if original is not None:
                unit = prepare(
                    original,
                    content_sha256=entry.content_sha256,
                    scratch=folder,
                    may_split=False,
                    connection=self.worker.connection,
                ).units[0]
                self._execute(
                    "create or replace table replay.positions as "
                    "select distinct row_number as position, row_number from replay.chosen"
                )
            elif _text_is_enough(adapter):
                unit = self._unit_of_texts(entry, folder=folder)
            else:
                raise _NotReadable(
                    f"the adapter {adapter.name} needs the file itself and it is no longer in "
                    f"{self.landing}; put it back and run the replay again"
                )
        return PieceTask(
            unit=unit,
            adapter=adapter,
            source_name=entry.source_name,
            load_id=entry.load_id,
            shown_path=entry.path,
            folder=folder / "rows",
            defaults=defaults,
        )

    def _adapter(self, entry: LedgerEntry) -> tuple[Adapter, Mapping[str, str]]:
        if entry.adapter == NATIVE:
            (stream,) = entry.streams
            return native_adapter(STREAMS[stream]), {}
        for source in self.sources:
            # Formats of one system share its name, so the name alone would find another's adapter.
            if (source.name, source.adapter.name) == (entry.source_name, entry.adapter):
                return source.adapter, source.defaults
        raise _NotReadable(
            f"config/sources.yml declares no source {entry.source_name} with the adapter "
            f"{entry.adapter} any more; declare it again"
        )

    def _original(self, entry: LedgerEntry) -> Path | None:
        """The file as it was loaded, wherever in the landing folder it lies now."""
        if not self._found and self.landing.is_dir():
            self._found.extend(landing_files.find_files(self.landing, sources=self.sources))
        candidates = [
            one
            for one in self._found
            if one.source_name == entry.source_name
            and one.adapter is not None
            and one.adapter.name == entry.adapter
            and one.path.is_file()
            and one.path.stat().st_size == entry.size_bytes
        ]
        for candidate in sorted(candidates, key=lambda one: one.shown_path != entry.path):
            if landing_files.hash_file(candidate.path) == entry.content_sha256:
                return candidate.path
        return None

    def _unit_of_texts(self, entry: LedgerEntry, *, folder: Path) -> Unit:
        """The kept texts as a file of the kind they were read from."""
        folder.mkdir(parents=True, exist_ok=True)
        self._execute(
            """create or replace table replay.positions as
            select
                row_number() over (order by row_number) as position,
                row_number,
                any_value(raw_text) as raw_text
            from replay.chosen
            group by row_number"""
        )
        if _is_table(entry):
            return self._unit_of_table(folder / "texts.parquet")
        path = folder / "texts.ndjson"
        # Between members of a document a line end is white space; nowhere else may one stand.
        text = "translate(raw_text, E'\\n\\r\\x01', E'  \ufffd')"
        self._execute(
            f"copy (select {text} as line from replay.positions order by position) "
            f"to {sql.text(str(path))} (format csv, header false, quote '', escape '', "
            "delimiter E'\\x01')"
        )
        return Unit(path=path, format="lines")

    def _unit_of_table(self, path: Path) -> Unit:
        """The cells of csv and Parquet rows, whose text is an object of them, as columns again."""
        names = self.worker.connection.execute(
            "select distinct unnest(json_keys(raw_text)) as name from replay.positions order by 1"
        ).fetchall()
        columns = [
            f"json_extract_string(raw_text, {sql.text(_pointer(name))}) as {sql.name(name)}"
            for (name,) in names
            # Not a cell: the reader's own number.
            if name != "row_number"
        ]
        # Rows of which every cell is empty have no columns left.
        cells = ", ".join(columns) or "null::varchar as nothing"
        self._execute(
            f"copy (select {cells} from replay.positions order by position) "
            f"to {sql.text(str(path))} (format parquet)"
        )
        return Unit(path=path, format="parquet")

    def _list_landed(self, held: Holding) -> None:
        """Make the table replay.landed: rows of the lake that came of the chosen raw rows."""
        self._execute(
            "create or replace table replay.landed "
            "(stream_name varchar, row_number bigint, row_key varchar)"
        )
        loads = sql.text_list(one.load_id for one in held.everything)
        files: dict[str, list[str]] = {}
        for file in lake_files(self.settings.lake, entries=held.everything):
            files.setdefault(file.stream, []).append(file.path)
        for name, paths in files.items():
            # A merged file holds rows of other loads too.
            self._execute(
                f"""insert into replay.landed
                select {sql.text(name)}, row_number, {_key_text(name)}
                from read_parquet(
                    {lake_paths(self.settings.lake, paths)}, hive_partitioning = false
                )
                where list_contains({loads}, load_id)
                    and row_number in (select row_number from replay.positions)"""
            )

    def _list_refused(self, result: PieceResult) -> None:
        """Make the table replay.refused_again: chosen rows that still break a rule.

        Where a part of a raw row landed, no more of it is refused than was before: what is refused
        beyond that landed once.
        """
        if not result.quarantine_files:
            self._execute(
                "create or replace table replay.refused_again as from replay.held limit 0"
            )
            return
        files = sql.text_list(str(path) for path in result.quarantine_files)
        self._execute(
            f"""create or replace table replay.refused_again as
            with again as (
                select
                    refused.* exclude (row_number, raw_text),
                    positions.row_number,
                    texts.raw_text,
                    row_number() over (
                        partition by refused.stream_name, refused.row_number order by refused.rule
                    ) as part
                from read_parquet({files}) as refused
                inner join replay.positions on refused.row_number = positions.position
                inner join (
                    select row_number, any_value(raw_text) as raw_text
                    from replay.chosen
                    group by row_number
                ) as texts on positions.row_number = texts.row_number
            )
            select again.* exclude (part)
            from again
            left join (
                select stream_name, row_number, count(*) as parts
                from replay.chosen
                group by all
            ) as before using (stream_name, row_number)
            where again.part <= coalesce(before.parts, 0)
                or (again.stream_name, again.row_number) not in (
                    select stream_name, row_number from replay.landed
                )"""
        )

    def _landing(self, name: str, result: PieceResult) -> str:
        stream = STREAMS[name]
        staged = result.streams[name].files if name in result.streams else ()
        if not staged:
            columns = ", ".join(
                f"null::{kind} as {sql.name(column)}" for column, kind in stream.lake_columns
            )
            return f"select {columns}, null::date as event_date where false"
        files = sql.text_list(str(file.path) for file in staged)
        return f"""select
                staged.* replace (positions.row_number as row_number),
                staged.{sql.name(stream.time_field)}::date as event_date
            from read_parquet({files}, hive_partitioning = false) as staged
            inner join replay.positions on staged.row_number = positions.position
            where (positions.row_number, {_key_text(name)}) not in (
                select row_number, row_key from replay.landed
                where stream_name = {sql.text(name)}
            )"""

    def _waiting(self, name: str, held: Holding, result: PieceResult) -> str:
        """Rows of the future: of those not chosen as before, of the chosen as they are read now."""
        parts = []
        before = held.latest.streams.get(name, StreamEntry(rows_landed=0, rows_quarantined=0))
        if before.future_files:
            parts.append(
                f"from read_parquet({lake_paths(self.settings.lake, before.future_files)}) "
                "where row_number not in (select row_number from replay.chosen)"
            )
        future_file = result.streams[name].future_file if name in result.streams else None
        if future_file is not None:
            parts.append(
                f"""select future.* replace (positions.row_number as row_number)
                from read_parquet({sql.text(str(future_file))}) as future
                inner join replay.positions on future.row_number = positions.position"""
            )
        if not parts:
            return f"select *, null::timestamp as retry_at from ({self._landing(name, result)}) limit 0"
        return " union all by name ".join(parts)

    def _ignored(self, streams: Mapping[str, StreamMove]) -> int:
        """How many chosen raw rows nothing comes of now."""
        kept = " union ".join(
            [
                "select row_number from replay.refused_again",
                "select row_number from replay.landed",
                *(f"select row_number from ({move.landing})" for move in streams.values()),
            ]
        )
        return self._count(f"(select distinct row_number from replay.chosen except ({kept}))")

    def _count(self, relation: str) -> int:
        ((count,),) = self.worker.connection.execute(f"select count(*) from {relation}").fetchall()
        return int(count)

    def _execute(self, statement: str) -> None:
        self.worker.connection.execute(statement)


def _with_problem(outcome: FileReplay, problem: str) -> FileReplay:
    return FileReplay(
        source_name=outcome.source_name,
        path=outcome.path,
        rows_tried=outcome.rows_tried,
        rows_still_refused=outcome.rows_tried,
        problem=problem,
    )


def _is_table(entry: LedgerEntry) -> bool:
    return entry.format in ("csv", "parquet")


def _text_is_enough(adapter: Adapter) -> bool:
    """Whether the kept text of a row is all that the adapter looks at for the row."""
    hidden = {*adapter.private_members} - {"user_id", "comment"}
    return (
        not adapter.is_raw_text_private
        and not adapter.tables
        and not any(hidden.intersection(one.path) for one in adapter.raw_fields)
        and not any(_compares_rows(section.sql) for section in adapter.sections)
    )


def _compares_rows(section_sql: str) -> bool:
    return (
        len(re.findall(r"\braw_rows\b", section_sql, re.IGNORECASE)) > 1
        or re.search(r"\b(over|group|having|distinct|limit)\b", section_sql, re.IGNORECASE)
        is not None
    )


def _pointer(name: str) -> str:
    return "/" + name.replace("~", "~0").replace("/", "~1")


def _key_text(stream: str) -> str:
    """SQL: the key of a row of the lake as one text."""
    parts = ", ".join(
        f"coalesce({sql.name(column)}::varchar, '')" for column in STREAMS[stream].key
    )
    return f"concat_ws(chr(31), {parts})"
