"""Transformation: the dbt project as assets, its data tests as blocking checks."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import dagster as dg
from dagster_dbt import DagsterDbtTranslator, DbtProject, dbt_assets

from orchestration.defs.dbt_build import dagster_events, run_dbt_build
from orchestration.defs.deployment import Deployment
from orchestration.defs.ingestion import OWNERS
from orchestration.ingest.ledger import read_entries
from orchestration.settings import DBT_PROJECT_DIR, PROJECT_ROOT
from orchestration.warehouse.lock import warehouse_lock
from orchestration.warehouse.manifest import (
    MANIFEST_FILE,
    count_results,
    read_audits,
    read_manifest,
)
from orchestration.warehouse.plan import fingerprint_code, plan_build, write_run_inputs

WAREHOUSE_POOL = "warehouse"

PROJECT = DbtProject(project_dir=DBT_PROJECT_DIR, profiles_dir=DBT_PROJECT_DIR)


class FolderTranslator(DagsterDbtTranslator):
    """Groups models as their folders are, so that the graph reads like the tree."""

    def get_group_name(self, dbt_resource_props: Mapping[str, Any]) -> str | None:
        folders = Path(dbt_resource_props["original_file_path"]).parts
        if dbt_resource_props["resource_type"] == "seed":
            return "reference"
        if folders[1] == "marts":
            return f"marts_{folders[2]}"
        return folders[1]

    def get_asset_spec(
        self, manifest: Mapping[str, Any], unique_id: str, project: DbtProject | None
    ) -> dg.AssetSpec:
        return super().get_asset_spec(manifest, unique_id, project).replace_attributes(owners=OWNERS)


@dbt_assets(
    manifest=MANIFEST_FILE,
    project=PROJECT,
    dagster_dbt_translator=FolderTranslator(),
    name="warehouse_models",
    pool=WAREHOUSE_POOL,
)
def warehouse_models(
    context: dg.AssetExecutionContext, deployment: Deployment
) -> Iterator[Any]:
    """Build the candidate: every model that is selected, and every data test on them."""
    settings = deployment.settings()
    store = deployment.store()
    run = deployment.run_of(context.run_id)
    with warehouse_lock(settings.lock_file, on_wait=context.log.info):
        entries = read_entries(settings.lake)
        plan = plan_build(
            entries=entries,
            last=store.last_publication(),
            as_of=run.as_of,
            code_fingerprint=fingerprint_code(PROJECT_ROOT),
            warehouse_exists=settings.warehouse_file.exists(),
        )
        context.log.info(f"Building because {plan.reason}.")
        write_run_inputs(
            settings,
            entries=entries,
            plan=plan,
            run_id=run.run_id,
            as_of=run.as_of,
            is_complete=context.selected_asset_keys == context.assets_def.keys,
        )
        results = run_dbt_build(
            settings, is_full_refresh=plan.is_full_refresh, select=_selection(context)
        )
        yield from dagster_events(context, results)
        audits = read_audits(results, read_manifest())
        store.record_audits(run.run_id, audits)
        store.add_counts(run.run_id, {"build": count_results(results)})
    refused = [audit for audit in audits if audit.status in ("fail", "error", "runtime error")]
    if refused:
        names = ", ".join(audit.check_name for audit in refused[:5])
        message = f"{len(refused)} models or tests failed ({names}); the published state stays"
        store.finish_run(run.run_id, status="failed", failure=message)
        raise dg.Failure(message, allow_retries=False)


def _selection(context: dg.AssetExecutionContext) -> list[str]:
    """dbt's names of the selected models; nothing when all of them are."""
    if context.selected_asset_keys == context.assets_def.keys:
        return []
    return sorted(
        context.assets_def.specs_by_key[key].metadata["dagster_dbt/unique_id"].split(".")[2]
        for key in context.selected_asset_keys
    )


@dg.definitions
def resources() -> dg.Definitions:
    return dg.Definitions(
        resources={
            "deployment": Deployment(),
        },
        executor=dg.in_process_executor,
    )
