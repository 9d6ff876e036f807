"""Opening the deployment's private store, one SQLite file that several packages keep tables in.

Belongs here: how the file is made, guarded and written, and which version it has. Does not belong here: any
table, and how an older version becomes this one (migrations.py).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

from orchestration.errors import RunFailure

# The version of a state folder that this program reads and writes. It is SQLite's own user_version, so that a
# migration and its number are one transaction. A folder made before there were versions has 0.
VERSION = 1

# A second process (Dagster's daemon beside a terminal) waits this long for the store before it gives up.
_BUSY_SECONDS = 30.0


@contextmanager
def connected(path: Path) -> Iterator[sqlite3.Connection]:
    """One transaction on the store, on disk when the block ends."""
    connection = sqlite3.connect(path, timeout=_BUSY_SECONDS)
    try:
        connection.execute("pragma journal_mode = wal")
        connection.execute("pragma synchronous = full")
        connection.execute("pragma foreign_keys = on")
        with connection:
            yield connection
    finally:
        connection.close()


def version_of(path: Path) -> int:
    """The version of the state folder that a store belongs to.

    Raises:
        RunFailure: the store is of a newer program than this one.
    """
    with connected(path) as connection:
        version = _version(connection)
    if version > VERSION:
        raise RunFailure(
            f"the state folder {path.parent.parent} has version {version}, and this agentmart knows"
            f" versions up to {VERSION}; install the agentmart that wrote it, or a newer one"
        )
    return version


class PrivateTables:
    """Access to some tables of the store; every write is one transaction, on disk when it returns.

    ``_schema`` is the SQL file that makes the tables where they are missing.
    """

    _schema: ClassVar[Path]

    def __init__(self, path: Path) -> None:
        """Open the store, or make it.

        Raises:
            RunFailure: it is of another version than this program.
        """
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.touch(mode=0o600)
        self._path = path
        if version_of(path) < VERSION and not _claim_empty(path):
            raise RunFailure(
                f"the state folder {path.parent.parent} is of an older version; `agentmart status`"
                " upgrades it"
            )
        with self._connection() as connection:
            connection.executescript(self._schema.read_text(encoding="utf-8"))

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        with connected(self._path) as connection:
            yield connection


def _claim_empty(path: Path) -> bool:
    """Make a store without a table one of this version; False if it has any and is older."""
    with connected(path) as connection:
        # Under the lock: another process may be making the same store.
        connection.execute("begin immediate")
        (tables,) = connection.execute("select count(*) from sqlite_master").fetchone()
        if _version(connection) < VERSION and not tables:
            connection.execute(f"pragma user_version = {VERSION}")
        return _version(connection) == VERSION


def _version(connection: sqlite3.Connection) -> int:
    (version,) = connection.execute("pragma user_version").fetchone()
    return int(version)
