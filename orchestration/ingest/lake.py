"""Lake files: the typed empty file of each stream, staging, and moving finished files into place.

Belongs here: names and writing of Parquet. Does not belong here: the ledger (ledger.py) and the
checks (validation.py).
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import duckdb

from orchestration.contracts.model import Stream
from orchestration.contracts.streams import STREAMS
from orchestration.ingest import sql
from orchestration.ingest.ledger import sync_folder

_STAGING = ".staging"
_LOCK = ".lock"
_DIGEST_LENGTH = 16


def stream_folder(lake: Path, stream: Stream) -> Path:
    return lake / "raw" / stream.name


def write_empty_files(lake: Path, *, staging: Path, connection: duckdb.DuckDBPyConnection) -> None:
    """Give every stream its typed file without rows, to be read while it has no extracts."""
    for stream in STREAMS.values():
        target = stream_folder(lake, stream) / "_empty.parquet"
        if target.is_file() and _columns(target, connection=connection) == stream.lake_columns:
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = staging / f"{stream.name}{target.name}"
        columns = ", ".join(
            f"null::{column_type} as {sql.name(column)}"
            for column, column_type in stream.lake_columns
        )
        connection.execute(
            f"copy (select {columns} where false) to {sql.text(str(temporary))} (format parquet)"
        )
        temporary.replace(target)


def _columns(path: Path, *, connection: duckdb.DuckDBPyConnection) -> tuple[tuple[str, str], ...]:
    described = connection.execute(
        f"describe select * from read_parquet({sql.text(str(path))}, hive_partitioning = false)"
    ).fetchall()
    return tuple((str(row[0]), str(row[1])) for row in described)


@contextmanager
def staging_folder(lake: Path) -> Iterator[Path]:
    """A folder of one load run, inside the lake so that moving out of it is a rename.

    Folders whose owner died are removed: an operating-system lock tells them from those in use.
    """
    root = lake / _STAGING
    root.mkdir(parents=True, exist_ok=True)
    for left in sorted(root.iterdir()):
        _remove_if_abandoned(left)
    folder = root / uuid.uuid4().hex
    folder.mkdir()
    with (folder / _LOCK).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            yield folder
        finally:
            _remove(folder)


def _remove_if_abandoned(folder: Path) -> None:
    lock = folder / _LOCK
    if not lock.is_file():
        # Its owner is between making the folder and locking it, or died just there: an empty folder
        # harms nobody.
        return
    # Its owner, or another load, may be removing it at this moment.
    with suppress(FileNotFoundError), lock.open("r+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        _remove(folder)


def _remove(folder: Path) -> None:
    """Remove a staging folder, its lock last: what is left by a kill half-way is still known as abandoned."""
    for entry in folder.iterdir():
        if entry.is_dir():
            shutil.rmtree(entry, ignore_errors=True)
        elif entry.name != _LOCK:
            entry.unlink(missing_ok=True)
    shutil.rmtree(folder, ignore_errors=True)


def keep_file(staged: Path, *, lake: Path, folder: str, load_id: str) -> str:
    """Move a finished file of a load into a folder of the lake; its path below the lake.

    Its name holds a digest of its bytes: of two loaders of one load that see different rows (their
    clocks differ, so what is future differs) neither writes over what the ledger names.
    """
    with staged.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()[:_DIGEST_LENGTH]
    path = f"{folder}/{load_id}-{digest}.parquet"
    move_into_place(staged, lake / path)
    return path


def move_into_place(staged: Path, target: Path) -> None:
    """Put a finished file where readers expect it, durably."""
    with staged.open("rb") as file:
        os.fsync(file.fileno())
    target.parent.mkdir(parents=True, exist_ok=True)
    staged.replace(target)
    sync_folder(target.parent)
