"""The target spark on a cluster of a master, two workers and a Spark Connect server: what is built equals the
embedded engine's, and what goes wrong is said before anything is loaded.

Reference data, core and the marts of two domains, without their data tests: planning each of the 144 models
takes a cluster seconds of the processor, however few rows there are, twelve minutes in all. Every published
table, every export, increments, data tests, unit tests and the loss of a worker are in tests/soak/spark.py.
"""

from __future__ import annotations

import shutil
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest

from orchestration.errors import AgentmartError, RunFailure, UserError
from orchestration.generate.extracts import write_extracts
from orchestration.settings import Settings
from orchestration.warehouse import spark
from orchestration.warehouse.engines import engine_of
from orchestration.warehouse.manifest import PUBLISHED_SCHEMAS
from orchestration.warehouse.spark import ENGINE
from tests.support.ducklake import ABOUT_THE_RUN, rows_that_differ
from tests.support.published_home import publish_landing
from tests.support.spark_cluster import spark_cluster
from tests.support.spark_target import build_on_spark, settings_of

AS_OF = datetime(2026, 3, 2, 6, tzinfo=UTC)
_NON_EMPTY_TABLES = 60
_SELECTED = (
    "resource_type:seed",
    "+path:models/core,resource_type:model",
    "+path:models/marts/compliance,resource_type:model",
    "+path:models/marts/feedback,resource_type:model",
    "+run_context",
)


@dataclass(frozen=True)
class Build:
    """A deployment that Spark has built, the same extracts on the embedded engine, and the tables."""

    settings: Settings
    beside: Settings
    tables: list[str]


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Build]:
    base = tmp_path_factory.mktemp("spark")
    beside = Settings(home=base / "beside", threads=2)
    write_extracts(out=beside.landing, events=150, days=4, seed=7, until=AS_OF)
    publish_landing(beside, as_of=AS_OF)
    with spark_cluster(base / "cluster") as cluster:
        settings = settings_of(base / "home", remote=cluster.remote)
        shutil.copytree(beside.landing, settings.landing)
        ENGINE.check(settings)
        tables = build_on_spark(settings, as_of=AS_OF, select=_SELECTED)
        yield Build(settings=settings, beside=beside, tables=tables)


def test_every_published_table_of_them_equals_the_embedded_engines(build: Build) -> None:
    with duckdb.connect() as these, duckdb.connect() as those:
        for connection, settings in ((these, build.settings), (those, build.beside)):
            connection.execute("set TimeZone = 'UTC'")
            engine_of(settings).attach_candidate(connection, settings, name="candidate")
            connection.execute("use candidate")
        compared = [
            table
            for table in build.tables
            if table not in ABOUT_THE_RUN and table.partition(".")[0] in PUBLISHED_SCHEMAS
        ]
        differing = [rows_that_differ(these, those, table) for table in compared]
        filled = [
            one for one in compared if these.execute(f"select 1 from {one} limit 1").fetchall()
        ]
    assert [one for one in differing if one is not None] == []
    assert len(filled) > _NON_EMPTY_TABLES
    assert {"core.fct_llm_calls", "core.dim_windows", "compliance.compliance_summary"} <= {*filled}


def test_the_next_build_goes_on_with_what_is_there(build: Build) -> None:
    assert ENGINE.has_candidate(build.settings)


def test_another_state_folder_is_refused_by_the_same_catalog(build: Build, tmp_path: Path) -> None:
    with pytest.raises(UserError) as error:
        ENGINE.check(replace(build.settings, home=tmp_path))
    _is_one_line_naming_the_target(error.value, fix="a cluster or catalog of its own")


def test_what_is_no_spark_server_is_said_with_what_to_do(
    build: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spark, "_CONNECT_SECONDS", 8)
    with (
        _silent_listener() as port,
        pytest.raises(RunFailure) as failure,
    ):
        ENGINE.check(replace(build.settings, spark_remote=f"sc://127.0.0.1:{port}"))
    _is_one_line_naming_the_target(failure.value, fix="SPARK_REMOTE")


@contextmanager
def _silent_listener() -> Iterator[int]:
    """Something that takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        stopped = threading.Event()
        kept: list[socket.socket] = []

        def accept() -> None:
            server.settimeout(0.2)
            while not stopped.is_set():
                try:
                    kept.append(server.accept()[0])
                except TimeoutError:
                    continue

        thread = threading.Thread(target=accept)
        thread.start()
        try:
            yield int(server.getsockname()[1])
        finally:
            stopped.set()
            thread.join()
            for one in kept:
                one.close()


def _is_one_line_naming_the_target(error: AgentmartError, *, fix: str) -> None:
    assert "the target spark" in str(error)
    assert fix in str(error)
    assert "\n" not in str(error)
