"""The target ducklake with a catalog in a PostgreSQL server: what is published equals the embedded engine's.

Run by `make soak`; pytest does not collect it by itself: it takes 137 s, and `make test` takes 28 minutes on
two cores. One small build, without its data tests. Increments, the public log, exports, data tests, and
readers and builders at the same time are in tests/soak/ducklake.py and tests/soak/ducklake_publications.py.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest

from orchestration.generate.extracts import write_extracts
from orchestration.settings import PROJECT_ROOT, Settings
from orchestration.warehouse.ducklake import ENGINE
from tests.support.command_line import command_environment
from tests.support.ducklake import (
    ABOUT_THE_RUN,
    environment_of,
    open_snapshot,
    publish_on_ducklake,
    rows_that_differ,
    tables_of,
)
from tests.support.postgres_server import postgres_server
from tests.support.published_home import publish_landing

AS_OF = datetime(2026, 3, 2, 6, tzinfo=UTC)
_NON_EMPTY_TABLES = 80


@dataclass(frozen=True)
class Build:
    """A deployment on the target, and the same extracts as the embedded engine has them."""

    settings: Settings
    beside: Settings
    environment: dict[str, str]


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Build]:
    base = tmp_path_factory.mktemp("ducklake")
    beside = Settings(home=base / "beside", threads=2)
    write_extracts(out=beside.landing, events=150, days=4, seed=7, until=AS_OF)
    publish_landing(beside, as_of=AS_OF)
    with postgres_server() as server, pytest.MonkeyPatch.context() as patch:
        environment = environment_of(server, home=base / "home", schema="small")
        for name, value in environment.items():
            patch.setenv(name, value)
        settings = Settings.from_environment(environment)
        shutil.copytree(beside.landing, settings.landing)
        publish_on_ducklake(settings, as_of=AS_OF)
        yield Build(settings=settings, beside=beside, environment=environment)


def test_every_published_table_equals_the_embedded_engines_and_the_snapshot(build: Build) -> None:
    tables = tables_of(build.settings)
    assert tables == tables_of(build.beside)
    with (
        closing(_opened(build.settings)) as these,
        closing(_opened(build.beside)) as those,
        closing(open_snapshot(build.settings)) as snapshot,
    ):
        compared = [table for table in tables if table not in ABOUT_THE_RUN]
        differing = [rows_that_differ(these, those, table) for table in compared]
        differing += [rows_that_differ(these, snapshot, table) for table in tables]
        counts = [these.execute(f"select count(*) from {one}").fetchall() for one in compared]
    assert [one for one in differing if one is not None] == []
    assert len([count for count in counts if count != [(0,)]]) > _NON_EMPTY_TABLES


@pytest.mark.parametrize(
    "words",
    [("compact",), ("retention", "--apply"), ("erase", "--user", "nobody", "--apply")],
    ids=" ".join,
)
def test_what_changes_the_lake_waits_for_a_build_of_another_host(
    build: Build, tmp_path: Path, words: tuple[str, ...]
) -> None:
    # The state folder as another host has it mounted: no lock of a file holds between the two.
    other = Settings(home=tmp_path / "elsewhere", ducklake=build.settings.ducklake)
    command = [sys.executable, "-m", "orchestration.cli.main", *words]
    with ENGINE.lock(other, on_wait=lambda said: pytest.fail(said)):
        process = subprocess.Popen(
            command,
            cwd=PROJECT_ROOT,
            env={**command_environment(build.settings.home), **build.environment},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            assert process.stderr is not None
            said = process.stderr.readline()
        finally:
            process.kill()
            process.communicate(timeout=60)
    assert "the schema small of the catalog" in said
    assert "is in use by another host; waiting until it is done" in said


def _opened(settings: Settings) -> duckdb.DuckDBPyConnection:
    return duckdb.connect(str(settings.published_file.resolve()), read_only=True)
