"""Retention: what tenants' terms do not keep leaves the lake, and its sums come into it.

Belongs here: the assets. Does not belong here: what is kept and how rows go (retention/), and the schedule
(schedules.py).
"""

from collections.abc import Iterator
from typing import Any

import dagster as dg

from orchestration.defs.deployment import Deployment
from orchestration.defs.ingestion import OWNERS
from orchestration.defs.transformation import WAREHOUSE_POOL
from orchestration.ingest.shared_lake import take_over_lake
from orchestration.retention.expiry import remove_expired
from orchestration.warehouse.engines import engine_of


def _spec(name: str, description: str) -> dg.AssetSpec:
    return dg.AssetSpec(
        key=["raw", name],
        group_name="ingestion",
        kinds={"parquet", "duckdb"},
        owners=OWNERS,
        description=description,
    )


@dg.multi_asset(
    name="expired_detail",
    specs=[
        _spec("frozen_days", "Sums per day of the rows that retention removed."),
        _spec("removed_ranges", "By scope the days of which retention removed rows."),
    ],
    pool=WAREHOUSE_POOL,
)
def expired_detail(
    context: dg.AssetExecutionContext, deployment: Deployment
) -> Iterator[dg.MaterializeResult[Any]]:
    """Remove the detail that is older than its tenant's terms keep, its sums frozen first."""
    current = deployment.current_run(context.run_id)
    settings = current.settings
    with engine_of(settings).lock(settings, on_wait=context.log.info):
        take_over_lake(settings, is_alone=True)
        plan = remove_expired(
            settings,
            publication=current.store.last_publication(),
            as_of=current.run.as_of,
        )
    figures = {
        "rows_removed": plan.row_count,
        "tenants": sum(one.rows > 0 for one in plan.tenants),
    }
    for name in ("frozen_days", "removed_ranges"):
        yield dg.MaterializeResult(asset_key=["raw", name], metadata=figures)
