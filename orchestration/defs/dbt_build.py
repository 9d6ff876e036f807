"""One `dbt build` inside this process, and its results as Dagster events.

dagster-dbt's own client starts `dbt --version` (3 s, and it asks a package registry) and a second
interpreter (2 s) before each call; dbt's runner does the same build here without either.

Belongs here: calling dbt and translating its results. Does not belong here: planning and publishing
(warehouse/build).
"""

import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import dagster as dg
from dbt.adapters.duckdb.connections import DuckDBConnectionManager
from dbt.cli.main import dbtRunner

from orchestration.disk_space import is_out_of_space, out_of_space
from orchestration.errors import RunFailure
from orchestration.settings import DBT_PROJECT_DIR, DEFAULT_TARGET, Settings
from orchestration.warehouse.broken_rules import name_broken_rules
from orchestration.warehouse.engines import engine_of
from orchestration.warehouse.manifest import MANIFEST_FILE, read_run_results, write_run_results


def run_dbt_build(
    settings: Settings, *, is_full_refresh: bool, select: Sequence[str]
) -> Mapping[str, Any]:
    """Build the selected models (all when empty) and run their data tests.

    Reference data is loaded, and its tests run, in a full refresh only: whenever it changes, the code's
    fingerprint does, and the build is a full one.

    Returns dbt's run results; a failed test or model is in them, with the rules that were not kept.

    Raises:
        RunFailure: dbt could not run at all; the message holds dbt's own.
    """
    _share_parse_cache(settings)
    with settings.dbt_environment():
        outcome = dbtRunner().invoke(_arguments(settings, is_full_refresh, select))
    # dbt keeps the file open for its next command; publishing attaches it in this process.
    DuckDBConnectionManager.close_all_connections()  # type: ignore[no-untyped-call]
    # dbt writes its own records, and what they need may be the first that finds the disk full.
    if outcome.exception and is_out_of_space(outcome.exception, home=settings.home):
        raise RunFailure(f"Building stopped: {out_of_space(settings.home)}")
    if outcome.exception is not None or outcome.result is None:
        raise RunFailure(f"dbt could not build: {outcome.exception}")
    results = name_broken_rules(read_run_results(settings.dbt_target), settings)
    write_run_results(settings.dbt_target, results)
    return results


# Unit tests guard changes of the code; they say nothing about this data.
_BUILD = ["build", "--exclude-resource-type", "unit_test", "--log-level", "none"]
# The tests of seeds carry the tag.
_WITHOUT_REFERENCE_DATA = ["--exclude-resource-type", "seed", "--exclude", "tag:reference"]


def _arguments(settings: Settings, is_full_refresh: bool, select: Sequence[str]) -> list[str]:
    project, artifacts = str(DBT_PROJECT_DIR), str(settings.dbt_target)
    places = ["--project-dir", project, "--profiles-dir", project]
    places += ["--target-path", artifacts, "--log-path", artifacts, "--log-level-file", "info"]
    extent = ["--full-refresh"] if is_full_refresh else _WITHOUT_REFERENCE_DATA
    # A test is run where all that it compares was built now or lies below what was.
    chosen = ["--indirect-selection", "buildable", "--select", *select] if select else []
    places += ["--threads", str(engine_of(settings).build_threads(settings))]
    if settings.target != DEFAULT_TARGET:
        places += ["--target", settings.target]
    return [*_BUILD, *places, *extent, *chosen]


def dagster_events(
    context: dg.AssetExecutionContext, results: Mapping[str, Any]
) -> Iterator[dg.MaterializeResult[Any] | dg.AssetCheckResult]:
    """A materialisation per model and seed that was built, a check result per data test."""
    specs = context.assets_def.specs
    keys = {spec.metadata["dagster_dbt/unique_id"]: spec.key for spec in specs}
    checks = {key.name: key for key in context.selected_asset_check_keys}
    if not any(one["unique_id"].startswith("seed.") for one in results["results"]):
        yield from _kept_reference_data(context, keys)
    for result in results["results"]:
        unique_id, status = result["unique_id"], result["status"]
        name = unique_id.split(".")[2]
        if unique_id in keys and status == "success":
            seconds = {"seconds": round(result["execution_time"], 3)}
            yield dg.MaterializeResult(asset_key=keys[unique_id], metadata=seconds)
        elif name in checks and status in ("pass", "warn", "fail", "error"):
            yield _check_result(checks[name], result)


def built_models(
    results: Mapping[str, Any], specs: Iterable[dg.AssetSpec]
) -> Iterator[dg.AssetMaterialization]:
    """What a build made, for a run of another asset to note."""
    keys = {spec.metadata["dagster_dbt/unique_id"]: spec.key for spec in specs}
    for result in results["results"]:
        if result["unique_id"] in keys and result["status"] == "success":
            seconds = {"seconds": round(result["execution_time"], 3)}
            yield dg.AssetMaterialization(asset_key=keys[result["unique_id"]], metadata=seconds)


def _kept_reference_data(
    context: dg.AssetExecutionContext, keys: Mapping[str, dg.AssetKey]
) -> Iterator[dg.MaterializeResult[Any] | dg.AssetCheckResult]:
    """What an increment leaves as the last full build made it, and as its tests passed then.

    Said first and in full: Dagster skips what follows a step that says nothing of one of its outputs.
    """
    kept = {"kept": "since the last full build"}
    for unique_id, key in keys.items():
        if unique_id.startswith("seed.") and key in context.selected_asset_keys:
            yield dg.MaterializeResult(asset_key=key, metadata=kept)
            for check in context.selected_asset_check_keys:
                if check.asset_key == key:
                    yield dg.AssetCheckResult(
                        asset_key=key, check_name=check.name, passed=True, metadata=kept
                    )


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
