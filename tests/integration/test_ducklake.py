"""The target ducklake with a catalog in PostgreSQL: what is published equals the embedded engine's, and
nothing that goes wrong with the catalog moves what readers see.

One small build of every model, by what dbt sends. Builds by dbt, data tests, increments, and readers and
builders at the same time are in tests/soak/ducklake.py.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import click
import duckdb
import pytest
from click.testing import CliRunner

from orchestration.cli.backup import backup
from orchestration.cli.compact import compact
from orchestration.cli.erase import erase
from orchestration.cli.publications import rollback
from orchestration.cli.restore import restore
from orchestration.cli.retention import retention
from orchestration.errors import AgentmartError, RunFailure, UserError
from orchestration.generate.extracts import write_extracts
from orchestration.ingest.tombstones import open_tombstones
from orchestration.reporting.datasets.registry import DATASETS
from orchestration.reporting.scopes import ScopeKind
from orchestration.settings import Settings
from orchestration.state.backup import write_backup
from orchestration.state.migrations import Migration, upgrade
from orchestration.state.restore import restore_backup
from orchestration.state.tables import version_of
from orchestration.warehouse.ducklake import ENGINE, SNAPSHOT_SCRIPT
from tests.support.ducklake import (
    ABOUT_THE_RUN,
    differing_exports,
    differing_tables,
    differs_from_snapshot,
    environment_of,
    first_of_each_kind,
    opened,
    replay_on_ducklake,
    scopes_of,
    tables_of,
)
from tests.support.postgres_server import PASSWORD, PostgresServer, postgres_server
from tests.support.published_home import publish_landing
from tests.support.s3_server import free_port

AS_OF = datetime(2026, 3, 2, 6, tzinfo=UTC)
_NON_EMPTY_TABLES = 80


@dataclass(frozen=True)
class Build:
    """A deployment on the target, and the same extracts as the embedded engine has them."""

    settings: Settings
    beside: Settings
    server: PostgresServer
    environment: dict[str, str]
    scopes: list[str]


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Build]:
    base = tmp_path_factory.mktemp("ducklake")
    beside = Settings(home=base / "beside", threads=2)
    write_extracts(out=beside.landing, events=150, days=4, seed=7, until=AS_OF)
    publish_landing(beside, as_of=AS_OF)
    with postgres_server() as server, pytest.MonkeyPatch.context() as patch:
        environment = environment_of(server, home=base / "home", schema="small")
        patch.setenv("PGPASSWORD", PASSWORD)
        settings = Settings.from_environment(environment)
        shutil.copytree(beside.landing, settings.landing)
        publish_landing(settings, as_of=AS_OF, build=replay_on_ducklake)
        yield Build(
            settings=settings,
            beside=beside,
            server=server,
            environment=environment,
            scopes=first_of_each_kind(scopes_of(beside)),
        )


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
    (scope, *_) = (one for one in build.scopes if ScopeKind(one.partition(":")[0]) in allowed)
    found = differing_exports(
        build.settings, build.beside, scopes=[scope], as_of=AS_OF, datasets=[dataset]
    )
    assert found == []


def test_the_named_snapshot_holds_what_the_published_file_does(build: Build) -> None:
    assert differs_from_snapshot(build.settings) == []


class _IsWaiting(Exception):
    """Raised instead of going on to wait."""


def _do_not_wait(said: str) -> None:
    raise _IsWaiting(said)


@pytest.fixture
def used_elsewhere(build: Build, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The state folder as another host has it mounted: no lock of a file holds between the two."""
    other = replace(build.settings, home=tmp_path / "elsewhere")
    with ENGINE.lock(other, on_wait=_do_not_wait):
        monkeypatch.setattr(time, "sleep", lambda _: _do_not_wait("for a second time"))
        yield


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (compact, []),
        (retention, ["--apply"]),
        (erase, ["--user", "nobody", "--apply"]),
        (rollback, []),
        (backup, ["made.tar"]),
        (restore, [__file__, "--replace"]),
    ],
)
@pytest.mark.usefixtures("used_elsewhere")
def test_what_changes_the_deployment_waits_for_a_build_of_another_host(
    build: Build, tmp_path: Path, command: click.Command, words: list[str]
) -> None:
    words = [str(tmp_path / word) if word.endswith(".tar") else word for word in words]
    result = CliRunner().invoke(command, words, obj=build.settings)
    assert isinstance(result.exception, _IsWaiting), result.output
    assert "the schema small of the catalog" in result.output
    assert "is in use by another host; waiting until it is done" in result.output


