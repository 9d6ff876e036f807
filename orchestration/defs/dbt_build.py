"""One `dbt build` inside this process, and its results as Dagster events.

dagster-dbt's own client starts `dbt --version` (3 s, and it asks a package registry) and a second
interpreter (2 s) before each call; dbt's runner does the same build here without either.

Belongs here: calling dbt and translating its results. Does not belong here: planning and publishing
(warehouse/build).
"""

import shutil
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from graphlib import TopologicalSorter
from typing import Any

import dagster as dg

from orchestration.defs.dbt_quickly import TEMPLATES, dbt_quickly
from orchestration.disk_space import is_out_of_space, out_of_space, says_out_of_space
from orchestration.errors import RunFailure
from orchestration.settings import DBT_PROJECT_DIR, DEFAULT_TARGET, Settings
from orchestration.state.store import Audit
from orchestration.warehouse.broken_rules import name_broken_rules
from orchestration.warehouse.engines import engine_of
from orchestration.warehouse.manifest import MANIFEST_FILE, read_run_results, write_run_results
from orchestration.warehouse.plan import BuildPlan


def run_dbt_build(
    settings: Settings, *, plan: BuildPlan, select: Sequence[str]
) -> Mapping[str, Any]:
    """Build the selected models and run the selected data tests; everything when nothing is selected.

    Reference data is loaded, and its tests run, in a full refresh only: whenever it changes, the code's
    fingerprint does, and the build is a full one.

    Returns dbt's run results; a failed test or model is in them, with the rules that were not kept.

    Raises:
        RunFailure: dbt could not run at all; the message holds dbt's own.
    """
    _share_parse_cache(settings)
    engine = engine_of(settings)
    engine.prepare_build(settings, is_full_refresh=plan.is_full_refresh)
    arguments = _arguments(settings, plan, select)
    program = engine.dbt_program()
    if program is None:
        _run_here(settings, arguments)
    else:
        _run_beside(settings, [str(program), *arguments], engine.dbt_variables(settings))
    results = name_broken_rules(read_run_results(settings.dbt_target), settings)
    write_run_results(settings.dbt_target, results)
    return results


def _run_here(settings: Settings, arguments: list[str]) -> None:
    result, failure = _call_dbt(settings, arguments)
    if hasattr(result, "write"):
        try:
            result.write(str(settings.dbt_target / "run_results.json"))
        except OSError as error:
            failure = error
    # dbt keeps files of its own, and what they need may be the first that finds the disk full.
    if failure and is_out_of_space(failure, home=settings.home):
        raise RunFailure(f"Building stopped: {out_of_space(settings.home)}")
    if failure is not None or result is None:
        raise RunFailure(f"dbt could not build: {failure}")


def _call_dbt(settings: Settings, arguments: list[str]) -> tuple[Any, BaseException | None]:
    """What dbt says of its nodes, and what kept it from saying so."""
    # Half a second of the processor, which what only loads the definitions need not pay.
    from dbt.adapters.duckdb.connections import DuckDBConnectionManager
    from dbt.cli.main import dbtRunner

    with settings.dbt_environment(), dbt_quickly(TEMPLATES):
        outcome = dbtRunner().invoke([*arguments, *_WITHOUT_RECORDS])
    # dbt keeps the file open for its next command; publishing attaches it in this process.
    DuckDBConnectionManager.close_all_connections()  # type: ignore[no-untyped-call]
    return outcome.result, outcome.exception


def _run_beside(settings: Settings, command: list[str], variables: Mapping[str, str]) -> None:
    """The same by the dbt of another environment, which holds the adapter of an engine."""
    results = settings.dbt_target / "run_results.json"
    results.unlink(missing_ok=True)
    with settings.dbt_environment() as environment:
        finished = subprocess.run(
            command, env={**environment, **variables}, capture_output=True, text=True, check=False
        )
    # It says 1 of models and tests that failed, which its results name.
    if finished.returncode in (0, 1) and results.exists():
        return
    said = (finished.stdout + finished.stderr).strip()
    if says_out_of_space(said, home=settings.home):
        raise RunFailure(f"Building stopped: {out_of_space(settings.home)}")
    raise RunFailure(f"dbt could not build: {said[-_SHOWN_CHARACTERS:]}")


_SHOWN_CHARACTERS = 2000

# Of its records dbt would write the manifest twice, 5 MB each, which nobody reads and takes seconds.
_WITHOUT_RECORDS = ["--no-write-json"]

