"""Which rows of the lake are to go: found first, counted or written down, then taken out.

Belongs here: finding rows, by key or by age, in landed, refused and waiting rows alike. Does not belong here:
taking them out (rewriting.py), and rows that are about to land (ingest/withholding.py).

Found rows are the temporary table ``doomed``: path below the lake, place (raw, future, quarantine), action
(remove, or clear: the row stays and loses what it carries beyond the contract), stream, day, load_id,
row_number, row_hash, and whose they are.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import duckdb

from orchestration.contracts.model import Stream
from orchestration.contracts.streams import STREAMS
from orchestration.ingest import sql
from orchestration.ingest.default_tenants import erased_by_default
from orchestration.ingest.sources import Source
from orchestration.ingest.sql import MACROS
from orchestration.ingest.tombstones import (
    CONVERSATION,
    DETAIL_STREAMS,
    INVOCATION,
    TASK,
    TENANT,
    USER,
    day_of,
    erased_rows,
    namings,
    open_tombstones,
)
from orchestration.settings import Settings

_MEMORY_MB = 2_000
_COLUMNS = (
    "path varchar, place varchar, action varchar, stream_name varchar, day date, load_id varchar, "
    "row_number bigint, row_hash varchar, source_name varchar, tenant_id varchar"
)
# Of a tenant or user: the rows that name them directly, in which their links are found.
_LINKED = {
    INVOCATION: (("agent_events", "invocation_id"), ("audit_events", "invocation_id")),
    CONVERSATION: (("conversations", "conversation_id"), ("agent_events", "conversation_id")),
    TASK: (("tasks", "task_id"), ("agent_events", "task_id")),
}


@contextmanager
def lake_connection(settings: Settings, *, scratch: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection that knows the tombstones and has an empty table ``doomed``."""
    with duckdb.connect(
        ":memory:",
        config={
            "threads": settings.threads,
            "memory_limit": f"{_MEMORY_MB}MB",
            "temp_directory": str(scratch / "spill"),
            "autoinstall_known_extensions": False,
        },
    ) as connection:
        connection.execute("set TimeZone = 'UTC'")
        connection.execute(f"set variable user_salt = {sql.text(settings.user_id_salt)}")
        for macro in MACROS:
            connection.execute(macro)
        open_tombstones(connection, settings.lake)
        connection.execute(f"create temp table doomed ({_COLUMNS})")
        yield connection


def raw_rows(lake: Path, stream: Stream) -> str:
    """SQL: every landed row of a stream that lies in the lake, listed or not, with path and event_date."""
    return _rows(
        lake,
        folder=f"raw/{stream.name}/event_date=*",
        columns=stream.lake_columns,
        more=("event_date", "DATE"),
        options=", hive_partitioning = true, hive_types = {'event_date': date}",
    )


def future_rows(lake: Path, stream: Stream) -> str:
    """SQL: the rows of a stream that wait for their time."""
    return _rows(
        lake,
        folder=f"future/{stream.name}",
        columns=stream.lake_columns,
        more=("event_date", "DATE"),
    )


_REFUSED = (
    ("source_name", "VARCHAR"),
    ("stream_name", "VARCHAR"),
    ("row_number", "BIGINT"),
    ("raw_text", "VARCHAR"),
    ("load_id", "VARCHAR"),
)


def quarantine_rows(lake: Path) -> str:
    """SQL: every refused row, of files that count and of those that a replay replaced."""
    return _rows(lake, folder="quarantine", columns=_REFUSED, more=("quarantined_at", "TIMESTAMP"))


def _rows(
    lake: Path,
    *,
    folder: str,
    columns: Sequence[tuple[str, str]],
    more: tuple[str, str],
    options: str = "",
) -> str:
    wanted = (*columns, more)
    files = sorted(str(path) for path in lake.glob(f"{folder}/*.parquet"))
    if not files:
        nothing = ", ".join(f"null::{kind} as {sql.name(name)}" for name, kind in wanted)
        return f"(select {nothing}, null::varchar as path where false)"
    names = ", ".join(sql.name(name) for name, _ in wanted)
    start = len(str(lake)) + 2
    return (
        f"(select {names}, filename[{start}:] as path from read_parquet({sql.text_list(files)}, "
        f"union_by_name = true, filename = true{options or ', hive_partitioning = false'}))"
    )


def add_subject(
    connection: duckdb.DuckDBPyConnection, *, kind: str, ids: Sequence[tuple[str, str]], lake: Path
) -> None:
    """Add the keys of a tenant or user, by (source, id), and of what is linked to them, to ``erased``."""
    values = ", ".join(f"({sql.text(source)}, {sql.text(one)})" for source, one in ids)
    connection.execute(
        f"insert into erased select {sql.text(kind)}, erased_key({sql.text(kind)}, source, id) "
        f"from (values {values}) as ids (source, id)"
    )
    # A tenant's conversations, scores and tasks name it themselves; only calls do not.
    links = _LINKED if kind == USER else {INVOCATION: _LINKED[INVOCATION]}
    found = []
    for link, places in links.items():
        for stream_name, column in places:
            stream = STREAMS[stream_name]
            rows = raw_rows(lake, stream)
            own = erased_by_name(stream, rows=rows)
            if own:
                found.append(
                    f"select {sql.text(link)} as kind, "
                    f"erased_key({sql.text(link)}, source_name, {sql.name(column)}) as key "
                    f"from {rows} where {sql.name(column)} is not null and ({' or '.join(own)})"
                )
    connection.execute(f"create or replace temp table links as {' union '.join(found)}")
    connection.execute("insert into erased from links")
    connection.execute("drop table links")


