"""The long form of the target spark: deliveries by increments with every data test, the last while a worker
of the cluster is killed; every unit test of the models; and the public log.

Every published table is compared with the embedded engine's after the last increment, and every export
of every scope. Run it with `make soak`.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from orchestration.generate.extracts import write_extracts
from orchestration.settings import DBT_PROJECT_DIR, Settings
from orchestration.warehouse.publications import current_id
from orchestration.warehouse.spark import ENGINE
from tests.support.command_line import agentmart
from tests.support.ducklake import differing_exports, differing_tables, scopes_of
from tests.support.published_home import publish_landing
from tests.support.samples import deliver, deployment
from tests.support.spark_cluster import SPREAD, SparkCluster, spark_cluster
from tests.support.spark_target import publish_on_spark, run, settings_of

_END = datetime(2026, 3, 2, 6, tzinfo=UTC)
# The landing as of each of these days, the last one all of it.
_DELIVERIES = [_END - timedelta(days=days) for days in (3, 1, 0)]


@dataclass(frozen=True)
class Builds:
    """A deployment after its increments, the embedded engine's, and the cluster that is left."""

    settings: Settings
    beside: Settings
    cluster: SparkCluster


@pytest.fixture(scope="module")
def builds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Builds]:
    base = tmp_path_factory.mktemp("spark")
    whole = base / "whole"
    write_extracts(out=whole, events=3_000, days=20, seed=7, until=_END)
    # Forty subscribers' reports are made of what is compared here already.
    shutil.rmtree(whole / "report_subscriptions")
    beside = Settings(home=base / "beside")
    with spark_cluster(base / "cluster", size=SPREAD) as cluster:
        settings = settings_of(base / "home", remote=cluster.remote)
        for number, as_of in enumerate(_DELIVERIES, start=1):
            for home in (settings.home, beside.home):
                _deliver(whole, home, as_of)
            is_last = number == len(_DELIVERIES)
            killer = threading.Thread(target=_kill_while_it_builds, args=(cluster, settings))
            if is_last:
                killer.start()
            made = run(settings, as_of=as_of)
            if is_last:
                killer.join()
            assert made.exit_code == 0, made.stdout + made.stderr
            assert current_id(settings) == number
            embedded = agentmart("run", "--as-of", as_of.isoformat(), home=beside.home)
            assert embedded.exit_code == 0, embedded.stdout + embedded.stderr
        assert cluster.workers[0].poll() is not None
        yield Builds(settings=settings, beside=beside, cluster=cluster)


def _deliver(whole: Path, home: Path, as_of: datetime) -> None:
    """The files of the days before, as a producer would have delivered them by then."""
    for file in whole.rglob("part-*"):
        if file.parent.name.removeprefix("dt=") <= f"{as_of:%Y-%m-%d}":
            target = home / "landing" / file.relative_to(whole)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(file, target)


def _kill_while_it_builds(cluster: SparkCluster, settings: Settings) -> None:
    """Once the first fact of the increment is made, and long before the last mart is."""
    fact = settings.warehouse / "spark" / "core" / "fct_charges" / "_SUCCESS"
    before = fact.stat().st_mtime
    give_up = time.monotonic() + 3600
    while fact.stat().st_mtime == before and time.monotonic() < give_up:
        time.sleep(0.2)
    cluster.kill_worker()


def test_every_table_equals_the_embedded_engines_after_increments(builds: Builds) -> None:
    assert differing_tables(builds.settings, builds.beside) == []


def test_every_export_equals_the_embedded_engines(builds: Builds) -> None:
    scopes = scopes_of(builds.beside)
    assert differing_exports(builds.settings, builds.beside, scopes=scopes, as_of=_END) == []


def test_increments_replace_dates_and_keep_the_others(builds: Builds) -> None:
    """A full build would have made every file after the last delivery began."""
    folder = builds.settings.warehouse / "spark" / "core" / "fct_user_messages"
    made = {file: file.stat().st_mtime for file in folder.rglob("*.parquet")}
    first = min(made, key=lambda file: file.parent.name)
    last = max(made, key=lambda file: file.parent.name)
    assert made[first] < made[last] - 60


def test_every_unit_test_of_the_models_passes(builds: Builds, tmp_path: Path) -> None:
    project = str(DBT_PROJECT_DIR)
    done = subprocess.run(
        [
            str(ENGINE.dbt_program()),
            *("test", "--select", "test_type:unit", "--target", "spark", "--threads", "4"),
            *("--project-dir", project, "--profiles-dir", project),
            *("--target-path", str(tmp_path), "--log-path", str(tmp_path)),
        ],
        env={
            "PATH": os.environ["PATH"],
            "AGENTMART_HOME": str(builds.settings.home),
            **ENGINE.dbt_variables(builds.settings),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    results = [
        one
        for one in json.loads((tmp_path / "run_results.json").read_text())["results"]
        if one["unique_id"].startswith("unit_test.")
    ]
    failed = [f"{one['unique_id']}: {one['message']}" for one in results if one["status"] != "pass"]
    assert not failed, "\n".join(failed)
    assert done.returncode == 0, done.stdout
    assert len(results) > 80


def test_the_public_log_gives_what_the_embedded_engine_does(tmp_path: Path) -> None:
    for home in ("home", "beside"):
        deliver(deployment(tmp_path / home, sample="aider"), "aider/analytics.jsonl")
    beside = Settings(home=tmp_path / "beside")
    publish_landing(beside, as_of=_END)
    with spark_cluster(tmp_path / "cluster") as cluster:
        settings = settings_of(tmp_path / "home", remote=cluster.remote)
        publish_on_spark(settings, as_of=_END)
    assert differing_tables(settings, beside) == []
    scopes = scopes_of(beside)
    assert differing_exports(settings, beside, scopes=scopes, as_of=_END) == []
