"""A deployment on the target spark: what a person sets for it, and a build without Dagster around it.

Belongs here: running and building on that target. Does not belong here: the cluster (spark_cluster), and
comparing tables (ducklake.py).
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from orchestration.defs.dbt_build import run_dbt_build
from orchestration.ingest.load import load_landing
from orchestration.settings import Settings
from orchestration.state.store import StateStore
from orchestration.warehouse.build import CurrentRun, prepare_build, publish_candidate
from orchestration.warehouse.manifest import prepare_manifest
from tests.support.command_line import Finished, agentmart


def settings_of(home: Path, *, remote: str) -> Settings:
    return Settings(home=home, target="spark", spark_remote=remote, threads=4)


def run(settings: Settings, *, as_of: datetime) -> Finished:
    """`agentmart run` on the target, as a person types it."""
    words = ("run", "--target", "spark", "--as-of", as_of.isoformat())
    environment = {
        "SPARK_REMOTE": settings.spark_remote or "",
        "AGENTMART_THREADS": str(settings.threads),
    }
    return agentmart(*words, home=settings.home, environ=environment)


def publish_on_spark(settings: Settings, *, as_of: datetime) -> None:
    """Load, build every model without its data tests, and publish."""
    report = load_landing(settings=settings, landing=settings.landing, as_of=as_of)
    assert not [outcome.error for outcome in report.files if outcome.error]
    prepare_manifest(settings)
    store = StateStore(settings.state_file)
    started = store.start_run(run_key="spark", command="test", as_of=as_of)
    current = CurrentRun(settings=settings, store=store, run=started)
    plan = prepare_build(current, is_complete=True)
    chosen = ("resource_type:seed", "resource_type:model")
    results = run_dbt_build(settings, plan=plan, select=chosen)["results"]
    bad = [f"{one['unique_id']}: {one['message']}" for one in results if one["status"] == "error"]
    assert not bad, "\n".join(bad)
    publish_candidate(current)