def erased_by_name(stream: Stream, *, rows: str) -> tuple[str, ...]:
    """SQL: conditions for rows that name who was erased, by tenant or user alone."""
    direct = sum(naming.kind in (TENANT, USER) for naming in namings(stream))
    return erased_rows(stream, rows=rows)[:direct]


def find_erased(
    connection: duckdb.DuckDBPyConnection, lake: Path, *, sources: Sequence[Source]
) -> None:
    """Fill ``doomed`` with every row of those who were erased; ``sources`` are the declared ones."""
    for stream in STREAMS.values():
        for place, rows in (("raw", raw_rows(lake, stream)), ("future", future_rows(lake, stream))):
            conditions = erased_rows(stream, rows=rows)
            if conditions:
                _doom(connection, stream, place=place, rows=rows, where=" or ".join(conditions))
            cleared = "mentions_erased(source_name, source_metadata)"
            _doom(connection, stream, place=place, rows=rows, where=cleared, action="clear")
    rows = quarantine_rows(lake)
    connection.execute(
        "insert into doomed select path, 'quarantine', 'remove', stream_name, "
        f"quarantined_at::date, load_id, row_number, null, source_name, null from {rows} "
        f"where mentions_erased(source_name, raw_text) or {erased_by_default(sources)}"
    )
    _doom_both(connection, lake)


def _doom(
    connection: duckdb.DuckDBPyConnection,
    stream: Stream,
    *,
    place: str,
    rows: str,
    where: str,
    action: str = "remove",
) -> None:
    columns = {field.column for field in stream.all_fields}
    tenant = "tenant_id" if "tenant_id" in columns else "null"
    connection.execute(
        f"insert into doomed select path, {sql.text(place)}, {sql.text(action)}, "
        f"{sql.text(stream.name)}, {day_of(stream)}, load_id, row_number, row_hash, source_name, {tenant} "
        f"from {rows} as landed where {where}"
    )


def _doom_both(connection: duckdb.DuckDBPyConnection, lake: Path) -> None:
    """A row that waits for its time stands in the quarantine too; either goes with the other."""
    connection.execute(
        "insert into doomed select rows.path, 'quarantine', 'remove', rows.stream_name, null, "
        f"rows.load_id, rows.row_number, null, rows.source_name, null from {quarantine_rows(lake)} as rows "
        "where (rows.stream_name, rows.load_id, rows.row_number) in "
        "(select (stream_name, load_id, row_number) from doomed where place = 'future') "
        "and (rows.path, rows.row_number) not in "
        "(select (path, row_number) from doomed where place = 'quarantine')"
    )
    for stream in STREAMS.values():
        _doom(
            connection,
            stream,
            place="future",
            rows=future_rows(lake, stream),
            where="(load_id, row_number) in (select (load_id, row_number) from doomed "
            f"where place = 'quarantine' and stream_name = {sql.text(stream.name)}) "
            "and (path, row_number) not in "
            "(select (path, row_number) from doomed where place = 'future')",
        )


def find_old(connection: duckdb.DuckDBPyConnection, lake: Path, *, load_ids: Sequence[str]) -> None:
    """Fill ``doomed`` with the detail that is older than ``terms`` (source_name, tenant_id, kept_from) keep.

    Only loads that are published: what is not in any figure yet is left for the next time.
    """
    connection.execute(
        f"create or replace temp table published as select unnest({sql.text_list(load_ids)}) as load_id"
    )
    published = "load_id in (select load_id from published)"
    events = raw_rows(lake, STREAMS["agent_events"])
    connection.execute(
        "create or replace temp table owners as "
        "select source_name, invocation_id, tenant_id, max(event_date) as last_date "
        f"from {events} where invocation_id is not null group by all"
    )
    for name in DETAIL_STREAMS:
        stream = STREAMS[name]
        rows = raw_rows(lake, stream)
        if name == "llm_calls":
            # A call without an owner left would be nobody's for ever.
            connection.execute(
                "insert into doomed select path, 'raw', 'remove', 'llm_calls', event_date, load_id, "
                "row_number, row_hash, calls.source_name, terms.tenant_id "
                f"from {rows} as calls "
                "inner join owners on calls.source_name = owners.source_name "
                "and calls.invocation_id = owners.invocation_id "
                "inner join terms on owners.source_name = terms.source_name "
                "and owners.tenant_id = terms.tenant_id "
                "where least(calls.event_date, owners.last_date) < terms.kept_from "
                f"and {published}"
            )
        else:
            _doom(
                connection,
                stream,
                place="raw",
                rows=rows,
                where=f"{published} and exists (select 1 from terms "
                "where terms.tenant_id = landed.tenant_id "
                "and terms.source_name = landed.source_name "
                f"and {day_of(stream)} < terms.kept_from)",
            )
    connection.execute(
        "insert into doomed select path, 'quarantine', 'remove', stream_name, quarantined_at::date, "
        f"load_id, row_number, null, refused.source_name, terms.tenant_id from {quarantine_rows(lake)} "
        "as refused inner join terms on refused.source_name = terms.source_name "
        "where refused.quarantined_at < terms.kept_from "
        "and list_contains(names_in(refused.raw_text), terms.tenant_id)"
    )
    _doom_both(connection, lake)


def rows_found(connection: duckdb.DuckDBPyConnection) -> dict[str, int]:
    """How many rows of each stream go, refused ones as ``quarantine``: one that lies in a merged file and
    beside it counts once."""
    return dict(
        connection.execute(
            "select case place when 'quarantine' then place else stream_name end as name, "
            "count(distinct (stream_name, load_id, row_number, row_hash)) from doomed "
            "where action = 'remove' and place <> 'future' group by all order by all"
        ).fetchall()
    )