# Unit tests guard changes of the code; they say nothing about this data.
_BUILD = ["build", "--exclude-resource-type", "unit_test", "--log-level", "none"]
# The tests of seeds carry the tag.
_WITHOUT_REFERENCE_DATA = ["--exclude-resource-type", "seed", "--exclude", "tag:reference"]


def _arguments(settings: Settings, plan: BuildPlan, select: Sequence[str]) -> list[str]:
    project, artifacts = str(DBT_PROJECT_DIR), str(settings.dbt_target)
    places = ["--project-dir", project, "--profiles-dir", project]
    places += ["--target-path", artifacts, "--log-path", artifacts, "--log-level-file", "info"]
    extent = ["--full-refresh"] if plan.is_full_refresh else _WITHOUT_REFERENCE_DATA
    # Which tests run is selected, too; dbt would also run those of what is not up to date.
    chosen = ["--indirect-selection", "empty", "--select", *select] if select else []
    threads = engine_of(settings).build_threads(settings, lake_rows=plan.lake_rows)
    places += ["--threads", str(threads)]
    if settings.target != DEFAULT_TARGET:
        places += ["--target", settings.target]
    return [*_BUILD, *places, *extent, *chosen]


def dagster_events(
    context: dg.AssetExecutionContext,
    results: Mapping[str, Any],
    *,
    manifest: Mapping[str, Any],
    metadata: Mapping[str, Mapping[str, Any]],
    held: Mapping[str, Audit],
) -> Iterator[dg.MaterializeResult[Any] | dg.AssetCheckResult]:
    """A materialisation per model and seed, with what is known of those that were made, and a check result
    per data test.

    What the build leaves as an earlier one made it has them too: Dagster skips what follows a step that says
    nothing of one of its outputs. It takes outputs in the order of the graph alone. ``held`` is what tests
    said in the last build that passed, by name: one that does not run now says it again.
    """
    specs = context.assets_def.specs_by_key
    keys = {
        specs[key].metadata["dagster_dbt/unique_id"]: key for key in context.selected_asset_keys
    }
    checks = {key.name: key for key in context.selected_asset_check_keys}
    made = {one["unique_id"]: one for one in results["results"]}
    for unique_id in _in_order(manifest):
        name, result = unique_id.split(".")[2], made.get(unique_id)
        status = result["status"] if result else "success"
        if unique_id in keys and status == "success":
            known = metadata.get(unique_id, _KEPT)
            yield dg.MaterializeResult(asset_key=keys[unique_id], metadata=known)
        elif name in checks and status != "skipped":
            yield _check_result(checks[name], result, held=held.get(name))


_KEPT = {"kept": "nothing that it is made of has changed"}
_HELD = (
    "the result of an earlier build: what it reads has not changed, or waits for a build of more"
)
_NEVER_RAN = "not run yet: a part of what it reads waits for a build of more"


def _in_order(manifest: Mapping[str, Any]) -> Iterable[str]:
    """The ids of all nodes, parents first."""
    nodes = manifest["nodes"]
    return TopologicalSorter(
        {unique_id: node["depends_on"].get("nodes", ()) for unique_id, node in nodes.items()}
    ).static_order()


def keys_of_models(assets: dg.AssetsDefinition) -> dict[str, dg.AssetKey]:
    """The asset of each model and seed by dbt's unique id."""
    return {spec.metadata["dagster_dbt/unique_id"]: spec.key for spec in assets.specs}


def _check_result(
    key: dg.AssetCheckKey, result: Mapping[str, Any] | None, *, held: Audit | None
) -> dg.AssetCheckResult:
    if result is not None:
        status, said = result["status"], _figures(result["failures"], result["message"])
    elif held is not None:
        status, said = held.status, {"kept": _HELD, **_figures(held.failures, held.message)}
    else:
        status, said = "warn", {"kept": _NEVER_RAN}
    return dg.AssetCheckResult(
        asset_key=key.asset_key,
        check_name=key.name,
        passed=status == "pass",
        severity=dg.AssetCheckSeverity.WARN if status == "warn" else dg.AssetCheckSeverity.ERROR,
        metadata=said,
    )


def _figures(failures: int | None, message: str | None) -> dict[str, str | int]:
    return {"failures": failures or 0, "message": message or ""}


def _share_parse_cache(settings: Settings) -> None:
    cache = MANIFEST_FILE.with_name("partial_parse.msgpack")
    own = settings.dbt_target / cache.name
    if cache.exists() and (not own.exists() or own.stat().st_mtime < cache.stat().st_mtime):
        settings.dbt_target.mkdir(parents=True, exist_ok=True)
        # Without its mode: what is written is for its owner alone.
        shutil.copyfile(cache, own)
