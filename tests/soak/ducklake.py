"""The long form of the target ducklake: whole deliveries by increments, and the public log, beside the
embedded engine, while others read and build.

Every table is compared after the last increment, and every export of every tenant and publisher. Run it with
`make soak`. Its short form, and what goes wrong with a catalog, is in tests/integration/test_ducklake.py.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from orchestration.generate.extracts import write_extracts
from orchestration.settings import PROJECT_ROOT, Settings
from orchestration.warehouse.ducklake import ENGINE, writing
from tests.support.ducklake import (
    differing_exports,
    differing_tables,
    differs_from_snapshot,
    ended,
    environment_of,
    open_snapshot,
    reading,
    run,
    scopes_of,
    snapshot_of,
)
from tests.support.landing import VALID_ROWS, load, ndjson, put
from tests.support.postgres_server import PASSWORD, PostgresServer, postgres_server
from tests.support.published_home import publish_landing
from tests.support.s3_server import KEYS, s3_server

_END = datetime(2026, 3, 2, 6, tzinfo=UTC)
_READERS = 2
# The landing as of each of these days, the last one all of it.
_DELIVERIES = [_END - timedelta(days=days) for days in (20, 1, 0)]

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
class Builds:
    """A deployment that was built in full and then by increments, and what others did meanwhile.

    ``beside`` is the embedded engine's publication of the same deliveries, built in full. ``other`` is a
    deployment in the same catalog.
    """

    settings: Settings
    server: PostgresServer
    beside: Settings
    seen_by_readers: list[list[tuple[int, int, str]]]
    other: Settings
    other_builder: subprocess.CompletedProcess[str]
    rows_of_other: list[tuple[int]]


@pytest.fixture(scope="module")
def catalog() -> Iterator[PostgresServer]:
    with postgres_server() as running, pytest.MonkeyPatch.context() as patch:
        patch.setenv("PGPASSWORD", PASSWORD)
        yield running


@pytest.fixture(scope="module")
def builds(catalog: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Builds:
    base = tmp_path_factory.mktemp("ducklake")
    whole, beside = base / "whole", Settings(home=base / "beside", threads=2)
    write_extracts(out=whole, events=3_000, days=30, seed=7, until=_END)
    # Published tables say when a file was loaded.
    for as_of in _DELIVERIES:
        _deliver(whole, beside.landing, as_of=as_of)
        _load(beside, as_of)
    publish_landing(beside, as_of=_END)
    environment = environment_of(catalog, home=base / "home", schema="home")
    settings = Settings.from_environment(environment)
    with ExitStack() as others:
        first, *increments = _DELIVERIES
        _deliver(whole, settings.landing, as_of=first)
        _run(environment, first)
        readers = [
            others.enter_context(reading(environment, "core.fct_invocations"))
            for _ in range(_READERS)
        ]
        builder = others.enter_context(_second_builder(catalog, base / "other"))
        for as_of in increments:
            _deliver(whole, settings.landing, as_of=as_of)
            _run(environment, as_of)
        printed, complained = builder.communicate(timeout=900)
        seen = [reader.stop() for reader in readers]
    return Builds(
        settings=settings,
        server=catalog,
        beside=beside,
        seen_by_readers=seen,
        other=Settings.from_environment(
            environment_of(catalog, home=base / "other", schema="other")
        ),
        other_builder=subprocess.CompletedProcess(
            builder.args, builder.returncode, printed, complained
        ),
        rows_of_other=catalog.ask(_ROWS_OF_OTHER),
    )


def _deliver(whole: Path, landing: Path, *, as_of: datetime) -> None:
    """The files of the days before, as a producer would have delivered them by then."""
    for file in whole.rglob("part-*"):
        if file.parent.name.removeprefix("dt=") <= f"{as_of:%Y-%m-%d}":
            target = landing / file.relative_to(whole)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(file, target)


def _load(settings: Settings, as_of: datetime) -> None:
    assert not [one.error for one in load(settings, as_of=as_of).files if one.error]


def _run(environment: dict[str, str], as_of: datetime) -> None:
    finished = run(environment, as_of=as_of)
    assert finished.exit_code == 0, finished.stdout + finished.stderr


@contextmanager
def _second_builder(server: PostgresServer, home: Path) -> Iterator[subprocess.Popen[str]]:
    other = Settings(home=home)
    put(other, "incidents/one.ndjson", ndjson([VALID_ROWS["incidents"]]))
    _load(other, _END)
    own = environment_of(server, home=home, schema="other")
    with ended(_SECOND_BUILDER, environment={**os.environ, **own}) as builder:
        yield builder


def test_an_increment_goes_on_with_the_tables_of_the_full_build(builds: Builds) -> None:
    # A full build makes every table anew.
    [(made,)] = builds.server.ask(
        "select begin_snapshot from home.ducklake_table"
        " where table_name = 'fct_invocations' and end_snapshot is null"
    )
    first, second, third = (snapshot_of(builds.settings, one) for one in (1, 2, 3))
    assert made < first < second < third


def test_every_published_table_equals_the_embedded_engines(builds: Builds) -> None:
    assert differing_tables(builds.settings, builds.beside) == []


def test_the_named_snapshot_holds_what_the_published_file_does(builds: Builds) -> None:
    assert differs_from_snapshot(builds.settings) == []


def test_readers_see_one_publication_or_the_next_while_it_is_built(builds: Builds) -> None:
    for seen in builds.seen_by_readers:
        assert seen == sorted(seen)
        assert seen[0][0] == 1
        assert len(set(seen)) <= len(_DELIVERIES), "a publication was seen in two states"


def test_another_deployment_builds_in_the_same_catalog_meanwhile(builds: Builds) -> None:
    assert builds.other_builder.returncode == 0, builds.other_builder.stderr
    assert builds.other_builder.stdout.splitlines()[-1] == "built"
    assert builds.rows_of_other == [(1,)]


def test_the_password_is_in_no_file_of_the_deployment(builds: Builds) -> None:
    home = builds.settings.home
    files = [path for path in home.rglob("*") if path.is_file() and not path.is_symlink()]
    assert len(files) > 100
    assert [path for path in files if PASSWORD.encode() in path.read_bytes()] == []


def test_every_export_equals_the_embedded_engines(builds: Builds) -> None:
    scopes = scopes_of(builds.beside)
    assert differing_exports(builds.settings, builds.beside, scopes=scopes, as_of=_END) == []


def test_a_broken_candidate_leaves_the_snapshot_that_readers_have(builds: Builds) -> None:
    settings = builds.settings
    with closing(open_snapshot(settings)) as before:
        expected = before.execute("select count(*) from core.fct_invocations").fetchall()
    with writing(settings) as connection:
        connection.execute("delete from core.fct_invocations")
    ENGINE.forget_publications(settings, at_once=True)
    with closing(open_snapshot(settings)) as after:
        assert after.execute("select count(*) from core.fct_invocations").fetchall() == expected
    assert expected[0][0] > 0


def test_a_forgotten_candidate_is_in_no_file_and_no_catalog(builds: Builds) -> None:
    settings, server = builds.other, builds.server
    word = VALID_ROWS["incidents"]["incident_id"]
    files = settings.warehouse / "ducklake"
    assert _places_of(word, server)
    assert list(files.rglob("*.parquet"))
    ENGINE.forget_candidate(settings)
    assert _places_of(word, server) == []
    assert list(files.rglob("*.parquet")) == []
    assert not ENGINE.has_candidate(settings)


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


def test_the_public_log_gives_what_the_embedded_engine_does(
    catalog: PostgresServer, tmp_path: Path
) -> None:
    environment = environment_of(catalog, home=tmp_path / "home", schema="public_log")
    settings, beside = Settings.from_environment(environment), Settings(home=tmp_path / "beside")
    sample = PROJECT_ROOT / "seeds" / "sample" / "aider"
    for one in (settings, beside):
        one.config.mkdir(parents=True)
        (one.landing / "aider").mkdir(parents=True)
        shutil.copy(sample / "sources.yml", one.config)
        shutil.copy(sample / "analytics.jsonl", one.landing / "aider")
    publish_landing(beside, as_of=_END)
    _run(environment, _END)
    assert differing_tables(settings, beside) == []
    scopes = scopes_of(beside)
    assert differing_exports(settings, beside, scopes=scopes, as_of=_END) == []
    assert differs_from_snapshot(settings) == []


def test_files_lie_on_s3_where_the_settings_say_so(catalog: PostgresServer, tmp_path: Path) -> None:
    with s3_server(tmp_path) as s3:
        s3.make_bucket("bucket")
        settings = Settings.from_environment(
            {
                **environment_of(catalog, home=tmp_path / "home", schema="on_s3"),
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
