"""Transformation: the dbt project as assets, its data tests as blocking checks.

Belongs here: how models become assets. Does not belong here: what a build does before and after dbt
(warehouse/build).
"""

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import dagster as dg
from dagster_dbt import DagsterDbtTranslator, DbtProject, dbt_assets

from orchestration.defs.dbt_build import dagster_events, keys_of_models, run_dbt_build
from orchestration.defs.deployment import Deployment
from orchestration.defs.ingestion import OWNERS
from orchestration.defs.metadata import (
    Metadata,
    code_references,
    metadata_of_columns,
    metadata_of_models,
)
from orchestration.defs.partitions import note_event_days
from orchestration.settings import DBT_PROJECT_DIR
from orchestration.warehouse.build import (
    PENDING_DATES,
    CurrentRun,
    finish_build,
    held_audits,
    prepare_build,
    prepare_extent,
)
from orchestration.warehouse.column_lineage import known_lineage
from orchestration.warehouse.days import DayRange
from orchestration.warehouse.manifest import MANIFEST_FILE, read_manifest
from orchestration.warehouse.plan import BuildPlan

WAREHOUSE_POOL = "warehouse"

# Marks the facts of which a build replaces single event days.
REPLACED_BY_DAY = "agentmart/replaced_by_day"
# Marks the models that take up the rows of new loads: a load that one of them did not meet is lost to it.
_TAKES_UP_LOADS = "agentmart/takes_up_loads"

PROJECT = DbtProject(project_dir=DBT_PROJECT_DIR, profiles_dir=DBT_PROJECT_DIR)


class FolderTranslator(DagsterDbtTranslator):
    """Groups models as their folders are, so that the graph reads like the tree; data tests block."""

    def __init__(self) -> None:
        super().__init__()
        self._specs: dict[str, dg.AssetSpec] = {}
        self._lineage = known_lineage(read_manifest()["nodes"])

    def get_group_name(self, dbt_resource_props: Mapping[str, Any]) -> str | None:
        folders = Path(dbt_resource_props["original_file_path"]).parts
        if dbt_resource_props["resource_type"] == "seed":
            return "reference"
        return f"marts_{folders[2]}" if folders[1] == "marts" else folders[1]

    def get_asset_spec(
        self, manifest: Mapping[str, Any], unique_id: str, project: DbtProject | None
    ) -> dg.AssetSpec:
        """The spec of a node, made once: it is asked for by each of its children and tests, ten times."""
        if unique_id not in self._specs:
            self._specs[unique_id] = self._made_spec(manifest, unique_id, project)
        return self._specs[unique_id]

    def _made_spec(
        self, manifest: Mapping[str, Any], unique_id: str, project: DbtProject | None
    ) -> dg.AssetSpec:
        spec = super().get_asset_spec(manifest, unique_id, project)
        spec = spec.replace_attributes(owners=OWNERS)
        # Asked of sources too, which are no nodes.
        if unique_id not in manifest["nodes"]:
            return spec
        node = manifest["nodes"][unique_id]
        known: Metadata = {"dagster/code_references": code_references(node["original_file_path"])}
        if node["config"].get("incremental_strategy") == "replace_dates":
            known[REPLACED_BY_DAY] = True
        if node["config"]["materialized"] == "incremental" or node["name"] == PENDING_DATES:
            known[_TAKES_UP_LOADS] = True
        schema = spec.metadata.get("dagster/column_schema")
        if schema is not None and unique_id in self._lineage:
            known |= metadata_of_columns(schema, self._lineage[unique_id])
        return spec.merge_attributes(metadata=known)

    def get_description(self, dbt_resource_props: Mapping[str, Any]) -> str:
        # The SQL is linked; most of it is the call of a macro.
        return str(dbt_resource_props["description"]).strip()

    def get_asset_check_spec(
        self,
        asset_spec: dg.AssetSpec,
        manifest: Mapping[str, Any],
        unique_id: str,
        project: DbtProject | None,
    ) -> dg.AssetCheckSpec | None:
        spec = super().get_asset_check_spec(asset_spec, manifest, unique_id, project)
        is_warning = manifest["nodes"][unique_id]["config"].get("severity", "").lower() == "warn"
        if spec is None:
            return None
        described = str(manifest["nodes"][unique_id]["description"]).strip()
        return spec._replace(blocking=not is_warning, description=described)


