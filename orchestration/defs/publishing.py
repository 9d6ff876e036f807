"""Publishing: the audited candidate becomes what readers see."""

import dagster as dg

from orchestration.defs.deployment import Deployment
from orchestration.defs.ingestion import OWNERS
from orchestration.defs.transformation import WAREHOUSE_POOL, warehouse_models
from orchestration.warehouse import duckdb as engine
from orchestration.warehouse.lock import warehouse_lock
from orchestration.warehouse.manifest import published_tables, read_manifest
from orchestration.warehouse.plan import read_candidate


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
) -> dg.MaterializeResult:
    """The read-only database and the same tables as Parquet, swapped in as one."""
    settings = deployment.settings()
    store = deployment.store()
    run = deployment.run_of(context.run_id)
    with warehouse_lock(settings.lock_file, on_wait=context.log.info):
        candidate = read_candidate(settings, run_id=run.run_id)
        last = store.last_publication()
        result = engine.publish(
            settings,
            publication_id=last.publication_id + 1 if last else 1,
            tables=published_tables(read_manifest()),
            runs=store.recent_runs(50),
            audits=store.audits_of(run.run_id),
        )
        store.record_publication(
            run_id=run.run_id,
            as_of=run.as_of,
            code_fingerprint=candidate.code_fingerprint,
            is_complete=candidate.is_complete,
            load_ids=candidate.load_ids,
        )
        store.finish_run(run.run_id, status="succeeded")
    totals = engine.read_totals(settings)
    store.add_counts(
        run.run_id,
        {"publish": {"tables": len(result.row_counts), "bytes": result.size_bytes, **totals}},
    )
    return dg.MaterializeResult(
        metadata={
            "tables": len(result.row_counts),
            "dagster/row_count": sum(result.row_counts.values()),
            "table_functions": result.function_count,
            "bytes": result.size_bytes,
            "folder": str(result.folder),
        }
    )
