"""Removals applied to a deployment of the tests, and a search of its folder without the product's own.

Belongs here: doing what the commands do, in this process. Does not belong here: expected figures.
"""

from __future__ import annotations

import gzip
import hashlib
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb

from orchestration.ingest.ledger import read_entries
from orchestration.ingest.listing import lake_files
from orchestration.ingest.quarantine import holdings
from orchestration.retention.erasure import ErasurePlan, Subject, plan_erasure
from orchestration.retention.expiry import ExpiryPlan, remove_expired
from orchestration.retention.removal import mend
from orchestration.settings import PROJECT_ROOT, Settings
from orchestration.state.store import StateStore


def erase(
    settings: Settings, subject: Subject, *, as_of: datetime, is_applied: bool = True
) -> ErasurePlan:
    """Find everything of somebody; if applied, take it out of all but what is published."""
    plan = plan_erasure(
        settings, subject, landing=str(settings.landing), as_of=as_of, is_applied=is_applied
    )
    if is_applied:
        mend(settings)
    return plan


def expire(settings: Settings, *, as_of: datetime) -> ExpiryPlan:
    """Take out of the lake what tenants' terms do not keep."""
    publication = StateStore(settings.state_file).last_publication()
    return remove_expired(settings, publication=publication, as_of=as_of)


def content_of(folder: Path) -> dict[str, str]:
    """The digest of every file of a folder, by its name."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.is_symlink()
    }


def places_of(home: Path, text: str) -> list[str]:
    """The files of a state folder that hold a text, in a row, a compressed part or their bytes."""
    return [
        path.relative_to(home).as_posix()
        for path in sorted(home.rglob("*"))
        if path.is_file()
        and not path.is_symlink()
        and (text in path.name or any(text in one for one in _texts(path)))
    ]


def _texts(path: Path) -> Iterator[str]:
    content = path.read_bytes()
    yield content.decode("utf-8", errors="replace")
    if content[:2] == b"\x1f\x8b":
        yield gzip.decompress(content).decode("utf-8", errors="replace")
    elif content[:4] == b"PAR1":
        yield from _rows(duckdb.connect(), f"read_parquet('{path}', hive_partitioning = false)")
    elif content[8:12] == b"DUCK":
        connection = duckdb.connect(str(path), read_only=True)
        for (table,) in connection.execute(
            "select schema_name || '.' || table_name from duckdb_tables() where not internal"
        ).fetchall():
            yield from _rows(connection, table)
    elif content[:6] == b"SQLite":
        yield "\n".join(sqlite3.connect(path).iterdump())


def _rows(connection: duckdb.DuckDBPyConnection, relation: str) -> Iterator[str]:
    yield from (
        text
        for (text,) in connection.execute(f"select one::varchar from {relation} as one").fetchall()
    )


def check_lake(settings: Settings) -> None:
    """Every entry is balanced and says what its files hold."""
    entries = read_entries(settings.lake)
    files = lake_files(settings.lake, entries=entries)
    landed: dict[str, int] = dict(
        duckdb.execute(
            "select load_id, count(*) from read_parquet(?, union_by_name = true) group by load_id",
            [[str(settings.lake / file.path) for file in files]],
        ).fetchall()
    )
    assert {one.load_id: one.rows_landed for one in entries if one.rows_landed} == landed
    for held in holdings(entries):
        everything = held.everything
        refused = sum(one.rows_quarantined for one in everything)
        assert held.entry.rows_read + sum(one.rows_expanded for one in everything) == refused + sum(
            one.rows_landed + one.rows_ignored for one in everything
        ), held.entry.path
        kept = held.latest.quarantine_file
        rows = duckdb.execute("from read_parquet(?)", [str(settings.lake / kept)]) if kept else None
        assert refused == (len(rows.fetchall()) if rows is not None else 0), held.entry.path


def published_rows(settings: Settings, query: str) -> list[tuple[Any, ...]]:
    """What a query of the current publication gives."""
    with duckdb.connect(str(settings.published_file.resolve()), read_only=True) as connection:
        return connection.execute(query).fetchall()


def erase_and_die(settings: Settings, subject: Subject, *, as_of: datetime, renames: int) -> bool:
    """Erase, or go on with it, in a process that is killed before its n-th rename; whether it was killed."""
    script = (
        "import os, pathlib, signal, sys\n"
        "from datetime import datetime\n"
        "from orchestration.retention.erasure import Subject\n"
        "from orchestration.retention.removal import has_pending, mend\n"
        "from orchestration.settings import Settings\n"
        "from tests.support.removals import erase\n"
        "home, kind, one, as_of, left = sys.argv[1:]\n"
        "rename, left = pathlib.Path.replace, [int(left)]\n"
        "def dying(path, target):\n"
        "    left[0] -= 1\n"
        "    if left[0] == 0:\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "    return rename(path, target)\n"
        "pathlib.Path.replace = dying\n"
        "settings = Settings(home=pathlib.Path(home), threads=2)\n"
        "if has_pending(settings):\n"
        "    mend(settings)\n"
        "else:\n"
        "    erase(settings, Subject(kind=kind, id=one), as_of=datetime.fromisoformat(as_of))\n"
    )
    arguments = [str(settings.home), subject.kind, subject.id, as_of.isoformat(), str(renames)]
    done = subprocess.run([sys.executable, "-c", script, *arguments], cwd=PROJECT_ROOT, check=False)
    assert done.returncode in (0, -signal.SIGKILL)
    return done.returncode != 0
