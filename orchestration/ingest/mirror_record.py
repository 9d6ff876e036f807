"""What the folder of a shared lake was like when it last agreed with the store: versions, sizes and digests.

Belongs here: that table, a file in the lake's own folder, and what is asked of it. Does not belong here: what
follows from a difference (shared_lake.py). Losing it costs every file's download, never a row.
"""

from __future__ import annotations

import hashlib
import sqlite3
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

NAME = ".shared.sqlite"

_BUSY_SECONDS = 30.0
_SCHEMA = """
create table if not exists mirrored (
    path text primary key,
    version text not null,
    size_bytes integer not null,
    modified_ns integer not null,
    sha256 text not null
) without rowid;
create table if not exists marks (name text primary key, value text not null) without rowid;
create table if not exists loaded_paths (entry text primary key, path_sha256 text not null) without rowid;
create table if not exists searched (entry text primary key) without rowid;
"""


@dataclass(frozen=True, kw_only=True)
class Mirrored:
    """A file that was equal to the object of this version."""

    version: str
    size_bytes: int
    modified_ns: int
    sha256: str


class MirrorRecord:
    """Access to the table; every write is one transaction, and several processes may write."""

    def __init__(self, lake: Path) -> None:
        lake.mkdir(parents=True, exist_ok=True)
        self._lake = lake
        with self._connection() as connection:
            connection.executescript(_SCHEMA)
        # Which host is at work, in the words of others: of no meaning outside of the lake.
        with self._connection() as connection:
            connection.execute("insert or ignore into marks values ('host', ?)", [uuid.uuid4().hex])

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        connection = sqlite3.connect(self._lake / NAME, timeout=_BUSY_SECONDS)
        try:
            with connection:
                yield connection
        finally:
            connection.close()

    def mark(self, name: str) -> str | None:
        with self._connection() as connection:
            row = connection.execute("select value from marks where name = ?", [name]).fetchone()
        return None if row is None else str(row[0])

    def set_mark(self, name: str, value: str | None) -> None:
        with self._connection() as connection:
            if value is None:
                connection.execute("delete from marks where name = ?", [name])
            else:
                connection.execute("insert or replace into marks values (?, ?)", [name, value])

    def read(self) -> dict[str, Mirrored]:
        """Everything that is known, by path below the lake."""
        with self._connection() as connection:
            rows = connection.execute(
                "select path, version, size_bytes, modified_ns, sha256 from mirrored"
            ).fetchall()
        return {
            path: Mirrored(version=version, size_bytes=size, modified_ns=modified, sha256=digest)
            for path, version, size, modified, digest in rows
        }

    def version(self, path: str) -> str | None:
        with self._connection() as connection:
            row = connection.execute(
                "select version from mirrored where path = ?", [path]
            ).fetchone()
        return None if row is None else str(row[0])

    def note(self, versions: Mapping[str, str]) -> None:
        """The files are as the objects of these versions now; one that is gone again is left out."""
        rows = []
        for path, version in versions.items():
            try:
                status = (self._lake / path).stat()
                digest = digest_of(self._lake / path)
            except FileNotFoundError:
                continue
            rows.append((path, version, status.st_size, status.st_mtime_ns, digest))
        with self._connection() as connection:
            connection.executemany("insert or replace into mirrored values (?, ?, ?, ?, ?)", rows)

    def forget(self, paths: Iterable[str]) -> None:
        with self._connection() as connection:
            connection.executemany("delete from mirrored where path = ?", [(one,) for one in paths])

    def is_unchanged(self, path: str, known: Mirrored) -> bool:
        """Whether the file is as it was; it is read only if it was written to."""
        status = (self._lake / path).stat()
        if (status.st_size, status.st_mtime_ns) == (known.size_bytes, known.modified_ns):
            return True
        return status.st_size == known.size_bytes and digest_of(self._lake / path) == known.sha256

    def loaded_path(self, entry: str) -> str | None:
        """The digest of the path, which may name people, that an entry has which is in the store alone."""
        with self._connection() as connection:
            row = connection.execute(
                "select path_sha256 from loaded_paths where entry = ?", [entry]
            ).fetchone()
        return None if row is None else str(row[0])

    def note_loaded_path(self, entry: str, path_sha256: str) -> None:
        with self._connection() as connection:
            connection.execute(
                "insert or replace into loaded_paths values (?, ?)", [entry, path_sha256]
            )

    def searched(self) -> set[str]:
        """Entries whose rows were looked through for what is noted as searched for."""
        with self._connection() as connection:
            return {entry for (entry,) in connection.execute("select entry from searched")}

    def note_searched(self, entries: Iterable[str], *, what: str) -> None:
        with self._connection() as connection:
            connection.execute("delete from searched")
            connection.executemany("insert into searched values (?)", [(one,) for one in entries])
            connection.execute("insert or replace into marks values ('searched_for', ?)", [what])


def digest_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
