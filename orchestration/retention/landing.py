"""Taking the rows of who was erased out of landing files on this machine.

Belongs here: which rows of a file they are, and the file without them. Does not belong here: the lake
(rewriting.py), and objects on storage, which only their owner may change.

A file is read as a load reads it, so that its rows are numbered alike. The file without them is read too
before it takes the place of the other: only if nothing else is missing. Its bytes are noted as loaded
first, so that no load takes them for news.
"""

from __future__ import annotations

import csv
import gzip
import os
import uuid
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import BinaryIO

import duckdb
import zstandard

from orchestration.contracts.streams import STREAMS
from orchestration.ingest import sql
from orchestration.ingest.adapter import Adapter
from orchestration.ingest.default_tenants import erased_by_default
from orchestration.ingest.files import Candidate, UnusableFile, find_files, format_of, hash_file
from orchestration.ingest.ledger import (
    LedgerEntry,
    note_rewritten,
    read_all_entries,
    replace_entry,
    sync_folder,
)
from orchestration.ingest.load import identity_of
from orchestration.ingest.object_storage import is_url
from orchestration.ingest.pieces import PieceResult, PieceTask, run_piece
from orchestration.ingest.reader import Unit
from orchestration.ingest.sources import read_sources
from orchestration.ingest.splitting import prepare
from orchestration.ingest.tombstones import TENANT, erased_rows, namings, open_tombstones
from orchestration.ingest.worker import Worker, WorkerPool
from orchestration.retention.search import Words, file_has
from orchestration.settings import Settings


@dataclass(frozen=True, kw_only=True)
class LandingFile:
    """A file with rows of who was erased. ``problem`` says why they cannot be taken out here."""

    path: str
    rows: int
    problem: str | None = None


def rewrite_landing(
    settings: Settings,
    *,
    landing: str,
    keys: Path,
    names: Words | None,
    pool: WorkerPool,
    scratch: Path,
    is_applied: bool,
) -> tuple[LandingFile, ...]:
    """The files with rows of those whose ``keys`` these are; if applied, without them.

    A file of nothing else goes. ``names``: rows that name their owner do so by one of these.
    """
    sources = read_sources(settings.config)
    place = settings.landing if is_url(landing) else Path(landing)
    if not place.is_dir():
        return ()
    candidates = [
        candidate
        for candidate in find_files(place, sources=sources)
        if candidate.adapter is not None
        and candidate.stored is None
        and any(namings(section.stream) for section in candidate.adapter.sections)
        and (names is None or _may_hold(candidate, names))
    ]
    by_file: dict[Path, list[Candidate]] = {}
    for candidate in candidates:
        by_file.setdefault(candidate.path.resolve(), []).append(candidate)
    rewrite = partial(
        _one, settings=settings, keys=keys, pool=pool, scratch=scratch, is_applied=is_applied
    )

    # Links may lead to one file, which is rewritten by one after the other.
    def work(candidates: Sequence[Candidate]) -> list[LandingFile | None]:
        return [rewrite(candidate) for candidate in candidates]

    with ThreadPoolExecutor(max_workers=settings.threads) as threads:
        done = threads.map(work, by_file.values())
        return tuple(found for group in done for found in group if found is not None)


def _may_hold(candidate: Candidate, names: Words) -> bool:
    """Reading a file as a load does takes ten times as long as looking for names in it."""
    assert candidate.adapter is not None
    streams = [section.stream for section in candidate.adapter.sections]
    is_named = all(any(one.kind == TENANT for one in namings(stream)) for stream in streams)
    defaults = candidate.source.defaults if candidate.source else {}
    return not is_named or bool(defaults) or file_has(candidate.path, names)


@dataclass(frozen=True, kw_only=True)
class _Read:
    """What a file holds: raw rows, those to go, and the contract rows of all others."""

    unit: Unit
    rows: int
    going: frozenset[int]
    shared: int
    staying: int


