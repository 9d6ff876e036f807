"""Loading a landing folder into the lake: every file once, every row accounted for.

Belongs here: the order of steps for files and their pieces, and the report of what happened. Does
not belong here: finding, cutting and reading files (files.py, splitting.py, reader.py,
object_storage.py), rules (validation.py), rows whose time had not come (replay.py).
"""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from logging import Logger
from pathlib import Path
from threading import Lock

import duckdb

from orchestration.disk_space import is_out_of_space, out_of_space
from orchestration.errors import RunFailure
from orchestration.ingest import files as landing_files
from orchestration.ingest import sql
from orchestration.ingest.adapter import Adapter
from orchestration.ingest.edited_mappings import describe_edits, mapping_fingerprint
from orchestration.ingest.files import Candidate, UnreachableFile, UnusableFile
from orchestration.ingest.lake import staging_folder, write_empty_files
from orchestration.ingest.ledger import LedgerEntry, StreamEntry, load_identity, read_entries
from orchestration.ingest.listing import loading
from orchestration.ingest.load_place import LoadPlace
from orchestration.ingest.object_memory import ObjectMemory
from orchestration.ingest.object_storage import (
    ObjectStorage,
    StorageProblem,
    StoredObject,
    local_name,
)
from orchestration.ingest.pieces import PieceResult, PieceTask, run_piece
from orchestration.ingest.progress import FileCount, LoadProgress, ProgressCount
from orchestration.ingest.publishing import keep_refused_rows, land_rows
from orchestration.ingest.replay import has_due_rows, replay_due_rows
from orchestration.ingest.small_files import is_small, run_small_file, run_small_files
from orchestration.ingest.sources import read_sources
from orchestration.ingest.splitting import Prepared, prepare
from orchestration.ingest.tombstones import has_tombstones
from orchestration.ingest.withholding import withhold
from orchestration.ingest.worker import Worker, WorkerPool, worker_pool
from orchestration.ingest.wrong_stream import explain_wrong_stream
from orchestration.settings import Settings

NEW, REPEATED, FAILED, REPLAYED = "new", "repeated", "failed", "replayed"

# What a killed load has read of objects and not noted is fetched again.
_REMEMBERED_AT_ONCE = 500
# Small files that are read together: few enough that every thread has some, and that what is read
# of them is small.
_MOST_FILES_TOGETHER = 100
_MOST_BYTES_TOGETHER = 16_000_000
_BYTES_OF_FILE_READ_TOGETHER = 1_000_000
# While objects are fetched the processors wait, so more files than threads are under way.
_FETCHES_PER_THREAD = 2


@dataclass(frozen=True, kw_only=True)
class FileOutcome:
    """What became of one file. ``path`` is relative to the landing folder where it lies in it."""

    path: str
    source_name: str
    status: str
    error: str | None = None
    # The place of the file is at fault: it is gone, locked away or cannot be reached.
    is_unreachable: bool = False
    load_id: str | None = None
    seconds: float = 0.0
    rows_read: int = 0
    rows_ignored: int = 0
    streams: Mapping[str, StreamEntry] = field(default_factory=dict)

    @property
    def rows_landed(self) -> int:
        return sum(stream.rows_landed for stream in self.streams.values())

    @property
    def rows_quarantined(self) -> int:
        return sum(stream.rows_quarantined for stream in self.streams.values())

    def line(self) -> str:
        """What a log says of the file."""
        if self.status == FAILED:
            return f"{self.status}: {self.error} ({self.seconds:.1f} s)"
        return (
            f"{self.status}: {self.path}: {self.rows_read:,} rows read, {self.rows_landed:,} landed,"
            f" {self.rows_quarantined:,} quarantined ({self.seconds:.1f} s)"
        )


def log_file(outcome: FileOutcome, *, loggers: Sequence[Logger]) -> None:
    """Say what became of a file; those that were loaded before are counted by log_report."""
    for logger in loggers:
        if outcome.status == FAILED:
            logger.warning("%s", outcome.line())
        elif outcome.status != REPEATED:
            logger.info("%s", outcome.line())


