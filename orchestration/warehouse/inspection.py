"""What a build left in the candidate, for whoever looks at a run: rows, bytes, event dates, a few rows.

Belongs here: asking the candidate once for all tables. Does not belong here: how it is shown
(defs/metadata), and figures for readers.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb

from orchestration.settings import Settings
from orchestration.warehouse.engines import engine_of
from orchestration.warehouse.manifest import PUBLISHED_SCHEMAS
from orchestration.warehouse.sql_text import quoted, text

_NAME = "candidate"
# DuckDB reads all of a table to say its blocks: those of 100 million events took 155 s and 21 GB of memory.
_MEASURED_ROWS = 1_000_000
# Two row groups.
_SAMPLED_ROWS = 245_760
_PREVIEWED_ROWS = 3
_PREVIEWED_COLUMNS = 8
# A preview is for the eye; a longer text is cut.
_LONGEST = 40


@dataclass(frozen=True, kw_only=True)
class BuiltTable:
    """One table of the candidate.

    ``size_bytes`` are the whole blocks of the warehouse file that it has a part in, of more than a million
    rows as far as the first of them tell; None where the engine does not say. ``preview`` are texts, of
    tables that readers see alone.
    """

    row_count: int
    size_bytes: int | None
    columns: Sequence[str]
    preview: Sequence[Sequence[str]]


@dataclass(frozen=True, kw_only=True)
class EventDates:
    """The event dates of a fact that an increment replaced."""

    first: str
    last: str
    count: int


@dataclass(frozen=True, kw_only=True)
class Inspection:
    """What was built and the columns of every relation by ``schema.table``, and event dates by fact."""

    tables: Mapping[str, BuiltTable]
    columns: Mapping[str, Sequence[str]]
    event_dates: Mapping[str, EventDates]


def inspect(settings: Settings, nodes: Iterable[Mapping[str, Any]]) -> Inspection:
    """Look at the tables of these nodes of the manifest; views are left out. The caller holds the lock."""
    built = [
        node
        for node in nodes
        if node["resource_type"] == "seed" or node["config"]["materialized"] != "view"
    ]
    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'")
        connection.execute(f"set memory_limit = '{settings.memory_gb}GB'")
        engine_of(settings).attach_candidate(connection, settings, name=_NAME)
        present = _columns(connection)
        names = {
            f"{node['schema']}.{node['alias']}": node
            for node in built
            if f"{node['schema']}.{node['alias']}" in present
        }
        counts = _counts(connection, names)
        sizes = _sizes(connection, counts, scratch=settings.warehouse_file.parent)
        tables = {
            name: BuiltTable(
                row_count=counts[name],
                size_bytes=sizes.get(name),
                columns=present[name],
                preview=_preview(connection, name, present[name]) if _is_published(node) else (),
            )
            for name, node in names.items()
        }
        dates = _event_dates(connection, present)
        return Inspection(tables=tables, columns=present, event_dates=dates)


def _is_published(node: Mapping[str, Any]) -> bool:
    return node["schema"] in PUBLISHED_SCHEMAS and not node["config"]["meta"].get("private")


def _columns(connection: duckdb.DuckDBPyConnection) -> dict[str, list[str]]:
    rows = connection.execute(
        "select schema_name || '.' || table_name, list(column_name order by column_index)"
        f" from duckdb_columns() where database_name = '{_NAME}' group by all"
    ).fetchall()
    return dict(rows)


def _qualified(name: str) -> str:
    schema, _, table = name.partition(".")
    return f"{_NAME}.{quoted(schema)}.{quoted(table)}"


def _counts(connection: duckdb.DuckDBPyConnection, names: Iterable[str]) -> dict[str, int]:
    """Rows of all tables by one query; the engine knows them without reading a column."""
    queries = [f"select {text(name)}, count(*) from {_qualified(name)}" for name in names]
    return dict(connection.execute(" union all ".join(queries)).fetchall()) if queries else {}


def _sizes(
    connection: duckdb.DuckDBPyConnection, counts: Mapping[str, int], *, scratch: Path
) -> dict[str, int]:
    """Bytes of each table, which has so many rows; none where the warehouse is no DuckDB file."""
    kinds = connection.execute(
        f"select type from duckdb_databases() where database_name = '{_NAME}' and path is not null"
    ).fetchall()
    if kinds != [("duckdb",)]:
        return {}
    small = {name: _qualified(name) for name, count in counts.items() if count <= _MEASURED_ROWS}
    sizes = _block_bytes(connection, small)
    large = {name: _qualified(name) for name in counts.keys() - small.keys()}
    if large:
        with _sampled(connection, large, scratch) as samples:
            found = _block_bytes(connection, samples)
        sizes |= {name: size * counts[name] // _SAMPLED_ROWS for name, size in found.items()}
    return sizes


@contextmanager
def _sampled(
    connection: duckdb.DuckDBPyConnection, tables: Mapping[str, str], scratch: Path
) -> Iterator[dict[str, str]]:
    """The first rows of tables, compressed as they are, in a database of their own."""
    with TemporaryDirectory(dir=scratch) as folder:
        connection.execute(
            f"attach {text(str(Path(folder, 'samples.duckdb')))} as samples"
            " (storage_version 'v1.4.0')"
        )
        samples = {name: f"samples.t{number}" for number, name in enumerate(sorted(tables))}
        for name, sample in samples.items():
            connection.execute(
                f"create table {sample} as from {tables[name]} limit {_SAMPLED_ROWS}"
            )
        connection.execute("checkpoint samples")
        yield samples
        connection.execute("detach samples")


def _block_bytes(
    connection: duckdb.DuckDBPyConnection, tables: Mapping[str, str]
) -> dict[str, int]:
    queries = [
        f"select {text(name)}, count(distinct block_id)"
        f" from pragma_storage_info({text(qualified)}) where block_id >= 0"
        for name, qualified in tables.items()
    ]
    if not queries:
        return {}
    blocks = dict(connection.execute(" union all ".join(queries)).fetchall())
    ((block_size,),) = connection.execute(
        f"select block_size from pragma_database_size() where database_name = '{_NAME}'"
    ).fetchall()
    return {name: count * block_size for name, count in blocks.items()}


def _preview(
    connection: duckdb.DuckDBPyConnection, name: str, columns: Sequence[str]
) -> list[list[str]]:
    shown = ", ".join(
        f"substr(cast({quoted(column)} as varchar), 1, {_LONGEST})"
        for column in columns[:_PREVIEWED_COLUMNS]
    )
    rows = connection.execute(
        f"select {shown} from {_qualified(name)} limit {_PREVIEWED_ROWS}"
    ).fetchall()
    return [["" if value is None else value for value in row] for row in rows]


def _event_dates(
    connection: duckdb.DuckDBPyConnection, present: Mapping[str, object]
) -> dict[str, EventDates]:
    if "intermediate.int_pending_dates" not in present:
        return {}
    rows = connection.execute(
        "select fact_name, cast(min(event_date) as varchar), cast(max(event_date) as varchar),"
        f" count(distinct event_date) from {_NAME}.intermediate.int_pending_dates group by fact_name"
    ).fetchall()
    return {
        fact: EventDates(first=first, last=last, count=count) for fact, first, last, count in rows
    }
