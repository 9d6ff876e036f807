"""What the deployment's own databases remember: reports, messages, runs, and Dagster's record of them.

Belongs here: taking somebody out of SQLite files, free pages and write-ahead log included. Does not belong
here: the tables' meaning (state/, delivery/), and files beside them (removal.py).
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path

from orchestration.delivery.outbox import Outbox
from orchestration.reporting.files import scope_slug
from orchestration.retention.rewriting import ERASED
from orchestration.retention.search import Words, database_has, sqlite_columns
from orchestration.settings import Settings

_BUSY_SECONDS = 60.0


@contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection whose deletions leave nothing behind, in the file or in its log."""
    connection = sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None)
    try:
        connection.execute("pragma secure_delete = on")
        yield connection
        connection.execute("vacuum")
        connection.execute("pragma wal_checkpoint(truncate)")
    finally:
        connection.close()


def sqlite_databases(settings: Settings) -> list[Path]:
    """The state store, and Dagster's record of runs."""
    found = [settings.state_file] if settings.state_file.exists() else []
    return [*found, *sorted(settings.dagster_home.rglob("*.db"))]


def forget_scopes(settings: Settings, scopes: Sequence[tuple[str, str]]) -> None:
    """Delete what the state store holds under a tenant's scope: its reports, messages and notifications."""
    if not scopes or not settings.state_file.exists():
        return
    with _opened(settings.state_file) as connection:
        tables: dict[str, set[str]] = {}
        for table, column in sqlite_columns(connection):
            tables.setdefault(table, set()).add(column)
        for table, columns in tables.items():
            if {"scope_kind", "scope_id"} <= columns:
                source = " and source_name in (?, '')" if "source_name" in columns else ""
                for source_name, tenant_id in scopes:
                    values = (tenant_id, source_name) if source else (tenant_id,)
                    connection.execute(
                        f"delete from \"{table}\" where scope_kind = 'tenant' and scope_id = ?{source}",
                        values,
                    )


def blank_words(path: Path, words: Words) -> None:
    """Put a mark in the place of every name in any text of a database."""
    if not database_has(path, words):
        return
    with _opened(path) as connection:
        connection.create_function("has_word", 1, _has(words), deterministic=True)
        connection.create_function("blanked", 1, _blanked(words), deterministic=True)
        for table, column in sqlite_columns(connection):
            connection.execute(
                f'update "{table}" set "{column}" = blanked("{column}") where has_word("{column}")'
            )


def _has(words: Words) -> Callable[[object], bool]:
    pattern = words.pattern
    return lambda value: isinstance(value, str) and pattern.search(value) is not None


def _blanked(words: Words) -> Callable[[str], str]:
    pattern = words.pattern
    return lambda value: pattern.sub(ERASED, value)


def forget_old_reports(settings: Settings, kept_from: Sequence[tuple[str, str, date]]) -> None:
    """Remove the files of tenants' reports, and their mails, that are about days which are not kept.

    The reports stay noted as made, so that they are not made again of what is left.
    """
    if not kept_from or not settings.state_file.exists():
        return
    Outbox(settings.state_file)
    with _opened(settings.state_file) as connection:
        for source_name, tenant_id, first in kept_from:
            key = (source_name, tenant_id, first.isoformat())
            rows = connection.execute(
                "select frequency, period, files from reports where scope_kind = 'tenant' "
                "and source_name = ? and scope_id = ? and substr(as_of, 1, 10) <= ? and files <> '{}'",
                key,
            ).fetchall()
            slug = scope_slug("tenant", tenant_id, source_name=source_name)
            for frequency, period, files in rows:
                for name in json.loads(files).values():
                    (settings.reports / name).unlink(missing_ok=True)
                for mail in settings.outbox.glob(f"{frequency}-{period}-{slug}-*.eml"):
                    mail.unlink()
            connection.execute(
                "update reports set files = '{}' where scope_kind = 'tenant' "
                "and source_name = ? and scope_id = ? and substr(as_of, 1, 10) <= ?",
                key,
            )


def forget_reports_without_files(settings: Settings) -> None:
    """Reports of which a file is gone are no longer noted as made."""
    if not settings.state_file.exists():
        return
    Outbox(settings.state_file)
    with _opened(settings.state_file) as connection:
        rows = connection.execute("select rowid, files from reports where files <> '{}'").fetchall()
        gone = [
            (row,)
            for row, files in rows
            if not all((settings.reports / name).exists() for name in json.loads(files).values())
        ]
        connection.executemany("delete from reports where rowid = ?", gone)