@pytest.mark.usefixtures("used_elsewhere")
def test_an_upgrade_of_the_state_folder_waits_for_a_build_of_another_host(build: Build) -> None:
    step = Migration(version=99, summary="", change=lambda *_: pytest.fail("it did not wait"))
    with pytest.raises(_IsWaiting, match="is in use by another host"):
        upgrade(build.settings, say=_do_not_wait, migrations=[step])
    assert version_of(build.settings.state_file) < step.version


def test_an_unreachable_catalog_is_said_with_what_to_do(build: Build) -> None:
    port = free_port()
    settings = Settings.from_environment(
        build.environment | {"AGENTMART_DUCKLAKE_CATALOG": f"host=127.0.0.1 port={port}"}
    )
    with pytest.raises(RunFailure) as failure:
        ENGINE.check(settings)
    _is_one_line_naming_the_target(failure.value, fix="AGENTMART_DUCKLAKE_CATALOG and PGPASSWORD")
    assert f"port {port} failed: Connection refused" in str(failure.value)
    _is_published_still(build)


def test_another_version_of_the_catalogs_schema_is_said_with_what_to_do(build: Build) -> None:
    server = build.server
    change = "update small.ducklake_metadata set value = '{}' where key = 'version'"
    [(version,)] = server.ask("select value from small.ducklake_metadata where key = 'version'")
    server.tell(change.format("0.1"))
    try:
        with pytest.raises(UserError) as failure:
            ENGINE.check(build.settings)
    finally:
        server.tell(change.format(version))
    _is_one_line_naming_the_target(failure.value, fix="new AGENTMART_DUCKLAKE_SCHEMA")
    assert f"of version 0.1 and DuckDB {duckdb.__version__} needs {version}" in str(failure.value)
    _is_published_still(build)


def test_a_missing_extension_is_said_with_what_to_do(
    build: Build, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As a wheel for another version of DuckDB is: there, but without the file.
    (tmp_path / "duckdb_extension_ducklake").mkdir()
    (tmp_path / "duckdb_extension_ducklake" / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(UserError) as failure:
        ENGINE.check(build.settings)
    _is_one_line_naming_the_target(failure.value, fix="run `make ducklake`")
    _is_published_still(build)


def test_a_schema_of_another_state_folder_is_refused(build: Build, tmp_path: Path) -> None:
    settings = Settings.from_environment(
        build.environment
        | {
            "AGENTMART_HOME": str(tmp_path),
            "AGENTMART_DUCKLAKE_DATA": str(build.settings.warehouse / "ducklake"),
        }
    )
    with pytest.raises(UserError) as failure:
        ENGINE.check(settings)
    _is_one_line_naming_the_target(failure.value, fix="AGENTMART_DUCKLAKE_SCHEMA")
    _is_published_still(build)


def _is_one_line_naming_the_target(error: AgentmartError, *, fix: str) -> None:
    assert "\n" not in str(error)
    assert "target ducklake" in str(error)
    assert fix in str(error)
    assert PASSWORD not in str(error)


def _is_published_still(build: Build) -> None:
    with opened(build.settings) as published:
        assert published.execute("select count(*) from core.fct_invocations").fetchall() > [(0,)]


def test_a_backup_put_back_forgets_the_candidate_and_whoever_was_erased_since(
    build: Build, tmp_path: Path
) -> None:
    """The last of this module: what it has published before is gone after it."""
    settings, made = build.settings, tmp_path / "made.tar"
    write_backup(settings, made, made_at=AS_OF, say=pytest.fail)
    assert ENGINE.has_candidate(settings)
    restored = restore_backup(
        made,
        settings,
        is_replacing=True,
        tombstones=[_tombstone(settings, tmp_path / "erased.parquet")],
        as_of=AS_OF,
        say=pytest.fail,
    )
    assert restored.rows_erased > 0
    assert not ENGINE.has_candidate(settings)
    assert not (settings.published / "current" / SNAPSHOT_SCRIPT).exists()


def _tombstone(settings: Settings, file: Path) -> Path:
    """Of some tenant, as another host keeps it."""
    with opened(settings) as published:
        query = "select source_name, tenant_id from core.dim_tenants order by all limit 1"
        [(source, tenant)] = published.execute(query).fetchall()
    with duckdb.connect() as connection:
        connection.execute(f"set variable user_salt = '{settings.user_id_salt}'")
        open_tombstones(connection, settings.lake)
        key = f"erased_key('tenant', '{source}', '{tenant}')"
        connection.execute(
            f"copy (select 'tenant' as kind, {key} as key) to '{file}' (format parquet)"
        )
    return file
