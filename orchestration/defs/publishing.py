"""Publishing: the audited candidate becomes what readers see.

Belongs here: the asset. Does not belong here: how a publication is made (warehouse/build,
warehouse/publishing).
"""

from collections.abc import Mapping
from typing import Any

import dagster as dg

from orchestration.defs.deployment import Deployment
from orchestration.defs.ingestion import OWNERS
from orchestration.defs.retries import tried_again
from orchestration.defs.transformation import warehouse_models
from orchestration.warehouse.build import publish_candidate
from orchestration.warehouse.publishing import PublishResult


@dg.asset(
    key=["published", "database"],
    group_name="publishing",
    kinds={"duckdb", "parquet"},
    owners=OWNERS,
    # In no pool: whoever has its slot may be waiting for the lock that this run holds since its build.
    deps=[warehouse_models],
)
def published_database(
    context: dg.AssetExecutionContext, deployment: Deployment
) -> dg.MaterializeResult[Any]:
    """The read-only database and the same tables as Parquet, swapped in as one."""
    current = deployment.current_run(context.run_id)
    deployment.hold_warehouse(current.settings, say=context.log.info)
    with tried_again(context, current):
        result = publish_candidate(current)
    deployment.release_warehouse()
    return dg.MaterializeResult(metadata=publication_metadata(result))


def publication_metadata(result: PublishResult) -> Mapping[str, int | str]:
    """What is shown of a publication."""
    return {
        "tables": len(result.row_counts),
        "dagster/row_count": sum(result.row_counts.values()),
        "table_functions": result.function_count,
        "bytes": result.size_bytes,
        "folder": str(result.folder),
    }
