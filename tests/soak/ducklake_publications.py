"""The target ducklake on a PostgreSQL server: what is published equals the embedded engine's, and nothing
that goes wrong with the catalog moves what readers see."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest

from orchestration.errors import AgentmartError, RunFailure, UserError
from orchestration.generate.extracts import write_extracts
from orchestration.ingest.load import load_landing
from orchestration.settings import Settings
from orchestration.warehouse.ducklake import ENGINE, writing
from tests.support.ducklake import (
    ABOUT_THE_RUN,
    ended,
    environment_of,
    exports_of,
    open_snapshot,
    reading,
    rows_that_differ,
    run,
    same,
    snapshot_of,
    tables_of,
)
from tests.support.landing import VALID_ROWS, ndjson, put
from tests.support.postgres_server import PASSWORD, PostgresServer, postgres_server
from tests.support.published_home import publish_landing
from tests.support.s3_server import KEYS, free_port, s3_server

FIRST, SECOND = datetime(2026, 3, 1, 6, tzinfo=UTC), datetime(2026, 3, 2, 6, tzinfo=UTC)

# Builds a little of another deployment in the same catalog, while the first one builds all.
_SECOND_BUILDER = """
import sys
from datetime import datetime, UTC
from orchestration.settings import Settings
from orchestration.defs.dbt_build import run_dbt_build
from orchestration.warehouse.ducklake import ENGINE
from orchestration.warehouse.plan import BuildPlan
from tests.support.builds import write_inputs
settings = Settings.load()
with ENGINE.lock(settings, on_wait=print):
    write_inputs(settings, published=None, as_of=datetime(2026, 3, 2, 6, tzinfo=UTC))
    plan = BuildPlan(
        reason="a little of everything",
        is_nothing=False,
        is_full_refresh=True,
        code_fingerprint="of no matter",
        load_ids=frozenset(),
        pending_load_ids=frozenset(),
    )
    run_dbt_build(settings, plan=plan, select=["+fct_incidents"])
print("built")
"""


_ROWS_OF_OTHER = """
select record_count from other.ducklake_data_file as files
join other.ducklake_table as tables
  on tables.table_id = files.table_id
  and tables.table_name = 'fct_incidents' and tables.end_snapshot is null
