"""dbt in the process of a test, as a run calls it: nothing parsed again, nothing worked out twice.

A test that called dbt by itself had it parse the whole project, 10 s of the processor, and compile each
template anew.

Belongs here: one call of dbt on a deployment. Does not belong here: which builds there are (builds.py).
"""

from __future__ import annotations

import shutil

from dbt.adapters.duckdb.connections import DuckDBConnectionManager
from dbt.artifacts.schemas.run import RunExecutionResult
from dbt.cli.main import dbtRunner

from orchestration.defs.dbt_quickly import TEMPLATES, dbt_quickly
from orchestration.settings import DBT_PROJECT_DIR, Settings
from orchestration.warehouse.manifest import MANIFEST_FILE, prepare_manifest


class DbtRefused(Exception):
    """A command that came to nothing."""


def call_dbt(settings: Settings, *arguments: str) -> RunExecutionResult:
    """Run a command of dbt on the deployment; what failed in it is in the results.

    Raises:
        DbtRefused: it did not begin; with what dbt says.
    """
    prepare_manifest(settings)
    settings.dbt_target.mkdir(parents=True, exist_ok=True)
    shutil.copy(MANIFEST_FILE.with_name("partial_parse.msgpack"), settings.dbt_target)
    project, artifacts = str(DBT_PROJECT_DIR), str(settings.dbt_target)
    places = ("--project-dir", project, "--profiles-dir", project, "--target-path", artifacts)
    logs = ("--log-path", artifacts, "--log-level", "none", "--log-level-file", "info")
    threads = ("--threads", str(settings.threads), "--no-write-json")
    with settings.dbt_environment(), dbt_quickly(TEMPLATES):
        outcome = dbtRunner().invoke([*arguments, *places, *logs, *threads])
    # dbt keeps the file open until its process ends; closed, it is whole and can be copied.
    DuckDBConnectionManager.close_all_connections()  # type: ignore[no-untyped-call]
    if not isinstance(outcome.result, RunExecutionResult):
        raise DbtRefused(outcome.exception)
    return outcome.result


def failures(results: RunExecutionResult) -> list[str]:
    """What did not succeed, in words."""
    return [
        f"{one.node.name if one.node else 'hook'}: {one.message}"
        for one in results.results
        if one.status not in ("success", "pass", "no-op")
    ]
