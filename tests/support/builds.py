"""Builds of the warehouse for tests: by dbt as the product does it, and again without dbt's overhead.

dbt takes 15 s to run some hundred models whose SQL takes one second on a few rows, so a property
test cannot call it per example. ``record_builds`` lets dbt make one full build and one increment
and notes every statement its materialisations send to the engine. ``Replayed`` sends the same
statements to another database. What is put in anew is only what dbt itself reads from the data
while it compiles: the lake files behind the raw views, and the lists of pending dates.

``replay_full_build`` does so for a deployment that is then published.

Belongs here: building facts and marts from a lake. Does not belong here: extracts (landing.py).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import pytest
from dbt.adapters.duckdb.environments.local import DuckDBCursorWrapper

from orchestration.ingest.ledger import read_entries
from orchestration.settings import Settings
from orchestration.warehouse.days import DayRange
from orchestration.warehouse.manifest import read_manifest
from orchestration.warehouse.plan import BuildPlan, write_run_inputs
from orchestration.warehouse.upkeep import (
    Lineage,
    Upkeep,
    after_success,
    fingerprint_inputs,
    plan_extent,
)
from tests.support.dbt_runner import call_dbt, failures

_COMMENT = re.compile(r"\s*/\*\s*(\{.*?\})\s*\*/\s*", re.DOTALL)
_DATE_LIST = re.compile(r"\bin \((date '\d{4}-\d{2}-\d{2}'(?:, date '\d{4}-\d{2}-\d{2}')*)\)")
_MARKED_LIST = re.compile(r"\bin \(dates of ([^)]+)\)")
_RAW_VIEW = re.compile(r"create or replace view raw\.(\w+) as (.*)", re.DOTALL)
# What dbt asks about the database, and its transactions; a replay needs neither.
_QUESTIONS = ("describe", "select", "begin", "commit", "pragma")
# Schemas above the boundary that readers are held to, and those below it.
_BELOW_CORE = ("raw", "staging", "intermediate")


class Statement(NamedTuple):
    """One statement of a build; ``model`` is None for what is not a model: seeds and raw views."""

    model: str | None
    sql: str


@dataclass(frozen=True, kw_only=True)
class RecordedBuilds:
    """What dbt sends for a full build of an empty warehouse, and for an increment after it."""

    home: Path
    full: tuple[Statement, ...]
    increment: tuple[Statement, ...]


def write_inputs(
    settings: Settings,
    *,
    published: frozenset[str] | None,
    as_of: datetime,
    days: DayRange | None = None,
) -> BuildPlan:
    """Write the run inputs of a build after one that published these loads (None: there was none)."""
    entries = read_entries(settings.lake)
    loaded = frozenset(entry.load_id for entry in entries)
    plan = BuildPlan(
        reason="test",
        is_nothing=False,
        is_full_refresh=published is None,
        code_fingerprint="test",
        load_ids=loaded,
        pending_load_ids=loaded - (published or frozenset()),
        days=days,
        entries=entries,
    )
    write_run_inputs(settings, plan=plan, run_id=1, as_of=as_of, is_complete=True)
    return plan


def build_with_dbt(
    settings: Settings, *, is_full_refresh: bool, extent: Sequence[str] = ()
) -> None:
    """Run dbt on the run inputs as the product does, without the data tests."""
    arguments = ["--exclude-resource-type", "test", "--exclude-resource-type", "unit_test"]
    if is_full_refresh:
        arguments.append("--full-refresh")
    assert failures(call_dbt(settings, "build", *arguments, *extent)) == []


def replay_full_build(builds: RecordedBuilds, settings: Settings) -> None:
    """Build the warehouse file from the run inputs by what dbt sends for a full build of any lake."""
    settings.warehouse.mkdir(parents=True, exist_ok=True)
    with duckdb.connect(config={"threads": settings.threads}) as connection:
        connection.execute(f"attach '{settings.warehouse_file}' as agentmart")
        send_full_build(connection, builds, settings)


def send_full_build(
    connection: duckdb.DuckDBPyConnection, builds: RecordedBuilds, settings: Settings
) -> None:
    """The same in a database that the connection knows as ``agentmart``."""
    _use(connection)
    _send(connection, builds.full, settings=settings, recorded_in=builds.home)


@contextmanager
def statements_of_dbt() -> Iterator[list[str]]:
    """Everything that dbt sends to the engine meanwhile, in the order in which it was done."""
    sent: list[str] = []
    send = DuckDBCursorWrapper.execute

    def noting(cursor: DuckDBCursorWrapper, statement: str, bindings: object = None) -> object:
        result = send(cursor, statement, bindings)  # type: ignore[no-untyped-call]
        sent.append(statement)
        return result

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(DuckDBCursorWrapper, "execute", noting)
        yield sent


def recorded(settings: Settings, *, is_full_refresh: bool) -> tuple[Statement, ...]:
    """The statements of one build by dbt that change the database."""
    extent = () if is_full_refresh else ("--exclude-resource-type", "seed")
    with statements_of_dbt() as sent:
        build_with_dbt(settings, is_full_refresh=is_full_refresh, extent=extent)
    statements = []
    for text in sent:
        comment = _COMMENT.match(text)
        body = text[comment.end() :] if comment else text
        node = json.loads(comment.group(1)).get("node_id") if comment else None
        model = node.split(".")[2] if node and node.startswith("model.") else None
        # The comment of dbt may stand before another one of its own.
        word = body.split(None, 1)[0].lower()
        if word in _QUESTIONS:
            continue
        if _RAW_VIEW.search(body):
            statements += [
                Statement(model=None, sql=one.strip()) for one in body.split(";\n") if one.strip()
            ]
        else:
            statements.append(Statement(model=model, sql=body.strip()))
    return tuple(statements)


def record_builds(
    settings: Settings, *, deliver_more: Callable[[], object], as_of: datetime
) -> RecordedBuilds:
    """Build the lake of ``settings`` in full, call ``deliver_more``, and build what came by then.

    The increment must touch every fact that replaces dates, or its list of dates would not be seen.
    """
    first = write_inputs(settings, published=None, as_of=as_of)
    full = recorded(settings, is_full_refresh=True)
    deliver_more()
    write_inputs(settings, published=first.load_ids, as_of=as_of)
    increment = recorded(settings, is_full_refresh=False)
    with duckdb.connect(str(settings.warehouse_file), read_only=True) as warehouse:
        pending = _pending_dates(warehouse)
    views = {one.model for one in full if one.sql.lower().startswith("create view")}
    # An increment makes a view again as it was.
    marked = [_marked(one, pending) for one in increment if one.model not in views]
    replaced = {
        one.model
        for one in marked
        if one.sql.startswith("delete from") and _MARKED_LIST.search(one.sql)
    }
    asked = {one.model for one in marked if one.sql.startswith("delete from")}
    assert replaced == asked, f"nothing is pending for {asked - replaced}"
    return RecordedBuilds(home=settings.home, full=full, increment=tuple(marked))


def _marked(statement: Statement, pending: Mapping[str, Sequence[str]]) -> Statement:
    """The statement with the name of each list of pending dates in the place of the list.

    A model's own list has its name; others that it reads by have it before a colon.
    """
    if statement.model is None:
        return statement
    named: dict[str, str] = {}
    for name, dates in pending.items():
        if name.split(":")[0] == statement.model:
            assert _date_list(dates) not in named, f"{name} has the dates of another list"
            named[_date_list(dates)] = name
    found = set(_DATE_LIST.findall(statement.sql))
    assert found <= set(named), (statement.model, found)
    sql = _DATE_LIST.sub(lambda one: f"in (dates of {named[one[1]]})", statement.sql)
    return statement._replace(sql=sql)


class Replayed:
    """A warehouse in memory, built by the recorded statements."""

    def __init__(self, recorded_builds: RecordedBuilds, settings: Settings) -> None:
        self._recorded = recorded_builds
        self._settings = settings
        self._published: frozenset[str] | None = None
        self._has_marts = False
        self._lineage = Lineage(read_manifest())
        self._upkeep: Upkeep | None = None
        self._connection = self._empty()

    def close(self) -> None:
        self._connection.close()

    @property
    def connection(self) -> duckdb.DuckDBPyConnection:
        return self._connection

    def run(
        self,
        *,
        as_of: datetime,
        is_published: bool = True,
        has_marts: bool = True,
        days: DayRange | None = None,
    ) -> None:
        """What a run builds, and no more; unless it is published, its loads stay pending."""
        plan = write_inputs(self._settings, published=self._published, as_of=as_of, days=days)
        if plan.is_full_refresh:
            self._connection.close()
            self._connection = self._empty()
            self._has_marts = False
        builds = self._recorded
        statements = builds.full if plan.is_full_refresh else builds.increment
        chosen = [one for one in statements if not _is_above_core(one)]
        if has_marts:
            # An increment without marts before it makes them for the first time.
            known = statements if self._has_marts else builds.full
            chosen += [one for one in known if _is_above_core(one)]
            self._has_marts = True
        made = self._made(plan, as_of=as_of, is_all=has_marts)
        chosen = [one for one in chosen if one.model is None or one.model in made]
        # Temporary tables end with the connection that made them, as dbt's do.
        with self._connection.cursor() as connection:
            _use(connection)
            _send(connection, chosen, settings=self._settings, recorded_in=builds.home)
        if is_published:
            self._published = plan.load_ids

    def _made(self, plan: BuildPlan, *, as_of: datetime, is_all: bool) -> frozenset[str]:
        """The models that a run makes of these inputs, as the product finds them; views always."""
        lineage, settings = self._lineage, self._settings
        selected = None if is_all else lineage.everything - _above_core(self._recorded.full)
        extent, noted = plan_extent(
            lineage,
            before=self._upkeep,
            now=Upkeep(
                code_fingerprint=plan.code_fingerprint,
                inputs=fingerprint_inputs(
                    settings, entries=read_entries(settings.lake), as_of=as_of
                ),
                due=frozenset(),
                audited_by=None,
            ),
            selected=selected,
            is_everything=plan.is_full_refresh or plan.days is not None,
        )
        self._upkeep = after_success(lineage, noted, selected=selected, run_id=1)
        return extent.models | lineage.views

    def _empty(self) -> duckdb.DuckDBPyConnection:
        connection = duckdb.connect(config={"threads": self._settings.threads})
        # Recorded statements name the database as dbt does.
        connection.execute("attach ':memory:' as agentmart")
        _use(connection)
        return connection


def _send(
    connection: duckdb.DuckDBPyConnection,
    statements: Sequence[Statement],
    *,
    settings: Settings,
    recorded_in: Path,
) -> None:
    files = _lake_files(settings)
    lists: dict[str, str] = {}
    for statement in statements:
        sql = statement.sql
        view = _RAW_VIEW.match(sql)
        if view is not None:
            body = view.group(2).replace(f"{recorded_in}/", f"{settings.home}/")
            sql = _raw_view(view.group(1), body, settings=settings, files=files)
        elif _MARKED_LIST.search(sql):
            lists = lists or _date_lists(connection)
            sql = _with_dates(sql, lists)
        connection.execute(sql)


def _date_lists(connection: duckdb.DuckDBPyConnection) -> dict[str, str]:
    return {name: _date_list(dates) for name, dates in _pending_dates(connection).items()}


def _with_dates(sql: str, lists: Mapping[str, str]) -> str:
    return _MARKED_LIST.sub(lambda one: f"in ({lists.get(one[1], 'cast(null as date)')})", sql)


def _raw_view(
    name: str, body: str, *, settings: Settings, files: Mapping[str, Sequence[str]]
) -> str:
    if "/warehouse/inputs/" in body:
        query = body
    elif name in files:
        query = (
            f"select * from read_parquet({list(files[name])}, hive_partitioning = true, "
            "hive_types = {'event_date': date})"
        )
    else:
        empty = settings.lake / "raw" / name / "_empty.parquet"
        query = f"select *, cast(null as date) as event_date from read_parquet('{empty}')"
    return f"create or replace view raw.{name} as {query}"


def _use(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute("set TimeZone = 'UTC'")
    connection.execute("use agentmart")


def tables_above_staging(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """Every table of core, marts, insights and meta."""
    rows = connection.execute(
        "select schema_name || '.' || table_name from duckdb_tables() "
        "where database_name = current_database() and not temporary order by all"
    ).fetchall()
    return [name for (name,) in rows if name.split(".")[0] not in _BELOW_CORE]


def digests(
    connection: duckdb.DuckDBPyConnection, tables: Sequence[str]
) -> dict[str, tuple[Any, ...]]:
    """A digest of each table's rows that does not depend on their order, with their number."""
    return {
        table: connection.execute(
            f"select count(*), sum(hash(one)::hugeint), bit_xor(hash(one)) from {table} as one"
        ).fetchall()[0]
        for table in tables
    }


