"""What the deployment's own databases remember: reports, messages, runs, and Dagster's record of them.

Belongs here: taking somebody out of SQLite files, free pages and write-ahead log included. Does not belong
here: the tables' meaning (state/, delivery/), and files beside them (removal.py).
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path

from orchestration.delivery.outbox import Outbox
from orchestration.reporting.files import edition_slug, scope_slug
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
    """Delete what the state store holds under a tenant's scope: its reports, messages, notifications, and
    what alerting knows of it."""
    if not scopes or not settings.state_file.exists():
        return
    with _opened(settings.state_file) as connection:
        tables: dict[str, set[str]] = {}
        for table, column in sqlite_columns(connection):
            tables.setdefault(table, set()).add(column)
        for table, columns in tables.items():
            for source_name, tenant_id in scopes:
                if {"scope_kind", "scope_id"} <= columns:
                    source = " and source_name in (?, '')" if "source_name" in columns else ""
                    values = (tenant_id, source_name) if source else (tenant_id,)
                    connection.execute(
                        f"delete from \"{table}\" where scope_kind = 'tenant' and scope_id = ?{source}",
                        values,
                    )
                elif "subject_key" in columns:
                    _forget_subjects(connection, table, source_name, tenant_id)


def _forget_subjects(
    connection: sqlite3.Connection, table: str, source_name: str, tenant_id: str
) -> None:
    """Of alerts a subject is RULE/SCOPE@SOURCE, of daily summaries SOURCE|SCOPE."""
    scope = f"tenant:{tenant_id}"
    connection.execute(
        f"delete from \"{table}\" where substr(subject_key, instr(subject_key, '/')) in (?, ?) "
        "or subject_key in (?, ?)",
        (f"/{scope}@{source_name}", f"/{scope}", f"{source_name}|{scope}", f"|{scope}"),
    )


# Where the state store holds texts that anybody may be named in; all else are keys, times and states.
_FREE_TEXTS = {
    "runs": ("failure",),
    "audits": ("message",),
    "alert_subjects": ("standing",),
    "reports": ("failure",),
    "outbox": ("subscription_id", "recipient", "reason"),
    "notifications": ("title", "body", "payload", "reason"),
}


def forget_words(settings: Settings, words: Words) -> None:
    """Take every name out of the texts of the state store and of Dagster's record."""
    for database in sqlite_databases(settings):
        is_own = database == settings.state_file
        if is_own:
            _forget_addresses(database, words)
        blank_words(database, words, columns=_FREE_TEXTS if is_own else None)


def _forget_addresses(path: Path, words: Words) -> None:
    """Who is known by an address gets no message any more."""
    if not database_has(path, words):
        return
    with _opened(path) as connection:
        connection.create_function("has_word", 1, words.are_in, deterministic=True)
        tables = {table for table, _ in sqlite_columns(connection)}
        if "notifications" in tables:
            connection.execute("delete from notifications where has_word(target)")
        if "outbox" in tables:
            connection.execute(
                "update outbox set state = 'failed', reason = 'the recipient was erased' "
                "where has_word(recipient) and state in ('pending', 'sending', 'parked')"
            )


def blank_words(
    path: Path, words: Words, *, columns: Mapping[str, Collection[str]] | None = None
) -> None:
    """Put a mark in the place of every name in the texts of a database; what is JSON stays JSON.

    ``columns``: of which tables which columns; by default all that hold text and are no key.
    """
    if not database_has(path, words):
        return
    with _opened(path) as connection:
        connection.create_function("blanked", 2, _blanked(words), deterministic=True)
        for table, column in _texts(connection) if columns is None else _known(connection, columns):
            connection.execute(
                f'update "{table}" set "{column}" = blanked(\'{column}\', "{column}") '
                f"where typeof(\"{column}\") = 'text' "
                f'and blanked(\'{column}\', "{column}") <> "{column}"'
            )


def _texts(connection: sqlite3.Connection) -> Iterator[tuple[str, str]]:
    """Columns of text that are no key and may have any value."""
    keys = {
        (table, column)
        for table, column in connection.execute(
            "select tables.name, columns.name from sqlite_master as tables "
            "join pragma_index_list(tables.name) as indexes "
            "join pragma_index_info(indexes.name) as columns "
            "where tables.type = 'table' and indexes.\"unique\""
        )
    }
    for table, column, kind, definition in connection.execute(
        "select tables.name, columns.name, upper(columns.type), tables.sql from sqlite_master as tables "
        "join pragma_table_info(tables.name) as columns where tables.type = 'table' "
        "and tables.name not like 'sqlite_%' and columns.pk = 0"
    ).fetchall():
        is_checked = re.search(rf'check\s*\(\s*"?{re.escape(column)}\b', definition, re.IGNORECASE)
        is_text = kind.startswith(("TEXT", "VARCHAR", "CHAR", "CLOB", "JSON")) or not kind
        if is_text and not is_checked and (table, column) not in keys:
            yield table, column


def _known(
    connection: sqlite3.Connection, columns: Mapping[str, Collection[str]]
) -> Iterator[tuple[str, str]]:
    for table, column in sqlite_columns(connection):
        if column in columns.get(table, ()):
            yield table, column


# A text of JSON, and the colon that makes it the name of a member.
_JSON_TEXT = re.compile(r'"(?:[^"\\]|\\.)*"(\s*:)?')


def _blanked(words: Words) -> Callable[[str, str], str]:
    def blanked(column: str, value: str) -> str:
        if words.are_in_column(column) and words.are_value(value):
            return ERASED
        if not any(name in value for name in words.names):
            return value
        return _blanked_json(value, words) if _is_json(value) else words.blanked(value, mark=ERASED)

    return blanked


def _is_json(value: str) -> bool:
    if value[:1] not in ("{", "["):
        return False
    try:
        json.loads(value)
    except ValueError:
        return False
    return True


def _blanked_json(document: str, words: Words) -> str:
    """Texts alone are changed: names of members and numbers are a program's."""
    member = ""

    def blank(found: re.Match[str]) -> str:
        nonlocal member
        if found[1] is not None:
            member = found[0]
            return found[0]
        value = json.loads(found[0])
        after = _blanked(words)(member.rstrip(": \t\r\n").strip('"'), value)
        return found[0] if after == value else json.dumps(after, ensure_ascii=False)

    return _JSON_TEXT.sub(blank, document)


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
                edition = edition_slug(period)
                for mail in settings.outbox.glob(f"{frequency}-{edition}-{slug}-*.eml"):
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