def log_report(report: LoadReport, *, loggers: Sequence[Logger]) -> None:
    """Say how many files were loaded before (a line for each would hide the others), and what to
    look at."""
    count = len(report.with_status(REPEATED))
    for logger in loggers:
        if count:
            logger.info("%s: %s files were loaded before", REPEATED, f"{count:,}")
        for warning in report.warnings:
            logger.warning(warning)


@dataclass(frozen=True, kw_only=True)
class LoadReport:
    """What a load did, file by file in the order of their paths."""

    files: tuple[FileOutcome, ...]
    # What a person should look at though every file loads, a line each.
    warnings: tuple[str, ...] = ()

    def with_status(self, status: str) -> tuple[FileOutcome, ...]:
        return tuple(outcome for outcome in self.files if outcome.status == status)

    def counts(self) -> dict[str, object]:
        """The figures of this load, for the run's record in the private store."""
        return {
            "files_new": len(self.with_status(NEW)),
            "files_repeated": len(self.with_status(REPEATED)),
            "failed_files": [str(one.error) for one in self.with_status(FAILED)],
            "files_unreachable": sum(one.is_unreachable for one in self.files),
            "rows_read": self.rows_read,
            "rows_landed": self.rows_landed,
            "rows_quarantined": self.rows_quarantined,
            "rows_ignored": self.rows_ignored,
            "warnings": list(self.warnings),
        }

    @property
    def rows_read(self) -> int:
        return sum(outcome.rows_read for outcome in self.files)

    @property
    def rows_landed(self) -> int:
        return sum(outcome.rows_landed for outcome in self.files)

    @property
    def rows_quarantined(self) -> int:
        return sum(outcome.rows_quarantined for outcome in self.files)

    @property
    def rows_ignored(self) -> int:
        return sum(outcome.rows_ignored for outcome in self.files)


