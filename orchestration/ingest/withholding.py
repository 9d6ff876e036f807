"""Keeping out of the lake what was erased or is older than a tenant's data are kept.

Belongs here: dropping such rows of a load before they are moved into the lake. Does not belong here: what
they are (tombstones.py), and removing what is in the lake already (retention/).

A dropped row counts as ignored, as one that no stream is about.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from orchestration.contracts.streams import STREAMS
from orchestration.ingest import sql
from orchestration.ingest.default_tenants import erased_by_default
from orchestration.ingest.pieces import LAKE_FORMAT, PieceResult, StagedFile, StreamResult, utc
from orchestration.ingest.sources import Source
from orchestration.ingest.tombstones import open_tombstones, withheld
from orchestration.ingest.worker import Worker


def withhold(
    results: Sequence[PieceResult],
    *,
    lake: Path,
    source_name: str,
    source: Source | None,
    worker: Worker,
) -> tuple[list[PieceResult], int]:
    """The results of a file without what must stay out, and how many rows that were.

    ``source`` is where the file was declared, which may say whose its rows are.
    """
    if not _is_open(worker):
        open_tombstones(worker.connection, lake)
    dropped = 0
    kept = []
    for result in results:
        after, rows = _Withholding(
            result, source_name=source_name, source=source, worker=worker
        ).run()
        kept.append(after)
        dropped += rows
    return kept, dropped


def _is_open(worker: Worker) -> bool:
    """Whether the worker knows the tombstones: nobody adds one while a load is at work."""
    ((tables,),) = worker.connection.execute(
        "select count(*) from duckdb_tables() where temporary and table_name in ('erased', 'kept')"
    ).fetchall()
    return bool(tables == 2)


Times = tuple[datetime | None, datetime | None]


class _Withholding:
    """One piece. Staged files are rewritten where they lie; nobody else knows of them yet."""

    def __init__(
        self, result: PieceResult, *, source_name: str, source: Source | None, worker: Worker
    ) -> None:
        self._result = result
        self._source_name = source_name
        self._by_default = erased_by_default([source] if source else [])
        self._connection = worker.connection

    def run(self) -> tuple[PieceResult, int]:
        refused, dropped = self._drop_refused()
        streams = {}
        for name, stream in self._result.streams.items():
            after = self._stream(name, stream)
            dropped += stream.rows_landed - after.rows_landed
            streams[name] = replace(after, quarantined_by_reason=refused.get(name, {}))
        files = tuple(path for path in self._result.quarantine_files if path.exists())
        retries = self._retries([one.future_file for one in streams.values() if one.future_file])
        return (
            replace(self._result, streams=streams, quarantine_files=files, retry_at=retries),
            dropped,
        )

    def _drop_refused(self) -> tuple[dict[str, dict[str, int]], int]:
        """Drop refused rows of somebody; what is refused now, by stream and reason."""
        self._connection.execute(
            "create or replace temp table dropped (stream_name varchar, row_number bigint)"
        )
        counts: dict[str, dict[str, int]] = {}
        dropped = 0
        for path in self._result.quarantine_files:
            rows = f"read_parquet({sql.text(str(path))})"
            self._connection.execute(
                f"insert into dropped select distinct stream_name, row_number from {rows} "
                f"where mentions_erased({sql.text(self._source_name)}, raw_text) or {self._by_default}"
            )
        for name, stream in self._result.streams.items():
            if stream.future_file is not None:
                rows = f"read_parquet({sql.text(str(stream.future_file))})"
                self._connection.execute(
                    f"insert into dropped select {sql.text(name)}, row_number from {rows} "
                    f"where {_any(withheld(STREAMS[name], rows=rows))}"
                )
        for path in self._result.quarantine_files:
            dropped += self._rewrite(
                path, "(stream_name, row_number) in (select stream_name, row_number from dropped)"
            )
            if path.exists():
                for name, reason, count in self._connection.execute(
                    "select stream_name, reason_code, count(*) from "
                    f"read_parquet({sql.text(str(path))}) group by all order by all"
                ).fetchall():
                    of_stream = counts.setdefault(name, {})
                    of_stream[reason] = of_stream.get(reason, 0) + count
        return counts, dropped

    def _stream(self, name: str, stream: StreamResult) -> StreamResult:
        landed = stream.rows_landed
        files: list[StagedFile] = []
        if stream.future_file is None and not self._is_any_withheld(name, stream.files):
            return stream
        for file in stream.files:
            rows = f"read_parquet({sql.text(str(file.path))}, hive_partitioning = false)"
            conditions = withheld(STREAMS[name], rows=rows)
            landed -= self._rewrite(file.path, _any(conditions)) if conditions else 0
            if file.path.exists():
                files.append(file)
        future_file = stream.future_file
        if future_file is not None:
            self._rewrite(
                future_file,
                f"row_number in (select row_number from dropped where stream_name = {sql.text(name)})",
            )
            future_file = future_file if future_file.exists() else None
        if landed == stream.rows_landed:
            return replace(stream, future_file=future_file)
        first, last = self._times(name, files)
        return replace(
            stream,
            rows_landed=landed,
            files=tuple(files),
            min_event_at=first,
            max_event_at=last,
            future_file=future_file,
        )

    def _is_any_withheld(self, name: str, files: Sequence[StagedFile]) -> bool:
        """Asked of all files at once: nearly always the answer is no."""
        paths = sql.text_list(str(file.path) for file in files)
        rows = f"read_parquet({paths}, hive_partitioning = false)"
        conditions = withheld(STREAMS[name], rows=rows) if files else ()
        if not conditions:
            return False
        ((found,),) = self._connection.execute(
            f"select exists (select 1 from {rows} where {_any(conditions)})"
        ).fetchall()
        return bool(found)

    def _times(self, name: str, files: Sequence[StagedFile]) -> Times:
        if not files:
            return None, None
        column = sql.name(STREAMS[name].time_field)
        paths = sql.text_list(str(file.path) for file in files)
        ((first, last),) = self._connection.execute(
            f"select min({column})::timestamp, max({column})::timestamp "
            f"from read_parquet({paths}, hive_partitioning = false)"
        ).fetchall()
        return utc(first), utc(last)

    def _retries(self, files: Sequence[Path]) -> datetime | None:
        if not files:
            return None
        paths = sql.text_list(str(path) for path in files)
        ((first,),) = self._connection.execute(
            f"select min(retry_at) from read_parquet({paths}, hive_partitioning = false)"
        ).fetchall()
        return utc(first)

    def _rewrite(self, path: Path, condition: str) -> int:
        """Take the rows that fulfil a condition out of a file, which goes when none is left; their number."""
        rows = f"read_parquet({sql.text(str(path))}, hive_partitioning = false)"
        ((total, found),) = self._connection.execute(
            f"select count(*), count(*) filter ({condition}) from {rows}"
        ).fetchall()
        if found == total:
            path.unlink()
        elif found:
            rest = path.with_name(f"{path.name}.kept")
            self._connection.execute(
                f"copy (select * from {rows} where not coalesce({condition}, false)) "
                f"to {sql.text(str(rest))} ({LAKE_FORMAT})"
            )
            rest.replace(path)
        return int(found)


def _any(conditions: Sequence[str]) -> str:
    return " or ".join(conditions)
