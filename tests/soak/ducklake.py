"""The long form of the target ducklake: whole deliveries by increments, and the public log, beside the
embedded engine, while others read.

Every table is compared after the last increment, and every export of every tenant and publisher. Run it with
`make soak`.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from orchestration.generate.extracts import write_extracts
from orchestration.settings import PROJECT_ROOT, Settings
from tests.support.command_line import agentmart
from tests.support.ducklake import (
    ABOUT_THE_RUN,
    Reader,
    environment_of,
    exports_of,
    open_snapshot,
    reading,
    rows_that_differ,
    run,
    same,
    tables_of,
)
from tests.support.postgres_server import PASSWORD, PostgresServer, postgres_server

_END = datetime(2026, 3, 2, 6, tzinfo=UTC)
_READERS = 4
# The landing as of each of these days, the last one all of it.
_DELIVERIES = [_END - timedelta(days=days) for days in (20, 3, 1, 0)]


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    with postgres_server() as running:
        yield running


def _deliver_generated(whole: Path, home: Path, as_of: datetime) -> None:
    """The files of the days before, as a producer would have delivered them by then."""
    if not whole.exists():
        write_extracts(out=whole, events=6_000, days=40, seed=7, until=_END)
    for file in whole.rglob("part-*"):
        day = file.parent.name.removeprefix("dt=")
        if day <= f"{as_of:%Y-%m-%d}":
            target = home / "landing" / file.relative_to(whole)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(file, target)


def _deliver_public(_: Path, home: Path, as_of: datetime) -> None:
    del as_of
    sample = PROJECT_ROOT / "seeds" / "sample" / "aider"
    (home / "config").mkdir(parents=True, exist_ok=True)
    (home / "landing" / "aider").mkdir(parents=True, exist_ok=True)
    shutil.copy(sample / "sources.yml", home / "config")
    shutil.copy(sample / "analytics.jsonl", home / "landing" / "aider")


@pytest.mark.parametrize(
    ("schema", "deliver", "deliveries"),
    [
        ("generated", _deliver_generated, _DELIVERIES),
        ("public_log", _deliver_public, [_END]),
    ],
)
def test_increments_on_ducklake_equal_those_of_the_embedded_engine(
    schema: str,
    deliver: Callable[[Path, Path, datetime], None],
    deliveries: list[datetime],
    server: PostgresServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    whole = tmp_path / "whole"
    lake, embedded = tmp_path / "lake", tmp_path / "embedded"
    environment = environment_of(server, home=lake, schema=schema)
    with ExitStack() as others:
        readers: list[Reader] = []
        for as_of in deliveries:
            for home in (lake, embedded):
                deliver(whole, home, as_of)
            made = run(environment, as_of=as_of)
            assert made.exit_code == 0, made.stdout + made.stderr
            beside = agentmart("run", "--as-of", as_of.isoformat(), home=embedded)
            assert beside.exit_code == 0, beside.stdout + beside.stderr
            if not readers:
                readers = [
                    others.enter_context(reading(environment, "core.fct_invocations"))
                    for _ in range(_READERS)
                ]
        for reader in readers:
            seen = reader.stop()
            assert seen == sorted(seen)
            assert len(set(seen)) <= len(deliveries), "a publication was seen in two states"
    settings = Settings.from_environment(environment)
    _assert_same(settings, Settings(home=embedded), as_of=deliveries[-1])


def _assert_same(settings: Settings, beside: Settings, *, as_of: datetime) -> None:
    tables = tables_of(settings)
    assert tables == tables_of(beside)
    with ExitStack() as opened:
        file, embedded = (opened.enter_context(closing(_opened(one))) for one in (settings, beside))
        snapshot = opened.enter_context(closing(open_snapshot(settings)))
        compared = [table for table in tables if table not in ABOUT_THE_RUN]
        differing = [rows_that_differ(file, embedded, table) for table in compared]
        differing += [rows_that_differ(file, snapshot, table) for table in tables]
        assert [one for one in differing if one is not None] == []
        scopes = ["platform", *_scopes(file, "tenant"), *_scopes(file, "publisher")]
    these, those = (exports_of(one, scopes=scopes, as_of=as_of) for one in (settings, beside))
    assert these.keys() == those.keys()
    assert [name for name in these if not same(these[name], those[name])] == []


def _opened(settings: Settings) -> duckdb.DuckDBPyConnection:
    return duckdb.connect(str(settings.published_file.resolve()), read_only=True)


def _scopes(published: duckdb.DuckDBPyConnection, kind: str) -> list[str]:
    rows = published.execute(
        f"select {kind}_id from core.dim_{kind}s group by all having count(*) = 1 order by all"
    ).fetchall()
    return [f"{kind}:{one}" for (one,) in rows]