def load_landing(
    *,
    settings: Settings,
    landing: Path | str,
    as_of: datetime,
    on_file: Callable[[FileOutcome], None] | None = None,
    on_progress: Callable[[LoadProgress], None] | None = None,
    timer: Callable[[], float] = lambda: 0.0,
) -> LoadReport:
    """Load every file of a landing folder that is not in the lake yet.

    A file that cannot be loaded is an outcome with a message; all others load. Loading the same
    bytes again changes nothing. Any number of loads may run at the same time.

    Args:
        landing: a folder, or the URL of one on object storage.
        as_of: the load clock; aware.
        on_file: called with each outcome as it is known, in no particular order.
        on_progress: called as pieces and files are done.
        timer: seconds from any beginning, for progress; without it everything takes none.

    Raises:
        UserError: the landing folder is missing or the sources' declaration cannot be used.
        RunFailure: the lake cannot be written.
    """
    if as_of.tzinfo is None:
        raise ValueError("as_of must be aware")
    sources = read_sources(settings.config)
    storage = ObjectStorage(s3_endpoint_url=settings.s3_endpoint_url)
    candidates = landing_files.find_files(landing, sources=sources, storage=storage)
    clock = as_of.astimezone(UTC)
    outcomes: list[FileOutcome] = []
    has_objects = any(candidate.stored is not None for candidate in candidates)
    files_at_once = settings.threads * (_FETCHES_PER_THREAD if has_objects else 1)
    entries = read_entries(settings.lake) if sources else []
    warnings = tuple(line for _, line in describe_edits(entries, sources=sources))

    def record(outcome: FileOutcome) -> None:
        outcomes.append(outcome)
        if on_file is not None:
            on_file(outcome)

    try:
        with (
            loading(settings.lake),
            staging_folder(settings.lake) as staging,
            worker_pool(settings=settings, scratch=staging, as_of=clock) as pool,
        ):
            place = LoadPlace.of(settings, storage=storage)
            with pool.worker() as worker:
                write_empty_files(settings.lake, staging=staging, connection=worker.connection)
                for entry in replay_due_rows(
                    place=place, as_of=clock, staging=staging, worker=worker
                ):
                    record(_replayed(entry))
            with (
                ThreadPoolExecutor(max_workers=files_at_once) as file_threads,
                ThreadPoolExecutor(max_workers=settings.threads) as piece_threads,
            ):
                run = _Run(
                    settings=settings,
                    clock=clock,
                    staging=staging,
                    place=place,
                    pool=pool,
                    piece_threads=piece_threads,
                    objects=_Objects(storage=storage, state_file=settings.state_file),
                    count=ProgressCount(timer=timer, tell=on_progress),
                    timer=timer,
                )
                new_files = []
                for outcome_or_file in _new_files(
                    candidates, place=place, objects=run.objects, threads=file_threads
                ):
                    if isinstance(outcome_or_file, FileOutcome):
                        record(outcome_or_file)
                    else:
                        new_files.append(outcome_or_file)
                run.count.found(
                    files=len(new_files),
                    size_bytes=sum(file.candidate.size_bytes for file in new_files),
                )
                groups = _read_together(new_files, threads=settings.threads)
                try:
                    for future in as_completed(
                        [file_threads.submit(run.load, group) for group in groups]
                    ):
                        for outcome in future.result():
                            record(outcome)
                finally:
                    run.objects.keep_memory()
            for outcome in outcomes:
                if outcome.status == REPEATED and outcome.load_id is not None:
                    place.note_repeat(
                        source_name=outcome.source_name,
                        load_id=outcome.load_id,
                        path=outcome.path,
                    )
    except (OSError, duckdb.Error) as error:
        if is_out_of_space(error, home=settings.home):
            raise RunFailure(f"Loading stopped: {out_of_space(settings.home)}") from error
        if isinstance(error, duckdb.Error):
            raise
        raise RunFailure(
            f"lake {settings.lake} cannot be written: {error.strerror or error}; free or repair "
            "the disk and run again"
        ) from error
    return LoadReport(
        files=tuple(
            sorted(
                outcomes, key=lambda outcome: (outcome.path, outcome.source_name, outcome.status)
            )
        ),
        warnings=warnings,
    )


def finds_anything(*, settings: Settings, landing: Path | str, as_of: datetime) -> bool:
    """Whether a load would find anything but files that are in the lake; nothing is written.

    Raises:
        UserError: the landing folder is missing or the sources' declaration cannot be used.
    """
    if has_due_rows(settings.lake, as_of=as_of):
        return True
    storage = ObjectStorage(s3_endpoint_url=settings.s3_endpoint_url)
    sources = read_sources(settings.config)
    with ThreadPoolExecutor(max_workers=settings.threads) as threads:
        found = _new_files(
            landing_files.find_files(landing, sources=sources, storage=storage),
            place=LoadPlace(lake=settings.lake),
            objects=_Objects(storage=storage, state_file=settings.state_file),
            threads=threads,
        )
        return any(isinstance(one, _NewFile) or one.status != REPEATED for one in found)