def _one(
    candidate: Candidate,
    *,
    settings: Settings,
    keys: Path,
    pool: WorkerPool,
    scratch: Path,
    is_applied: bool,
) -> LandingFile | None:
    folder = scratch / uuid.uuid4().hex
    with pool.worker() as worker:
        open_tombstones(worker.connection, settings.lake, planned=keys)
        try:
            before = _read(candidate, candidate.path, folder=folder / "before", worker=worker)
        except (UnusableFile, duckdb.Error, OSError):
            # What no load can read is no row of anybody; the search of the folder looks at its text.
            return None
        if not before.going:
            return None
        found = LandingFile(path=candidate.shown_path, rows=len(before.going))
        if before.shared:
            return replace(
                found,
                problem=f"{before.shared} of its records hold others' rows too: take them out by hand",
            )
        if not is_applied:
            return found
        # A link leads on to the file without the rows.
        path = candidate.path.resolve()
        rest = path.with_name(f".{path.name}.unfinished")
        try:
            is_divided = _rewrite(
                candidate, before, path, rest=rest, folder=folder, settings=settings, worker=worker
            )
        except (UnusableFile, duckdb.Error, OSError) as error:
            said = (getattr(error, "strerror", None) or str(error)).partition("\n")[0]
            return replace(
                found,
                problem=f"{len(before.going)} rows cannot be taken out ({said}): take them out by hand",
            )
        finally:
            with suppress(OSError):
                rest.unlink(missing_ok=True)
    if not is_divided:
        return replace(found, problem="cannot be divided into rows: take them out by hand")
    return found


def _rewrite(
    candidate: Candidate,
    before: _Read,
    path: Path,
    *,
    rest: Path,
    folder: Path,
    settings: Settings,
    worker: Worker,
) -> bool:
    """Put the file without its rows in its place, by way of ``rest``; False if more than they would go."""
    if before.rows == len(before.going):
        _remove(candidate, path)
        return True
    _write_rest(before, rest, like=candidate.path, connection=worker.connection)
    checked = folder / candidate.path.name
    checked.parent.mkdir(parents=True, exist_ok=True)
    checked.unlink(missing_ok=True)
    _lend(rest, checked)
    after = _read(candidate, checked, folder=folder / "after", worker=worker)
    left = (before.rows - len(before.going), before.staying)
    if after.going or (after.rows, after.staying) != left:
        return False
    _take_place(candidate, path, rest, settings=settings)
    return True


def _remove(candidate: Candidate, path: Path) -> None:
    path.unlink()
    sync_folder(path.parent)
    if candidate.path.is_symlink():
        candidate.path.unlink()
        sync_folder(candidate.path.parent)


def _lend(rest: Path, checked: Path) -> None:
    """The file under another name, which may be of another file system."""
    try:
        os.link(rest, checked)
    except OSError:
        checked.symlink_to(rest)


def _read(candidate: Candidate, path: Path, *, folder: Path, worker: Worker) -> _Read:
    assert candidate.adapter is not None
    prepared = prepare(
        path,
        content_sha256="",
        scratch=folder,
        may_split=False,
        connection=worker.connection,
    )
    (unit,) = prepared.units
    task = PieceTask(
        unit=unit,
        adapter=candidate.adapter,
        source_name=candidate.source_name,
        load_id="",
        shown_path=candidate.shown_path,
        folder=folder / "rows",
        defaults=candidate.source.defaults if candidate.source else {},
    )
    result = run_piece(task, worker=worker)
    connection = worker.connection
    connection.execute("create or replace temp table named (row_number bigint, is_going boolean)")
    for rows, condition in _contract_rows(candidate, result):
        connection.execute(
            f"insert into named select row_number, coalesce({condition}, false) from {rows}"
        )
    going = frozenset(
        number
        for (number,) in connection.execute(
            "select distinct row_number from named where is_going"
        ).fetchall()
    )
    ((shared, staying),) = connection.execute(
        "select count(distinct row_number) filter (row_number in "
        "(select row_number from named where is_going)), count(*) from named where not is_going"
    ).fetchall()
    return _Read(unit=unit, rows=result.rows_read, going=going, shared=shared, staying=staying)


def _contract_rows(candidate: Candidate, result: PieceResult) -> Iterator[tuple[str, str]]:
    """Everything a file became, and which of it is of who was erased."""
    for name, stream in result.streams.items():
        files = [*(file.path for file in stream.files)]
        files += [stream.future_file] if stream.future_file else []
        if files:
            paths = sql.text_list(map(str, files))
            rows = f"read_parquet({paths}, union_by_name = true, hive_partitioning = false)"
            yield rows, " or ".join(erased_rows(STREAMS[name], rows=rows)) or "false"
    for path in result.quarantine_files:
        by_default = erased_by_default([candidate.source] if candidate.source else [])
        yield (
            f"read_parquet({sql.text(str(path))})",
            f"mentions_erased({sql.text(candidate.source_name)}, raw_text) or {by_default}",
        )