def rows_that_differ(
    these: duckdb.DuckDBPyConnection, those: duckdb.DuckDBPyConnection, table: str
) -> tuple[list[Any], list[Any]]:
    """The rows of a table that only these, and only those, have."""
    left, right = (
        [repr(row) for row in one.execute(f"select * from {table}").fetchall()]
        for one in (these, those)
    )
    return _without(left, right), _without(right, left)


def _without(rows: Sequence[str], others: Sequence[str]) -> list[str]:
    left = list(rows)
    for row in others:
        if row in left:
            left.remove(row)
    return left


def _above_core(statements: Sequence[Statement]) -> frozenset[str]:
    return frozenset(one.model for one in statements if one.model and _is_above_core(one))


def _is_above_core(statement: Statement) -> bool:
    target = re.search(r'"agentmart"\."(\w+)"', statement.sql)
    return (
        statement.model is not None
        and target is not None
        and target.group(1) not in (*_BELOW_CORE, "core")
    )


def _pending_dates(connection: duckdb.DuckDBPyConnection) -> dict[str, list[str]]:
    rows = connection.execute(
        "select fact_name, cast(event_date as varchar) from intermediate.int_pending_dates "
        "group by all order by all"
    ).fetchall()
    dates: dict[str, list[str]] = {}
    for fact, date in rows:
        dates.setdefault(fact, []).append(date)
    return dates


def _date_list(dates: Sequence[str]) -> str:
    return ", ".join(f"date '{date}'" for date in dates)


def _lake_files(settings: Settings) -> dict[str, list[str]]:
    rows = duckdb.execute(
        "select stream_name, path from read_parquet(?) order by all",
        [str(settings.run_inputs / "lake_files.parquet")],
    ).fetchall()
    files: dict[str, list[str]] = {}
    for stream, path in rows:
        files.setdefault(stream, []).append(path)
    return files
