"""What a load would do with a sample of each source's files, found out without a lake.

Belongs here: choosing the sample and summing up what became of its rows. Does not belong here: any
rule; rows take the way of a load (pieces.py), into a folder that is thrown away.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from orchestration.ingest import files as landing_files
from orchestration.ingest import sql
from orchestration.ingest.adapter import NATIVE
from orchestration.ingest.edited_mappings import describe_edits
from orchestration.ingest.files import Candidate, UnusableFile
from orchestration.ingest.ledger import read_entries
from orchestration.ingest.object_storage import (
    ObjectStorage,
    StorageProblem,
    is_url,
    local_name,
)
from orchestration.ingest.pieces import PieceResult, PieceTask, run_piece
from orchestration.ingest.sources import Source, read_sources
from orchestration.ingest.splitting import prepare
from orchestration.ingest.worker import Worker, worker_pool
from orchestration.ingest.wrong_stream import explain_wrong_stream
from orchestration.settings import Settings


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """Rows of one stream refused for one reason, with the first of them."""

    stream: str
    reason: str
    rows: int
    rule: str
    path: str
    row_number: int


@dataclass(frozen=True, kw_only=True)
class SourcePreview:
    """What would become of a sample of one source; of the native source, one stream's folder."""

    source_name: str
    adapter: str
    path: str
    files_found: int
    files_read: int
    rows_read: int
    rows_ignored: int
    landing_rows: Mapping[str, int]
    refusals: tuple[Refusal, ...]
    problems: tuple[str, ...]
    # That its adapter or defaults were edited since files were loaded; None if they were not.
    edit: str | None = None


def preview_sources(
    *, settings: Settings, landing: Path | str, as_of: datetime, files_per_source: int
) -> tuple[SourcePreview, ...]:
    """Read some files of every declared source and of every native stream; write nothing.

    Of a large file only the first piece is read.

    Args:
        landing: a folder, or the URL of one on object storage.
        as_of: the load clock; aware.
        files_per_source: how many files of a source, or of a native stream, are read.

    Raises:
        UserError: the landing folder is missing or the sources' declaration cannot be used.
    """
    sources = read_sources(settings.config)
    storage = ObjectStorage(s3_endpoint_url=settings.s3_endpoint_url)
    candidates = landing_files.find_files(landing, sources=sources, storage=storage)
    entries = read_entries(settings.lake) if sources else []
    edits = {
        (source.name, source.adapter.name): line
        for source, line in describe_edits(entries, sources=sources)
    }
    with (
        tempfile.TemporaryDirectory(prefix="agentmart-check-") as scratch,
        worker_pool(
            settings=settings, scratch=Path(scratch) / "work", as_of=as_of.astimezone(UTC)
        ) as pool,
        pool.worker() as worker,
    ):
        reader = _Reader(
            worker=worker, scratch=Path(scratch), storage=storage, limit=files_per_source
        )
        declared = [
            reader.preview(
                [one for one in candidates if one.source == source],
                source_name=source.name,
                adapter=source.adapter.name,
                path=source.path,
                edit=edits.get((source.name, source.adapter.name)),
            )
            for source in sources
        ]
        native = [
            reader.preview(found, source_name=NATIVE, adapter=NATIVE, path=path)
            for path, found in _native_folders(candidates).items()
        ]
    return (*declared, *native)


def _native_folders(candidates: Sequence[Candidate]) -> dict[str, list[Candidate]]:
    """The candidates of no declared source by what lies on the top of the landing folder."""
    folders: dict[str, list[Candidate]] = {}
    for candidate in candidates:
        if candidate.source is None:
            shown = candidate.shown_path
            top = shown if is_url(shown) else shown.split("/")[0]
            folders.setdefault(top, []).append(candidate)
    return folders


