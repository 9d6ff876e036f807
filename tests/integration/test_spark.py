"""The target spark on a Spark Connect server: what is published equals the embedded engine's, table by table
and export by export, and what goes wrong is said before anything is loaded.

One small build of every model, without their data tests. Those, increments, unit tests of models, a cluster
of a master and two workers and the loss of one of them are in tests/soak/spark.py.
"""

from __future__ import annotations

import shutil
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from orchestration.errors import AgentmartError, RunFailure, UserError
from orchestration.generate.extracts import write_extracts
from orchestration.reporting.datasets.registry import DATASETS
from orchestration.reporting.scopes import ScopeKind
from orchestration.settings import Settings
from orchestration.warehouse import spark
from orchestration.warehouse.spark import ENGINE
from tests.support.ducklake import (
    ABOUT_THE_RUN,
    differing_exports,
    differing_tables,
    first_of_each_kind,
    opened,
    scopes_of,
    tables_of,
)
from tests.support.published_home import publish_landing
from tests.support.spark_cluster import spark_cluster
from tests.support.spark_target import publish_on_spark, settings_of

AS_OF = datetime(2026, 3, 2, 6, tzinfo=UTC)
_NON_EMPTY_TABLES = 80


@dataclass(frozen=True)
class Build:
    """A deployment that Spark has built and published, and the same extracts on the embedded engine."""

    settings: Settings
    beside: Settings


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Build]:
    base = tmp_path_factory.mktemp("spark")
    beside = Settings(home=base / "beside", threads=2)
    write_extracts(out=beside.landing, events=150, days=4, seed=7, until=AS_OF)
    with ThreadPoolExecutor() as threads:
        embedded = threads.submit(publish_landing, beside, as_of=AS_OF)
        # Java starts meanwhile.
        with spark_cluster(base / "cluster") as cluster:
            settings = settings_of(base / "home", remote=cluster.remote)
            shutil.copytree(beside.landing, settings.landing)
            ENGINE.check(settings)
            embedded.result()
            publish_on_spark(settings, as_of=AS_OF)
            yield Build(settings=settings, beside=beside)


def test_every_published_table_equals_the_embedded_engines(build: Build) -> None:
    assert differing_tables(build.settings, build.beside) == []
    with opened(build.settings) as published:
        filled = [
            table
            for table in tables_of(build.settings)
            if published.execute(f"select 1 from {table} limit 1").fetchall()
        ]
    assert len({*filled} - {*ABOUT_THE_RUN}) > _NON_EMPTY_TABLES


@pytest.mark.parametrize("dataset", sorted(DATASETS))
def test_every_export_equals_the_embedded_engines(build: Build, dataset: str) -> None:
    # One scope of each is enough where all tables are equal; the long form has every scope.
    allowed = DATASETS[dataset].scopes
    scopes = first_of_each_kind(scopes_of(build.beside))
    (scope, *_) = (one for one in scopes if ScopeKind(one.partition(":")[0]) in allowed)
    found = differing_exports(
        build.settings, build.beside, scopes=[scope], as_of=AS_OF, datasets=[dataset]
    )
    assert found == []


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
