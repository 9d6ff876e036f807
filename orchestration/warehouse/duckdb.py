"""Publishing from the DuckDB warehouse file, and opening what is published.

A publication is a folder, ``published/versions/<publication id>/`` with ``agentmart.duckdb`` and
``parquet/<schema>/<table>.parquet``. ``published/current`` points to it; ``published/agentmart.duckdb`` and
``published/parquet`` go through that one link, so a reader sees all of a publication or all of the one
before. Views and macros in it name no catalog, so that the file works wherever it is opened.

Belongs here: this engine's way to publish and to open. Does not belong here: when to publish
(warehouse/build).
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import duckdb

from orchestration.errors import AgentmartError, RunFailure
from orchestration.settings import Settings
from orchestration.state.store import Audit, Run

# Kept for rollback and for readers that opened an older file a moment ago (D-63).
KEPT_PUBLICATIONS = 5


@dataclass(frozen=True, kw_only=True)
class PublishedTable:
    """One table that readers see, with the descriptions that it carries in the database."""

    schema: str
    name: str
    description: str
    columns: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class PublishResult:
    """What was published: tables, their rows, and the bytes of database and Parquet."""

    folder: Path
    row_counts: Mapping[str, int]
    function_count: int
    size_bytes: int


def publish(
    settings: Settings,
    *,
    publication_id: int,
    tables: Sequence[PublishedTable],
    runs: Sequence[Run],
    audits: Sequence[Audit],
) -> PublishResult:
    """Copy the audited candidate into a new publication and make it current.

    The caller holds the warehouse lock. Until the last step, which renames one link, readers see the
    publication before; a failure at any point leaves it in place.

    Raises:
        RunFailure: a table function does not work on the published tables.
    """
    versions = settings.published / "versions"
    folder = versions / f"{publication_id:06d}"
    unfinished = versions / f".{publication_id:06d}.unfinished"
    shutil.rmtree(unfinished, ignore_errors=True)
    # A run killed between the rename and the note in the state store leaves a folder of this id behind.
    shutil.rmtree(folder, ignore_errors=True)
    unfinished.mkdir(parents=True)
    row_counts: dict[str, int] = {}
    with duckdb.connect(str(unfinished / "agentmart.duckdb")) as connection:
        connection.execute("set TimeZone = 'UTC'")
        connection.execute(f"set threads = {settings.threads}")
        connection.execute(f"attach {_text(settings.warehouse_file)} as candidate (read_only)")
        for schema in sorted({table.schema for table in tables} | {"meta"}):
            connection.execute(f"create schema if not exists {_name(schema)}")
        for table in tables:
            qualified = f"{_name(table.schema)}.{_name(table.name)}"
            connection.execute(f"create table {qualified} as from candidate.{qualified}")
            row_counts[f"{table.schema}.{table.name}"] = _count(connection, qualified)
            _write_parquet(connection, table, qualified, unfinished / "parquet")
        _comment(connection, tables)
        _write_history(connection, runs, audits)
        function_count = _create_functions(connection)
        connection.execute("detach candidate")
        connection.execute("checkpoint")
    size_bytes = _make_durable(unfinished)
    unfinished.replace(folder)
    _make_current(settings.published, folder)
    _forget_old(versions, keep=KEPT_PUBLICATIONS)
    return PublishResult(
        folder=folder,
        row_counts=row_counts,
        function_count=function_count,
        size_bytes=size_bytes,
    )


def read_totals(settings: Settings) -> dict[str, int]:
    """What the current publication says of the rows behind it: duplicates, superseded states, insights."""
    with open_published(settings) as connection:
        row = connection.execute(
            "select coalesce(sum(duplicate_rows), 0), coalesce(sum(superseded_rows), 0),"
            " (select count(*) from insights.insights where state = 'open')"
            " from operations.data_quality"
        ).fetchone()
    duplicates, superseded, insights = row or (0, 0, 0)
    return {
        "duplicates": int(duplicates),
        "superseded": int(superseded),
        "insights": int(insights),
    }


def open_published(settings: Settings) -> duckdb.DuckDBPyConnection:
    """A read-only connection to the current publication, its session in UTC.

    Raises:
        AgentmartError: nothing is published yet.
    """
    if not settings.published_file.exists():
        raise AgentmartError(
            f"Nothing is published under {settings.published} yet; run `agentmart run` first"
        )
    connection = duckdb.connect(str(settings.published_file.resolve()), read_only=True)
    connection.execute("set TimeZone = 'UTC'")
    return connection


def _comment(connection: duckdb.DuckDBPyConnection, tables: Sequence[PublishedTable]) -> None:
    """Give every table and column its description, in one transaction: a commit for each of some
    1,200 statements took 2.7 s of an 8 s publication, all of them together 0.3 s."""
    present = set(
        connection.execute(
            "select schema_name, table_name, column_name from duckdb_columns()"
            " where database_name = current_database()"
        ).fetchall()
    )
    statements = []
    for table in tables:
        qualified = f"{_name(table.schema)}.{_name(table.name)}"
        statements.append(f"comment on table {qualified} is {_text(table.description)}")
        statements += [
            f"comment on column {qualified}.{_name(column)} is {_text(description)}"
            for column, description in table.columns.items()
            if (table.schema, table.name, column) in present
        ]
    connection.execute("begin")
    connection.execute(";\n".join(statements))
    connection.execute("commit")


def _write_parquet(
    connection: duckdb.DuckDBPyConnection, table: PublishedTable, qualified: str, root: Path
) -> None:
    folder = root / table.schema
    folder.mkdir(parents=True, exist_ok=True)
    target = _text(folder / f"{table.name}.parquet")
    connection.execute(f"copy {qualified} to {target} (format parquet, compression zstd)")


def _write_history(
    connection: duckdb.DuckDBPyConnection, runs: Sequence[Run], audits: Sequence[Audit]
) -> None:
    """The state store's runs and this run's audits, as `meta` tables."""
    connection.execute(
        "create table meta.runs (run_id integer, command varchar, as_of timestamp, status varchar,"
        " failure varchar)"
    )
    for run in runs:
        connection.execute(
            "insert into meta.runs values (?, ?, ?, ?, ?)",
            [run.run_id, run.command, run.as_of.replace(tzinfo=None), run.status, run.failure],
        )
    connection.execute("comment on table meta.runs is 'One row per run of the job, last 50.'")
    connection.execute(
        "create table meta.audits (check_name varchar, model_name varchar, status varchar,"
        " failures bigint, message varchar)"
    )
    if audits:
        connection.executemany(
            "insert into meta.audits values (?, ?, ?, ?, ?)",
            [
                [one.check_name, one.model_name, one.status, one.failures, one.message]
                for one in audits
            ],
        )
    connection.execute(
        "comment on table meta.audits is 'One row per data test of the run that made this publication.'"
    )


def _create_functions(connection: duckdb.DuckDBPyConnection) -> int:
    functions = connection.execute(
        "select function_name, ddl from meta.table_functions order by function_name"
    ).fetchall()
    for name, ddl in functions:
        try:
            connection.execute(ddl)
            connection.execute(
                f"describe from {_name(name)}('platform', date '2000-01-01', date '2000-01-02')"
            )
        except duckdb.Error as error:
            raise RunFailure(
                f"The table function {name} does not work on the published tables: {error}"
            ) from error
    return len(functions)


def _make_durable(folder: Path) -> int:
    """Force every file to disk before the link moves: after a power cut the link must not point to
    files whose bytes never arrived. Returns their total size in bytes."""
    size = 0
    for path in sorted(folder.rglob("*")):
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
        if path.is_file():
            size += path.stat().st_size
    return size


def _make_current(published: Path, folder: Path) -> None:
    _point(published / "current", Path("versions") / folder.name)
    for entry in ("agentmart.duckdb", "parquet"):
        link = published / entry
        if not link.is_symlink():
            _point(link, Path("current") / entry)
    handle = os.open(published, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _point(link: Path, target: Path) -> None:
    unfinished = link.with_name(f".{link.name}.new")
    unfinished.unlink(missing_ok=True)
    unfinished.symlink_to(target)
    unfinished.replace(link)


def _forget_old(versions: Path, *, keep: int) -> None:
    finished = sorted(path for path in versions.iterdir() if not path.name.startswith("."))
    for path in finished[:-keep]:
        shutil.rmtree(path)


def _count(connection: duckdb.DuckDBPyConnection, qualified: str) -> int:
    row = connection.execute(f"select count(*) from {qualified}").fetchone()
    return int(row[0]) if row else 0


def _name(identifier: str) -> str:
    return '"' + identifier.replace('"', '""') + '"'


def _text(value: object) -> str:
    return "'" + str(value).replace("'", "''") + "'"