class _Objects:
    """The objects of a load: fetching them, and which content each had when it was last read.

    Two objects with the same content may be fetched at the same time; the first one loads it.
    """

    def __init__(self, *, storage: ObjectStorage, state_file: Path) -> None:
        self._storage = storage
        self._state_file = state_file
        self._lock = Lock()
        self._claimed: set[str] = set()
        self._read: list[tuple[StoredObject, str]] = []

    def known(self, candidates: Sequence[Candidate]) -> dict[str, str]:
        """The content hashes, by URL, of objects that are as they were when they were read."""
        stored = [one.stored for one in candidates if one.stored is not None]
        return ObjectMemory(self._state_file).known(stored) if stored else {}

    def fetch(self, stored: StoredObject, target: Path) -> str:
        try:
            return self._storage.fetch(stored, target)
        except StorageProblem as problem:
            raise UnreachableFile(str(problem)) from problem

    def claim(self, load_id: str) -> bool:
        """Whether nobody else of this load has the same content."""
        with self._lock:
            is_first = load_id not in self._claimed
            self._claimed.add(load_id)
            return is_first

    def remember(self, stored: StoredObject, content_sha256: str) -> None:
        with self._lock:
            self._read.append((stored, content_sha256))
            is_due = len(self._read) >= _REMEMBERED_AT_ONCE
        if is_due:
            self.keep_memory()

    def keep_memory(self) -> None:
        with self._lock:
            if self._read:
                ObjectMemory(self._state_file).remember(self._read)
                self._read.clear()


@dataclass(frozen=True, kw_only=True)
class _NewFile:
    """A file whose bytes are not in the lake yet, or an object of which that is not known."""

    candidate: Candidate
    adapter: Adapter
    content_sha256: str = ""
    load_id: str = ""


@dataclass(frozen=True, kw_only=True)
class _ReadFile:
    """A small file that was read together with others."""

    prepared: Prepared
    result: PieceResult


def _new_files(
    candidates: Sequence[Candidate],
    *,
    place: LoadPlace,
    objects: _Objects,
    threads: ThreadPoolExecutor,
) -> Iterator[_NewFile | FileOutcome]:
    """The files to load, and the outcomes of those that need none, in the order of their paths."""
    known = objects.known(candidates)
    hashes = threads.map(lambda candidate: _hash_of(candidate, known=known), candidates)
    seen: set[str] = set()
    for candidate, hashed in zip(candidates, hashes, strict=True):
        if isinstance(hashed, FileOutcome):
            yield hashed
            continue
        adapter, content_sha256 = hashed
        if content_sha256 is None:
            yield _NewFile(candidate=candidate, adapter=adapter)
            continue
        file = _identified(candidate, adapter=adapter, content_sha256=content_sha256)
        if file.load_id in seen or _is_loaded(file, place=place):
            yield _repeated(file)
        elif candidate.stored is not None:
            # Its content is known and not loaded: it has to be fetched again.
            yield _NewFile(candidate=candidate, adapter=adapter)
        else:
            seen.add(file.load_id)
            yield file