@dbt_assets(
    manifest=MANIFEST_FILE,
    project=PROJECT,
    dagster_dbt_translator=FolderTranslator(),
    name="warehouse_models",
    pool=WAREHOUSE_POOL,
)
def warehouse_models(
    context: dg.AssetExecutionContext, deployment: Deployment
) -> Iterator[dg.MaterializeResult[Any] | dg.AssetCheckResult]:
    """Build the candidate: every model that is selected, and every data test on them."""
    current = deployment.current_run(context.run_id)
    deployment.hold_warehouse(current.settings, say=context.log.info)
    days, selected = deployment.days(as_of=current.run.as_of), _selection(context)
    plan = _plan(context, current, days)
    extent = prepare_extent(current, plan, selected=selected)
    context.log.info(f"Building {len(extent.models)} models because {plan.reason}.")
    results = run_dbt_build(current.settings, plan=plan, select=extent.selectors)
    models = keys_of_models(context.assets_def)
    metadata = metadata_of_models(current.settings, plan=plan, results=results, models=models)
    manifest, held = read_manifest(), held_audits(current)
    yield from dagster_events(context, results, manifest=manifest, metadata=metadata, held=held)
    finish_build(current, plan, selected=selected)
    note_event_days(context, current=current, plan=plan)


# The models that can be refreshed by themselves, and the streams that they are made of.
HEALTH_MODELS = dg.AssetSelection.keys(
    *(
        ["meta", "run_context"],
        ["meta", "freshness"],
        ["staging", "stg_health_samples__copies"],
        ["staging", "stg_health_samples__repeated_keys"],
        ["intermediate", "int_pending_dates"],
        ["core", "fct_health_samples"],
        ["core", "fct_incidents"],
        ["core", "fct_measured_checks"],
        ["operations", "health_summary"],
    )
)
_HEALTH_STREAMS = frozenset({"health_samples", "incidents"})


def _plan(
    context: dg.AssetExecutionContext, current: CurrentRun, days: DayRange | None
) -> BuildPlan:
    """What to build of what is selected, of the streams that the selection can take up."""
    selected = context.selected_asset_keys
    return prepare_build(
        current,
        is_complete=selected == warehouse_models.keys,
        only_streams=streams_taken_up(selected),
        days=days,
    )


def streams_taken_up(selected: Collection[dg.AssetKey]) -> frozenset[str] | None:
    """The streams whose new loads a build of these models takes up; None is all of them.

    Somebody who chooses models in the page may choose a fact without what it is made of: then nothing that is
    new is looked at, and all of it waits for a build of everything.
    """
    everything = {spec.key for spec in warehouse_models.specs if spec.metadata.get(_TAKES_UP_LOADS)}
    if everything <= set(selected):
        return None
    health = HEALTH_MODELS.resolve([warehouse_models])
    return _HEALTH_STREAMS if health <= set(selected) else frozenset()


def _selection(context: dg.AssetExecutionContext) -> frozenset[str] | None:
    """dbt's names of the selected models; None when all of them are."""
    # The definition in the context is that of the job, which knows no more than what it selects.
    if context.selected_asset_keys == warehouse_models.keys:
        return None
    return frozenset(
        context.assets_def.specs_by_key[key].metadata["dagster_dbt/unique_id"].split(".")[2]
        for key in context.selected_asset_keys
    )


@dg.definitions
def resources() -> dg.Definitions:
    return dg.Definitions(
        resources={"deployment": Deployment()},
        # Steps share this process: one that starts another costs 5 to 10 s of imports each.
        executor=dg.in_process_executor,
    )