where files.end_snapshot is null
"""


@dataclass(frozen=True)
class TwoBuilds:
    """A deployment that was built in full and then by an increment, and what others did meanwhile.

    ``beside`` is the embedded engine's publication of the same lake, built in full.
    """

    settings: Settings
    server: PostgresServer
    beside: Settings
    seen_by_readers: list[list[tuple[int, int, str]]]
    second_builder: subprocess.CompletedProcess[str]
    other: Settings
    rows_of_other: list[tuple[int]]


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    with postgres_server() as running, pytest.MonkeyPatch.context() as patch:
        patch.setenv("PGPASSWORD", PASSWORD)
        yield running


@pytest.fixture(scope="module")
def two_builds(
    server: PostgresServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[TwoBuilds]:
    base = tmp_path_factory.mktemp("ducklake")
    landing, home = base / "landing", base / "home"
    write_extracts(out=landing, events=250, days=5, seed=7, until=SECOND)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment_of(server, home=home, schema="home").items():
            patch.setenv(name, value)
        settings = Settings.load()
        # The last two days come later.
        late = shutil.ignore_patterns("dt=2026-03-*")
        # Forty subscribers' reports are made of what is compared here already.
        shutil.rmtree(landing / "report_subscriptions")
        shutil.copytree(landing, settings.landing, ignore=late)
        _run(FIRST)
        shutil.copytree(landing, settings.landing, dirs_exist_ok=True)
        with ExitStack() as others:
            readers = [
                others.enter_context(reading(dict(os.environ), "core.fct_invocations"))
                for _ in range(2)
            ]
            builder = others.enter_context(_second_builder(server, base / "other"))
            _run(SECOND)
            printed, complained = builder.communicate(timeout=900)
            seen = [reader.stop() for reader in readers]
        yield TwoBuilds(
            settings=settings,
            server=server,
            beside=_published_beside(settings, base / "beside"),
            seen_by_readers=seen,
            second_builder=subprocess.CompletedProcess(
                builder.args, builder.returncode, printed, complained
            ),
            other=Settings.from_environment(
                environment_of(server, home=base / "other", schema="other")
            ),
            rows_of_other=server.ask(_ROWS_OF_OTHER),
        )


def _run(as_of: datetime) -> None:
    finished = run(dict(os.environ), as_of=as_of)
    assert finished.exit_code == 0, finished.stdout + finished.stderr


def _load(settings: Settings, as_of: datetime) -> None:
    report = load_landing(settings=settings, landing=settings.landing, as_of=as_of)
    assert not [one.error for one in report.files if one.error]


@contextmanager
def _second_builder(server: PostgresServer, home: Path) -> Iterator[subprocess.Popen[str]]:
    other = Settings(home=home)
    put(other, "incidents/one.ndjson", ndjson([VALID_ROWS["incidents"]]))
    _load(other, SECOND)
    own = environment_of(server, home=home, schema="other")
    with ended(_SECOND_BUILDER, environment={**os.environ, **own}) as builder:
        yield builder


def _published_beside(settings: Settings, home: Path) -> Settings:
    beside = Settings(home=home, threads=2)
    shutil.copytree(settings.lake, beside.lake)
    beside.landing.mkdir()
    publish_landing(beside, as_of=SECOND)
    return beside


def _opened(settings: Settings) -> duckdb.DuckDBPyConnection:
    return duckdb.connect(str(settings.published_file.resolve()), read_only=True)


def test_the_second_build_goes_on_with_the_tables_of_the_first(two_builds: TwoBuilds) -> None:
    # A full build makes every table anew.
    [(made,)] = two_builds.server.ask(
        "select begin_snapshot from home.ducklake_table"
        " where table_name = 'fct_invocations' and end_snapshot is null"
    )
    first, second = (snapshot_of(two_builds.settings, one) for one in (1, 2))
    assert made < first < second


def test_every_published_table_equals_the_embedded_engines(two_builds: TwoBuilds) -> None:
    tables = tables_of(two_builds.settings)
    assert tables == tables_of(two_builds.beside)
    with (
        closing(_opened(two_builds.settings)) as these,
        closing(_opened(two_builds.beside)) as those,
    ):
        compared = [table for table in tables if table not in ABOUT_THE_RUN]
        differing = [rows_that_differ(these, those, table) for table in compared]
    assert [one for one in differing if one is not None] == []


def test_every_export_equals_the_embedded_engines(two_builds: TwoBuilds) -> None:
    scopes = ["platform", f"tenant:{_first(two_builds, 'tenant')}"]
    scopes.append(f"publisher:{_first(two_builds, 'publisher')}")
    these, those = (
        exports_of(one, scopes=scopes, as_of=SECOND)
        for one in (two_builds.settings, two_builds.beside)
    )
    assert these.keys() == those.keys()
    assert [name for name in these if not same(these[name], those[name])] == []


def test_the_named_snapshot_holds_what_the_published_file_does(two_builds: TwoBuilds) -> None:
    with (
        closing(_opened(two_builds.settings)) as file,
        closing(open_snapshot(two_builds.settings)) as snapshot,
    ):
        tables = tables_of(two_builds.settings)
        differing = [rows_that_differ(file, snapshot, table) for table in tables]
    assert [one for one in differing if one is not None] == []


def test_readers_see_one_publication_or_the_next_while_it_is_built(two_builds: TwoBuilds) -> None:
    for seen in two_builds.seen_by_readers:
        assert seen == sorted(seen)
        assert seen[0][0] == 1
        assert len(set(seen)) <= 2, "a publication was seen in two states"


def test_another_deployment_builds_in_the_same_catalog_meanwhile(two_builds: TwoBuilds) -> None:
    builder = two_builds.second_builder
    assert builder.returncode == 0, builder.stderr
    assert builder.stdout.splitlines()[-1] == "built"
    assert two_builds.rows_of_other == [(1,)]


def test_the_password_is_in_no_file_of_the_deployment(two_builds: TwoBuilds) -> None:
    home = two_builds.settings.home
    files = [path for path in home.rglob("*") if path.is_file() and not path.is_symlink()]
    assert len(files) > 100
    assert [path for path in files if PASSWORD.encode() in path.read_bytes()] == []


def test_a_broken_candidate_leaves_the_snapshot_that_readers_have(two_builds: TwoBuilds) -> None:
    settings = two_builds.settings
    with closing(open_snapshot(settings)) as before:
        expected = before.execute("select count(*) from core.fct_invocations").fetchall()
    with writing(settings) as connection:
        connection.execute("delete from core.fct_invocations")
    ENGINE.forget_publications(settings, at_once=True)
    with closing(open_snapshot(settings)) as after:
        assert after.execute("select count(*) from core.fct_invocations").fetchall() == expected
    assert expected[0][0] > 0


def test_an_unreachable_catalog_is_said_with_what_to_do(two_builds: TwoBuilds) -> None:
    port = free_port()
    settings = Settings.from_environment(
        {
            **environment_of(two_builds.server, home=two_builds.settings.home, schema="home"),
            "AGENTMART_DUCKLAKE_CATALOG": f"host=127.0.0.1 port={port}",
        }
    )
    with pytest.raises(RunFailure) as failure:
        ENGINE.check(settings)
    _is_one_line_naming_the_target(failure.value, fix="AGENTMART_DUCKLAKE_CATALOG and PGPASSWORD")
    assert f"port {port} failed: Connection refused" in str(failure.value)
    _is_published_still(two_builds)


def test_another_version_of_the_catalogs_schema_is_said_with_what_to_do(
    two_builds: TwoBuilds,
) -> None:
    server = two_builds.server
    change = "update home.ducklake_metadata set value = '{}' where key = 'version'"
    [(version,)] = server.ask("select value from home.ducklake_metadata where key = 'version'")
    server.tell(change.format("0.1"))
    try:
        with pytest.raises(UserError) as failure:
            ENGINE.check(two_builds.settings)
    finally:
        server.tell(change.format(version))
    _is_one_line_naming_the_target(failure.value, fix="new AGENTMART_DUCKLAKE_SCHEMA")
    assert f"of version 0.1 and DuckDB {duckdb.__version__} needs {version}" in str(failure.value)
    _is_published_still(two_builds)


def test_a_missing_extension_is_said_with_what_to_do(
    two_builds: TwoBuilds, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As a wheel for another version of DuckDB is: there, but without the file.
    (tmp_path / "duckdb_extension_ducklake").mkdir()
    (tmp_path / "duckdb_extension_ducklake" / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(UserError) as failure:
        ENGINE.check(two_builds.settings)
    _is_one_line_naming_the_target(failure.value, fix="run `make ducklake`")
    _is_published_still(two_builds)


def test_a_schema_of_another_state_folder_is_refused(two_builds: TwoBuilds, tmp_path: Path) -> None:
    settings = Settings.from_environment(
        {
            **environment_of(two_builds.server, home=tmp_path, schema="home"),
            "AGENTMART_DUCKLAKE_DATA": str(two_builds.settings.home / "warehouse" / "ducklake"),
        }
    )
    with pytest.raises(UserError) as failure:
        ENGINE.check(settings)
    _is_one_line_naming_the_target(failure.value, fix="AGENTMART_DUCKLAKE_SCHEMA")


def test_files_lie_on_s3_where_the_settings_say_so(server: PostgresServer, tmp_path: Path) -> None:
    with s3_server(tmp_path) as s3:
        s3.make_bucket("bucket")
        settings = Settings.from_environment(
            {
                **environment_of(server, home=tmp_path / "home", schema="on_s3"),
                **KEYS,
                "AGENTMART_DUCKLAKE_DATA": "s3://bucket/mart",
                "AGENTMART_S3_ENDPOINT_URL": s3.endpoint,
            }
        )
        with writing(settings) as connection:
            connection.execute("create schema meta")
            connection.execute("create table meta.run_context as from range(1000) as numbers(one)")
        with duckdb.connect() as reader:
            ENGINE.attach_candidate(reader, settings, name="candidate")
            query = "select sum(one) from candidate.meta.run_context"
            assert reader.execute(query).fetchall() == [(499_500,)]
        assert ENGINE.has_candidate(settings)
        ENGINE.forget_candidate(settings)
        assert not ENGINE.has_candidate(settings)
        requests = s3.log.read_text()
    assert len(re.findall(r"PUT /bucket/mart/meta/run_context/\S+\.parquet", requests)) == 1
    assert "POST /bucket/?delete" in requests


def test_a_forgotten_candidate_is_in_no_file_and_no_catalog(two_builds: TwoBuilds) -> None:
    settings, server = two_builds.other, two_builds.server
    word = VALID_ROWS["incidents"]["incident_id"]
    files = settings.warehouse / "ducklake"
    assert _places_of(word, server)
    assert list(files.rglob("*.parquet"))
    ENGINE.forget_candidate(settings)
    assert _places_of(word, server) == []
    assert list(files.rglob("*.parquet")) == []
    assert not ENGINE.has_candidate(settings)


def _first(two_builds: TwoBuilds, kind: str) -> str:
    with closing(_opened(two_builds.settings)) as published:
        query = f"select min({kind}_id) from core.dim_{kind}s"
        return str(published.execute(query).fetchall()[0][0])


def _places_of(word: str, server: PostgresServer) -> list[str]:
    """The tables of the catalog that hold a word."""
    tables = server.ask(
        "select table_name from information_schema.tables where table_schema = 'other'"
    )
    return [
        name
        for (name,) in tables
        if server.ask(f"select 1 from other.{name} as one where one::text like '%{word}%' limit 1")
    ]


def _is_one_line_naming_the_target(error: AgentmartError, *, fix: str) -> None:
    assert "\n" not in str(error)
    assert "target ducklake" in str(error)
    assert fix in str(error)
    assert PASSWORD not in str(error)


def _is_published_still(two_builds: TwoBuilds) -> None:
    with closing(_opened(two_builds.settings)) as published:
        assert published.execute("select count(*) from core.fct_invocations").fetchall() > [(0,)]