def _read_together(files: Sequence[_NewFile], *, threads: int) -> list[Sequence[_NewFile]]:
    """The files in groups: small ones of one stream together, every other alone.

    What becomes of a file does not depend on its group.
    """
    alone: list[Sequence[_NewFile]] = []
    small: dict[str, list[_NewFile]] = {}
    for file in files:
        if _is_read_with_others(file):
            small.setdefault(file.adapter.sections[0].stream.name, []).append(file)
        else:
            alone.append((file,))
    # The largest first, so that no thread is left alone with one at the end.
    alone.sort(key=lambda group: -group[0].candidate.size_bytes)
    groups: list[Sequence[_NewFile]] = []
    for of_stream in small.values():
        most = min(_MOST_FILES_TOGETHER, -(-len(of_stream) // threads))
        group: list[_NewFile] = []
        size = 0
        for file in of_stream:
            if len(group) == most or size + file.candidate.size_bytes > _MOST_BYTES_TOGETHER:
                groups.append(group)
                group, size = [], 0
            group.append(file)
            size += file.candidate.size_bytes
        groups.append(group)
    return [*alone, *groups]


def _is_read_with_others(file: _NewFile) -> bool:
    return (
        file.adapter.is_native
        and file.candidate.stored is None
        and file.candidate.size_bytes <= _BYTES_OF_FILE_READ_TOGETHER
        and landing_files.format_of(file.candidate.path)[0] in ("lines", "json")
    )


def identity_of(candidate: Candidate, adapter: Adapter, *, content_sha256: str) -> str:
    """The id of loading a file with this content."""
    return load_identity(
        source_name=candidate.source_name,
        adapter=_adapter_identity(adapter),
        adapter_version=adapter.version,
        content_sha256=content_sha256,
    )


def _identified(candidate: Candidate, *, adapter: Adapter, content_sha256: str) -> _NewFile:
    return _NewFile(
        candidate=candidate,
        adapter=adapter,
        content_sha256=content_sha256,
        load_id=identity_of(candidate, adapter, content_sha256=content_sha256),
    )


def _is_loaded(file: _NewFile, *, place: LoadPlace) -> bool:
    return place.is_loaded(source_name=file.candidate.source_name, load_id=file.load_id)


def _repeated(file: _NewFile) -> FileOutcome:
    return FileOutcome(
        path=file.candidate.shown_path,
        source_name=file.candidate.source_name,
        status=REPEATED,
        load_id=file.load_id,
    )


def _version_as_listed(candidate: Candidate) -> tuple[int, int]:
    """The file as it was listed, before it was hashed: bytes that are other than the hash says show."""
    if candidate.modified_ns is None:
        return _version(candidate.path)
    return candidate.size_bytes, candidate.modified_ns


def _version(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_size, status.st_mtime_ns


def _replayed(entry: LedgerEntry) -> FileOutcome:
    return FileOutcome(
        path=entry.path,
        source_name=entry.source_name,
        status=REPLAYED,
        load_id=entry.load_id,
        streams=entry.streams,
    )


def _adapter_identity(adapter: Adapter) -> str:
    # Native files of equal bytes in two stream folders are two loads.
    return (
        f"{adapter.name}:{adapter.sections[0].stream.name}" if adapter.is_native else adapter.name
    )


def _hash_of(
    candidate: Candidate, *, known: Mapping[str, str]
) -> tuple[Adapter, str | None] | FileOutcome:
    """The adapter and the content hash, None for an object that has to be fetched to know it."""
    if candidate.adapter is None:
        return _failed(
            candidate,
            candidate.problem or "has no adapter",
            is_unreachable=candidate.is_unreachable,
        )
    try:
        landing_files.format_of(candidate.path)
        if candidate.stored is not None:
            return candidate.adapter, known.get(candidate.stored.url)
        return candidate.adapter, landing_files.hash_file(candidate.path)
    except UnusableFile as error:
        return _failed(candidate, str(error), is_unreachable=isinstance(error, UnreachableFile))


def _failed(candidate: Candidate, problem: str, *, is_unreachable: bool = False) -> FileOutcome:
    return FileOutcome(
        path=candidate.shown_path,
        source_name=candidate.source_name,
        status=FAILED,
        error=f"{candidate.shown_path}: {problem}",
        is_unreachable=is_unreachable,
    )


@dataclass(frozen=True, kw_only=True)
class _Run:
    """One call of load_landing."""

    settings: Settings
    clock: datetime
    staging: Path
    place: LoadPlace
    pool: WorkerPool
    piece_threads: ThreadPoolExecutor
    objects: _Objects
    count: ProgressCount
    timer: Callable[[], float]

    def load(self, files: Sequence[_NewFile]) -> list[FileOutcome]:
        """Load the files of a group."""
        if len(files) == 1:
            return [self._load_counted(files[0])]
        started = self.timer()
        folder = self.staging / uuid.uuid4().hex
        try:
            read = self._read_small(files, folder=folder)
            shared = (self.timer() - started) / len(files)
            return [
                self._load_counted(file, read=read.get(file.load_id), seconds_before=shared)
                for file in files
            ]
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _read_small(self, files: Sequence[_NewFile], *, folder: Path) -> dict[str, _ReadFile]:
        """What could be read of some files together, by their load; the others are read alone."""
        prepared: dict[str, Prepared] = {}
        tasks: list[PieceTask] = []
        size = 0
        with self.pool.worker() as worker:
            for file in files:
                try:
                    known = self._prepare(file, worker=worker)
                except (UnusableFile, OSError, duckdb.Error):
                    # Reading it alone says what is wrong.
                    continue
                task = self._tasks(file, known)[0]
                if len(known.units) > 1 or not is_small(task):
                    continue
                # Compressed files may hold far more than their size.
                size += task.unit.path.stat().st_size
                if size <= _MOST_BYTES_TOGETHER:
                    prepared[file.load_id] = known
                    tasks.append(task)
            results = run_small_files(tasks, folder=folder, worker=worker) if tasks else []
        return {
            task.load_id: _ReadFile(prepared=prepared[task.load_id], result=result)
            for task, result in zip(tasks, results, strict=True)
            if result is not None
        }

    def _prepare(self, file: _NewFile, *, worker: Worker) -> Prepared:
        return prepare(
            file.candidate.path,
            content_sha256=file.content_sha256,
            scratch=self.staging / file.load_id,
            may_split=file.adapter.is_native,
            connection=worker.connection,
        )

    def _load_counted(
        self, file: _NewFile, *, read: _ReadFile | None = None, seconds_before: float = 0.0
    ) -> FileOutcome:
        started = self.timer() - seconds_before
        part = FileCount(self.count, size_bytes=file.candidate.size_bytes)
        try:
            outcome = self._load(file, part, read=read)
        except UnusableFile as error:
            is_unreachable = isinstance(error, UnreachableFile)
            outcome = _failed(file.candidate, str(error), is_unreachable=is_unreachable)
        part.end()
        return replace(outcome, seconds=self.timer() - started)

    def _load(self, file: _NewFile, part: FileCount, *, read: _ReadFile | None) -> FileOutcome:
        stored = file.candidate.stored
        if stored is None:
            return self._load_file(file, part, read=read)
        folder = self.staging / uuid.uuid4().hex
        folder.mkdir()
        try:
            path = folder / local_name(stored)
            content_sha256 = self.objects.fetch(stored, path)
            fetched = _identified(
                replace(file.candidate, path=path),
                adapter=file.adapter,
                content_sha256=content_sha256,
            )
            is_first = self.objects.claim(fetched.load_id)
            if not is_first or _is_loaded(fetched, place=self.place):
                outcome = _repeated(fetched)
            else:
                outcome = self._load_file(fetched, part)
            # The next load asks the ledger whether this content is loaded; if not, it fetches again.
            self.objects.remember(stored, content_sha256)
            return outcome
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _load_file(
        self, file: _NewFile, part: FileCount, *, read: _ReadFile | None = None
    ) -> FileOutcome:
        path, folder = file.candidate.path, self.staging / file.load_id
        try:
            before = _version_as_listed(file.candidate)
            if read is not None:
                part.piece_done(of=1, rows=read.result.rows_read)
                prepared, results = read.prepared, [read.result]
            else:
                with self.pool.worker() as worker:
                    prepared = self._prepare(file, worker=worker)
                results = self._read_pieces(file, prepared, part)
            if before != _version(path):
                raise UnusableFile("was changed while it was read; it is loaded with the next run")
            return self._finish(file, prepared=prepared, results=results)
        except OSError as error:
            if error.filename != str(path):
                raise
            if isinstance(error, FileNotFoundError):
                raise UnreachableFile(
                    "vanished while it was read; deliver it again if it is still wanted"
                ) from error
            raise UnreachableFile(f"cannot be read: {error.strerror}") from error
        except duckdb.IOException as error:
            if is_out_of_space(error, home=self.settings.home):
                raise
            raise UnreachableFile(f"cannot be read: {_first_line(error)}") from error
        except duckdb.Error as error:
            raise UnusableFile(f"cannot be read: {_first_line(error)}") from error
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _read_pieces(
        self, file: _NewFile, prepared: Prepared, part: FileCount
    ) -> list[PieceResult]:
        tasks = self._tasks(file, prepared)
        results = []
        for result in self.piece_threads.map(self._run_piece, tasks):
            part.piece_done(of=len(tasks), rows=result.rows_read)
            results.append(result)
        return results

    def _tasks(self, file: _NewFile, prepared: Prepared) -> list[PieceTask]:
        folder = self.staging / file.load_id
        return [
            PieceTask(
                unit=unit,
                adapter=file.adapter,
                source_name=file.candidate.source_name,
                load_id=file.load_id,
                shown_path=file.candidate.shown_path,
                folder=folder / f"rows-{number:04d}",
                defaults=file.candidate.source.defaults if file.candidate.source else {},
            )
            for number, unit in enumerate(prepared.units)
        ]

    def _run_piece(self, task: PieceTask) -> PieceResult:
        with self.pool.worker() as worker:
            return run_small_file(task, worker=worker) or run_piece(task, worker=worker)

    def _finish(
        self, file: _NewFile, *, prepared: Prepared, results: Sequence[PieceResult]
    ) -> FileOutcome:
        rows_read = sum(result.rows_read for result in results)
        if rows_read and rows_read == sum(result.rows_unreadable for result in results):
            raise UnusableFile(f"cannot be read: none of its {rows_read} rows is a JSON object")
        quarantine = [path for result in results for path in result.quarantine_files]
        has_landed = any(
            stream.rows_landed for result in results for stream in result.streams.values()
        )
        if file.adapter.is_native and quarantine and not has_landed:
            self._check_stream(file, quarantine)
        withheld = 0
        if has_tombstones(self.settings.lake):
            with self.pool.worker() as worker:
                results, withheld = withhold(
                    results,
                    lake=self.settings.lake,
                    source_name=file.candidate.source_name,
                    source=file.candidate.source,
                    worker=worker,
                )
            quarantine = [path for result in results for path in result.quarantine_files]
        root = self.place.root(self.staging / file.load_id / "lake")
        streams = land_rows(lake=root, load_id=file.load_id, results=results)
        quarantine_file = None
        if quarantine:
            with self.pool.worker() as worker:
                quarantine_file = keep_refused_rows(
                    lake=root,
                    load_id=file.load_id,
                    staged=quarantine,
                    worker=worker,
                )
        entry = LedgerEntry(
            source_name=file.candidate.source_name,
            adapter=file.adapter.name,
            adapter_version=file.adapter.version,
            content_sha256=file.content_sha256,
            load_id=file.load_id,
            path=file.candidate.shown_path,
            size_bytes=prepared.size_bytes,
            format=prepared.format,
            rows_read=rows_read,
            rows_ignored=sum(result.rows_ignored for result in results) + withheld,
            rows_expanded=sum(result.rows_expanded for result in results),
            loaded_at=self.clock,
            streams=streams,
            quarantine_file=quarantine_file,
            retry_at=min((r.retry_at for r in results if r.retry_at is not None), default=None),
            mapping_fingerprint=(
                mapping_fingerprint(file.candidate.source) if file.candidate.source else None
            ),
        )
        is_first = self.place.put(entry, root=root, staging=self.staging)
        return FileOutcome(
            path=entry.path,
            source_name=entry.source_name,
            status=NEW if is_first else REPEATED,
            load_id=entry.load_id,
            rows_read=entry.rows_read if is_first else 0,
            rows_ignored=entry.rows_ignored if is_first else 0,
            streams=entry.streams if is_first else {},
        )

    def _check_stream(self, file: _NewFile, quarantine: Sequence[Path]) -> None:
        with self.pool.worker() as worker:
            paths = sql.text_list(str(path) for path in quarantine)
            texts = worker.connection.execute(
                f"select raw_text from read_parquet({paths}) limit 1000"
            ).fetchall()
        problem = explain_wrong_stream(
            file.adapter.sections[0].stream, raw_texts=[str(text) for (text,) in texts]
        )
        if problem is not None:
            raise UnusableFile(problem)


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0]
