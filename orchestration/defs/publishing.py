"""Publishing: the audited candidate becomes what readers see.

Belongs here: the asset. Does not belong here: how a publication is made (warehouse/build,
warehouse/publishing).
"""

from typing import Any

import dagster as dg

from orchestration.defs.deployment import Deployment
from orchestration.defs.ingestion import OWNERS
from orchestration.defs.transformation import WAREHOUSE_POOL, warehouse_models
from orchestration.warehouse.build import publish_candidate
from orchestration.warehouse.engines import engine_of


@dg.asset(
    key=["published", "database"],
    group_name="publishing",
    kinds={"duckdb", "parquet"},
    owners=OWNERS,
    deps=[warehouse_models],
    pool=WAREHOUSE_POOL,
)
def published_database(
    context: dg.AssetExecutionContext, deployment: Deployment
) -> dg.MaterializeResult[Any]:
    """The read-only database and the same tables as Parquet, swapped in as one."""
    current = deployment.current_run(context.run_id)
    with engine_of(current.settings).lock(current.settings, on_wait=context.log.info):
        result = publish_candidate(current)
    return dg.MaterializeResult(
        metadata={
            "tables": len(result.row_counts),
            "dagster/row_count": sum(result.row_counts.values()),
            "table_functions": result.function_count,
            "bytes": result.size_bytes,
            "folder": str(result.folder),
        }
    )
