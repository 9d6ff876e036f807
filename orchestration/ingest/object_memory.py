"""What was read of objects on storage: their content hash, by URL, size and version.

Belongs here: that table of the private store. Does not belong here: whether a content is loaded,
which only the ledger says; forgetting an object costs its download, never a row.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from orchestration.ingest.object_storage import StoredObject

_BUSY_SECONDS = 30.0
_SCHEMA = """
create table if not exists read_objects (
    url text primary key,
    size_bytes integer not null,
    version text not null,
    content_sha256 text not null
) without rowid
"""


class ObjectMemory:
    """Access to the table; every write is one transaction."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._path = path
        with self._connection() as connection:
            connection.execute(_SCHEMA)
        path.chmod(0o600)

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        connection = sqlite3.connect(self._path, timeout=_BUSY_SECONDS)
        try:
            connection.execute("pragma journal_mode = wal")
            with connection:
                yield connection
        finally:
            connection.close()

    def known(self, objects: Iterable[StoredObject]) -> dict[str, str]:
        """The content hashes, by URL, of those objects that have not changed since they were read."""
        with self._connection() as connection:
            rows = connection.execute(
                "select url, size_bytes, version, content_sha256 from read_objects"
            ).fetchall()
        read = {url: (size, version, content) for url, size, version, content in rows}
        known = {}
        for one in objects:
            size, version, content = read.get(one.url, (None, None, ""))
            if version is not None and (size, version) == (one.size_bytes, one.version):
                known[one.url] = content
        return known

    def remember(self, contents: Iterable[tuple[StoredObject, str]]) -> None:
        """Note the content hashes of objects whose content is loaded."""
        with self._connection() as connection:
            connection.executemany(
                "insert into read_objects (url, size_bytes, version, content_sha256)"
                " values (?, ?, ?, ?) on conflict (url) do update set size_bytes ="
                " excluded.size_bytes, version = excluded.version,"
                " content_sha256 = excluded.content_sha256",
                [
                    (one.url, one.size_bytes, one.version, content)
                    for one, content in contents
                    if one.version is not None
                ],
            )
