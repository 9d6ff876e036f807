"""Opening the deployment's private store, one SQLite file that several packages keep tables in.

Belongs here: how the file is made, guarded and written. Does not belong here: any table.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

# A second process (Dagster's daemon beside a terminal) waits this long for the store before it gives up.
_BUSY_SECONDS = 30.0


class PrivateTables:
    """Access to some tables of the store; every write is one transaction, on disk when it returns.

    ``_schema`` is the SQL file that makes the tables where they are missing.
    """

    _schema: ClassVar[Path]

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._path = path
        with self._connection() as connection:
            connection.executescript(self._schema.read_text(encoding="utf-8"))
        path.chmod(0o600)

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        connection = sqlite3.connect(self._path, timeout=_BUSY_SECONDS)
        try:
            connection.execute("pragma journal_mode = wal")
            connection.execute("pragma synchronous = full")
            connection.execute("pragma foreign_keys = on")
            with connection:
                yield connection
        finally:
            connection.close()
