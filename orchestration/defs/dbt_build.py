"""One `dbt build` inside this process, and its results as Dagster events.

dagster-dbt's own client starts `dbt --version` (3 s, and it asks a package registry) and a second
interpreter (2 s) before each call; dbt's runner does the same build here without either.

Belongs here: calling dbt and translating its results. Does not belong here: planning and publishing
(warehouse/build).
"""

import shutil
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import dagster as dg
from dbt.adapters.duckdb.connections import DuckDBConnectionManager
from dbt.cli.main import dbtRunner

from orchestration.errors import RunFailure
from orchestration.settings import DBT_PROJECT_DIR, Settings
from orchestration.warehouse.manifest import MANIFEST_FILE, read_run_results


def run_dbt_build(
    settings: Settings, *, is_full_refresh: bool, select: Sequence[str]
) -> Mapping[str, Any]:
    """Build the selected models (all when empty) and run their data tests.

    Returns dbt's run results; a failed test or model is in them.

    Raises:
        RunFailure: dbt could not run at all; the message holds dbt's own.
    """
    settings.export_for_dbt()
    _share_parse_cache(settings)
    outcome = dbtRunner().invoke(_arguments(settings, is_full_refresh, select))
    # dbt keeps the file open for its next command; publishing attaches it in this process.
    DuckDBConnectionManager.close_all_connections()  # type: ignore[no-untyped-call]
    if outcome.exception is not None or outcome.result is None:
        raise RunFailure(f"dbt could not build: {outcome.exception}")
    return read_run_results(settings.dbt_target)


# Unit tests guard changes of the code; they say nothing about this data.
_BUILD = ["build", "--exclude-resource-type", "unit_test", "--log-level", "none"]


def _arguments(settings: Settings, is_full_refresh: bool, select: Sequence[str]) -> list[str]:
    project, artifacts = str(DBT_PROJECT_DIR), str(settings.dbt_target)
    places = ["--project-dir", project, "--profiles-dir", project]
    places += ["--target-path", artifacts, "--log-path", artifacts, "--log-level-file", "info"]
    chosen = ["--select", *select] if select else []
    return [*_BUILD, *places, *(["--full-refresh"] if is_full_refresh else []), *chosen]


def dagster_events(
    context: dg.AssetExecutionContext, results: Mapping[str, Any]
) -> Iterator[dg.MaterializeResult[Any] | dg.AssetCheckResult]:
    """A materialisation per model and seed that was built, a check result per data test."""
    specs = context.assets_def.specs
    keys = {spec.metadata["dagster_dbt/unique_id"]: spec.key for spec in specs}
    checks = {key.name: key for key in context.selected_asset_check_keys}
    for result in results["results"]:
        unique_id, status = result["unique_id"], result["status"]
        name = unique_id.split(".")[2]
        if unique_id in keys and status == "success":
            seconds = {"seconds": round(result["execution_time"], 3)}
            yield dg.MaterializeResult(asset_key=keys[unique_id], metadata=seconds)
        elif name in checks and status in ("pass", "warn", "fail", "error"):
            yield _check_result(checks[name], result)


def _check_result(key: dg.AssetCheckKey, result: Mapping[str, Any]) -> dg.AssetCheckResult:
    is_warning = result["status"] == "warn"
    return dg.AssetCheckResult(
        asset_key=key.asset_key,
        check_name=key.name,
        passed=result["status"] == "pass",
        severity=dg.AssetCheckSeverity.WARN if is_warning else dg.AssetCheckSeverity.ERROR,
        metadata={"failures": result["failures"] or 0, "message": result["message"] or ""},
    )


def _share_parse_cache(settings: Settings) -> None:
    cache = MANIFEST_FILE.with_name("partial_parse.msgpack")
    own = settings.dbt_target / cache.name
    if cache.exists() and (not own.exists() or own.stat().st_mtime < cache.stat().st_mtime):
        settings.dbt_target.mkdir(parents=True, exist_ok=True)
        shutil.copy2(cache, own)