@dataclass(frozen=True, kw_only=True)
class _Reader:
    worker: Worker
    scratch: Path
    storage: ObjectStorage
    limit: int

    def preview(
        self,
        found: Sequence[Candidate],
        *,
        source_name: str,
        adapter: str,
        path: str,
        edit: str | None = None,
    ) -> SourcePreview:
        results: list[PieceResult] = []
        problems: list[str] = []
        for candidate in _spread(found, self.limit):
            try:
                results.append(self._read(candidate))
            except UnusableFile as error:
                problems.append(f"{candidate.shown_path}: {error}")
            except duckdb.Error as error:
                first_line = str(error).splitlines()[0]
                problems.append(f"{candidate.shown_path}: cannot be read: {first_line}")
        landing_rows: dict[str, int] = {}
        for result in results:
            for name, stream in result.streams.items():
                landing_rows[name] = landing_rows.get(name, 0) + stream.rows_landed
        return SourcePreview(
            source_name=source_name,
            adapter=adapter,
            path=path,
            files_found=len(found),
            files_read=len(results),
            rows_read=sum(result.rows_read for result in results),
            rows_ignored=sum(result.rows_ignored for result in results),
            landing_rows=landing_rows,
            refusals=self._refusals([one for result in results for one in result.quarantine_files]),
            problems=tuple(problems),
            edit=edit,
        )

    def _read(self, candidate: Candidate) -> PieceResult:
        if candidate.problem is not None or candidate.adapter is None:
            raise UnusableFile(candidate.problem or "has no adapter")
        folder = Path(tempfile.mkdtemp(dir=self.scratch))
        prepared = prepare(
            self._local_path(candidate, folder=folder),
            content_sha256="",
            scratch=folder / "pieces",
            may_split=True,
            connection=self.worker.connection,
        )
        result = run_piece(
            PieceTask(
                unit=prepared.units[0],
                adapter=candidate.adapter,
                source_name=candidate.source_name,
                load_id="",
                shown_path=candidate.shown_path,
                folder=folder / "rows",
                defaults=_defaults(candidate.source),
            ),
            worker=self.worker,
        )
        if result.rows_read and result.rows_read == result.rows_unreadable:
            raise UnusableFile(f"none of its {result.rows_read} rows is a JSON object")
        has_landed = any(stream.rows_landed for stream in result.streams.values())
        if candidate.adapter.is_native and result.quarantine_files and not has_landed:
            problem = explain_wrong_stream(
                candidate.adapter.sections[0].stream,
                raw_texts=self._texts(result.quarantine_files),
            )
            if problem is not None:
                raise UnusableFile(problem)
        return result

    def _local_path(self, candidate: Candidate, *, folder: Path) -> Path:
        if candidate.stored is None:
            return candidate.path
        path = folder / local_name(candidate.stored)
        try:
            self.storage.fetch(candidate.stored, path)
        except StorageProblem as problem:
            raise UnusableFile(str(problem)) from problem
        return path

    def _texts(self, quarantine: Sequence[Path]) -> list[str]:
        paths = sql.text_list(str(path) for path in quarantine)
        rows = self.worker.connection.execute(
            f"select raw_text from read_parquet({paths}) limit 1000"
        ).fetchall()
        return [str(text) for (text,) in rows]

    def _refusals(self, quarantine: Sequence[Path]) -> tuple[Refusal, ...]:
        if not quarantine:
            return ()
        paths = sql.text_list(str(path) for path in quarantine)
        rows = self.worker.connection.execute(
            f"""select stream_name, reason_code, count(*),
                arg_min({{'rule': rule, 'path': path, 'row': row_number}}, (path, row_number))
            from read_parquet({paths})
            group by all
            order by all"""
        ).fetchall()
        return tuple(
            Refusal(
                stream=stream,
                reason=reason,
                rows=count,
                rule=first["rule"],
                path=first["path"],
                row_number=first["row"],
            )
            for stream, reason, count, first in rows
        )


def _defaults(source: Source | None) -> Mapping[str, str]:
    return source.defaults if source is not None else {}


def _spread(found: Sequence[Candidate], limit: int) -> list[Candidate]:
    """As many candidates as the limit says, from the first to the last."""
    if len(found) <= limit:
        return list(found)
    if limit == 1:
        return [found[-1]]
    return [found[number * (len(found) - 1) // (limit - 1)] for number in range(limit)]
