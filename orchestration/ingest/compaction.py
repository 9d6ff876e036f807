"""Merging the small lake files of a stream and event date, and removing what was merged.

Belongs here: what is merged, in which order the steps go, what may be removed when. Does not belong
here: what readers see (listing.py), locks of the warehouse (the caller holds its lock, so no build
reads meanwhile; loads may run).

Merged rows are as they were, load_id and row_number included, ordered by them: the same files give
the same bytes. A merged file stands beside those it was made of until the next run, so that a
reader who has listed them finds them. A run that is killed between any two steps leaves files that
nobody lists, which the next one removes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb

from orchestration.contracts.streams import STREAMS
from orchestration.errors import RunFailure
from orchestration.ingest import sql
from orchestration.ingest.lake import keep_file, staging_folder
from orchestration.ingest.ledger import read_all_entries, read_entries
from orchestration.ingest.listing import (
    LakeFile,
    MergeRecord,
    lake_files,
    load_id_of,
    nobody_reading,
    partition_folder,
    read_records,
    record_path,
    records_in_force,
    write_record,
)

# A file this large costs a reader nothing that merging it would spare.
SMALL_BYTES = 32_000_000
# Merging reads and sorts this much at once; it spills beyond the memory limit.
_MERGED_BYTES = 256_000_000
_MEMORY_MB = 1_000
_MERGED = "merged"
# Below this many files of a stream and event date, opening them costs a build less than a merge does.
MOST_FILES = 8


@dataclass(frozen=True, kw_only=True)
class CompactionReport:
    """What one compaction did. Files are those readers list; removed ones were listed no more."""

    files_before: int
    files_after: int
    files_removed: int
    rows_merged: int
    is_reader_at_work: bool

    def counts(self) -> dict[str, int]:
        return {
            "files_before": self.files_before,
            "files_after": self.files_after,
            "files_removed": self.files_removed,
            "rows_merged": self.rows_merged,
        }


def compact_lake(lake: Path, *, most_files: int) -> CompactionReport:
    """Remove what earlier merges replaced, then merge where a date has more small files than that.

    The caller holds the lock of the warehouse.

    Raises:
        RunFailure: the lake cannot be read or written.
    """
    try:
        with nobody_reading(lake) as is_free:
            removed = _remove_replaced(lake) if is_free else 0
        before = lake_files(lake, entries=read_entries(lake))
        merged = {record.path: record.originals for record in read_records(lake)}
        rows = 0
        with staging_folder(lake) as staging, _connection(staging) as connection:
            for batch in _batches(lake, before, most_files=most_files):
                originals = [one for file in batch for one in merged.get(file.path, (file.path,))]
                rows += _merge(
                    lake, batch, originals=originals, staging=staging, connection=connection
                )
        after = lake_files(lake, entries=read_entries(lake))
    except OSError as error:
        raise RunFailure(
            f"lake {lake} cannot be compacted: {error.strerror or error}; free or repair the disk "
            "and run again"
        ) from error
    except duckdb.Error as error:
        raise RunFailure(
            f"lake {lake} cannot be compacted: {str(error).splitlines()[0]}"
        ) from error
    return CompactionReport(
        files_before=len(before),
        files_after=len(after),
        files_removed=removed,
        rows_merged=rows,
        is_reader_at_work=not is_free,
    )


def _batches(lake: Path, files: Sequence[LakeFile], *, most_files: int) -> Iterator[list[LakeFile]]:
    """The files to be merged into one each."""
    by_date: dict[tuple[str, str], list[tuple[int, LakeFile]]] = {}
    for file in files:
        size = (lake / file.path).stat().st_size
        if size < SMALL_BYTES:
            by_date.setdefault((file.stream, file.event_date), []).append((size, file))
    for _, sized in sorted(by_date.items()):
        if len(sized) <= most_files:
            continue
        batch: list[LakeFile] = []
        batch_bytes = 0
        for size, file in sized:
            if batch and batch_bytes + size > _MERGED_BYTES:
                yield batch
                batch, batch_bytes = [], 0
            batch.append(file)
            batch_bytes += size
        if len(batch) > 1:
            yield batch


def _merge(
    lake: Path,
    batch: Sequence[LakeFile],
    *,
    originals: Sequence[str],
    staging: Path,
    connection: duckdb.DuckDBPyConnection,
) -> int:
    """Merge files of one stream and date; the rows of the merged file."""
    stream, event_date = STREAMS[batch[0].stream], batch[0].event_date
    # The typed empty file first: it says the columns, whatever an older file lacks.
    paths = sql.text_list(
        str(lake / path)
        for path in (f"raw/{stream.name}/_empty.parquet", *(file.path for file in batch))
    )
    columns = ", ".join(sql.name(column) for column, _ in stream.lake_columns)
    staged = staging / "merged.parquet"
    connection.execute(
        f"copy (select {columns} from read_parquet({paths}, union_by_name = true, "
        "hive_partitioning = false) order by load_id, row_number, row_hash) "
        f"to {sql.text(str(staged))} (format parquet)"
    )
    rows = _row_count([staged], connection=connection)
    expected = _row_count([lake / file.path for file in batch], connection=connection)
    if rows != expected:
        raise RunFailure(
            f"{len(batch)} files of {stream.name} of {event_date} hold {expected} rows, merged "
            f"{rows}; the files stay as they are"
        )
    path = keep_file(
        staged,
        lake=lake,
        folder=partition_folder(stream.name, event_date=event_date),
        load_id=_MERGED,
    )
    write_record(
        lake,
        MergeRecord(
            stream=stream.name,
            event_date=event_date,
            path=path,
            originals=tuple(sorted(originals)),
            row_count=rows,
        ),
        staging=staging,
    )
    return rows


def _row_count(files: Sequence[Path], *, connection: duckdb.DuckDBPyConnection) -> int:
    paths = sql.text_list(str(file) for file in files)
    ((rows,),) = connection.execute(
        f"select sum(num_rows)::bigint from parquet_file_metadata({paths})"
    ).fetchall()
    return int(rows)


@contextmanager
def _connection(staging: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """One thread, so that the same rows give the same bytes; bounded memory."""
    with duckdb.connect(
        ":memory:",
        config={
            "threads": 1,
            "memory_limit": f"{_MEMORY_MB}MB",
            "temp_directory": str(staging / "spill"),
            "autoinstall_known_extensions": False,
        },
    ) as connection:
        connection.execute("set TimeZone = 'UTC'")
        yield connection


def _remove_replaced(lake: Path) -> int:
    """Remove files that nobody lists: merged ones, and those of loads that another was first with.

    Files of a load without an entry stay: it may be at work.
    """
    listed: dict[str, set[str]] = {}
    for entry in read_all_entries(lake):
        paths = listed.setdefault(entry.load_id, set())
        paths.update(path for landed in entry.streams.values() for path in landed.files)
    records = read_records(lake)
    in_force = records_in_force(records)
    for record in in_force:
        if not (lake / record.path).is_file():
            raise RunFailure(
                f"merged file {record.path} of lake {lake} is missing; restore it from a backup, or "
                f"remove {record_path(lake, record)} if the files it names are still there"
            )
    for record in records:
        if record not in in_force:
            record_path(lake, record).unlink()
    merged = {record.path for record in in_force}
    replaced = {path for record in in_force for path in record.originals}
    removed = 0
    for file in sorted((lake / "raw").glob("*/event_date=*/*.parquet")):
        path = file.relative_to(lake).as_posix()
        load_id = load_id_of(path)
        is_replaced = path in replaced or (load_id == _MERGED and path not in merged)
        if is_replaced or (load_id in listed and path not in listed[load_id]):
            file.unlink()
            removed += 1
    return removed
