"""The days that the facts hold, as the one asset with partitions: what a backfill is asked of.

Models carry no partitions of their own. Most have no day (dimensions, windows); what a run builds follows
from the ledger, not from a chosen day; and Dagster fails a run without partition of a partitioned asset that
reads another. So a range is asked of this asset, and one run builds those days again in every fact, then all
that is made of them, tests it and publishes it.

Belongs here: the asset and its job. Does not belong here: which days there are (partitions), what depends
on a day (models/intermediate), and a range that somebody typed (warehouse/days).
"""

from typing import Any

import dagster as dg

from orchestration.defs.dbt_build import run_dbt_build
from orchestration.defs.deployment import Deployment
from orchestration.defs.ingestion import OWNERS
from orchestration.defs.metadata import built_models
from orchestration.defs.partitions import EVENT_DAYS, EVENT_DAYS_KEY, chosen_days
from orchestration.defs.publishing import publication_metadata, published_database
from orchestration.defs.transformation import REPLACED_BY_DAY, WAREHOUSE_POOL, warehouse_models
from orchestration.ingest.ledger import read_entries
from orchestration.warehouse.build import (
    finish_build,
    prepare_build,
    prepare_extent,
    publish_candidate,
)
from orchestration.warehouse.days import check_days


@dg.asset(
    key=EVENT_DAYS_KEY,
    group_name="core",
    kinds={"dbt", "duckdb"},
    owners=OWNERS,
    partitions_def=EVENT_DAYS,
    backfill_policy=dg.BackfillPolicy.single_run(),
    pool=WAREHOUSE_POOL,
    # What it builds again, those that are replaced day by day.
    deps=[spec.key for spec in warehouse_models.specs if spec.metadata.get(REPLACED_BY_DAY)],
)
def event_days(
    context: dg.AssetExecutionContext, deployment: Deployment
) -> dg.MaterializeResult[Any]:
    """UTC days of events in all facts. Materialise a range to build its days again and publish them."""
    days = chosen_days(context)
    current = deployment.current_run(context.run_id)
    check_days(days, entries=read_entries(current.settings.lake))
    deployment.hold_warehouse(current.settings, say=context.log.info)
    plan = prepare_build(current, is_complete=True, days=days)
    extent = prepare_extent(current, plan, selected=None)
    context.log.info(f"Building because {plan.reason}.")
    results = run_dbt_build(current.settings, plan=plan, select=extent.selectors)
    built = built_models(current.settings, warehouse_models, plan=plan, results=results)
    finish_build(current, plan)
    published = publication_metadata(publish_candidate(current))
    deployment.release_warehouse()
    for one in (*built, dg.AssetMaterialization(published_database.key, metadata=published)):
        context.log_event(one)
    return dg.MaterializeResult(metadata={"days": str(days), **published})


event_days_backfill_job = dg.define_asset_job(
    "event_days_backfill_job",
    selection=dg.AssetSelection.assets(event_days),
    description="Build a range of event days again in every fact, then all that is made of them; publish.",
)