def _write_rest(
    read: _Read, target: Path, *, like: Path, connection: duckdb.DuckDBPyConnection
) -> None:
    """Write the raw rows that stay, in the format and compression of the file they come from."""
    unit, (_, compression) = read.unit, format_of(like)
    if unit.format == "parquet":
        numbers = ", ".join(map(str, sorted(number - 1 for number in read.going)))
        connection.execute(
            f"copy (select * exclude (file_row_number) from read_parquet({sql.text(str(unit.path))}, "
            f"file_row_number = true, hive_partitioning = false) where file_row_number not in ({numbers})) "
            f"to {sql.text(str(target))} (format parquet)"
        )
    else:
        with target.open("wb") as file:
            _write_text(_texts_of(read, connection=connection), file, compression=compression)
    with target.open("rb+") as file:
        os.fsync(file.fileno())


def _write_text(texts: Iterator[bytes], file: BinaryIO, *, compression: str) -> None:
    if compression == "gzip":
        with gzip.GzipFile(fileobj=file, mode="wb", mtime=0) as packed:
            packed.writelines(texts)
    elif compression == "zstd":
        with zstandard.ZstdCompressor().stream_writer(file, closefd=False) as writer:
            for text in texts:
                writer.write(text)
    else:
        file.writelines(texts)


def _texts_of(read: _Read, *, connection: duckdb.DuckDBPyConnection) -> Iterator[bytes]:
    """The text of a file piece by piece, without the rows that go."""
    unit, going = read.unit, read.going
    if unit.format == "lines":
        with unit.path.open("rb") as lines:
            yield from (line for number, line in enumerate(lines, 1) if number not in going)
    elif unit.format == "csv":
        records = _csv_records(unit.path, delimiter=unit.csv_delimiter)
        yield next(records)
        yield from (record for number, record in enumerate(records, 1) if number not in going)
    else:
        kind = "array" if unit.format == "array" else "unstructured"
        objects = connection.execute(
            f"select json::varchar from read_json_objects({sql.text(str(unit.path))}, "
            f"format = '{kind}', maximum_object_size = 128000000)"
        ).fetchall()
        kept = [text for number, (text,) in enumerate(objects, 1) if number not in going]
        opening, between, closing = ("[\n", ",\n", "\n]\n") if kind == "array" else ("", "\n", "\n")
        yield (opening + between.join(kept) + closing).encode()


def _csv_records(path: Path, *, delimiter: str) -> Iterator[bytes]:
    """The text of each record, which may span lines; a line without anything is none."""
    taken: list[str] = []
    with path.open(encoding="utf-8", newline="") as file:
        lines = iter(file.readline, "")
        reader = csv.reader(_noting(lines, taken), delimiter=delimiter)
        for record in reader:
            if record:
                yield "".join(taken).encode()
                taken.clear()


def _noting(lines: Iterator[str], taken: list[str]) -> Iterator[str]:
    for line in lines:
        taken.append(line)
        yield line


def _take_place(candidate: Candidate, path: Path, rest: Path, *, settings: Settings) -> None:
    adapter: Adapter | None = candidate.adapter
    assert adapter is not None
    before = identity_of(candidate, adapter, content_sha256=hash_file(candidate.path))
    content = hash_file(rest)
    after = identity_of(candidate, adapter, content_sha256=content)
    note_rewritten(settings.lake, source_name=candidate.source_name, load_id=after)
    for entry in _entries_of(settings, candidate, load_id=before):
        replace_entry(settings.lake, replace(entry, content_sha256=content))
    rest.replace(path)
    sync_folder(path.parent)


def _entries_of(settings: Settings, candidate: Candidate, *, load_id: str) -> Sequence[LedgerEntry]:
    entries = read_all_entries(settings.lake)
    of_load = [one for one in entries if load_id in (one.load_id, one.replay_of)]
    if of_load:
        return of_load
    content = hash_file(candidate.path)
    return [
        one
        for one in entries
        if one.source_name == candidate.source_name and one.content_sha256 == content
    ]
