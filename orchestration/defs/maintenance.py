"""Maintenance: what keeps the lake quick to read and changes no figure.

Belongs here: the job and its schedule. Does not belong here: how files are merged
(ingest/compaction.py).
"""

import dagster as dg

from orchestration.defs.deployment import Deployment
from orchestration.defs.schedules import ZONE
from orchestration.defs.transformation import WAREHOUSE_POOL
from orchestration.ingest.compaction import MOST_FILES, compact_lake
from orchestration.ingest.shared_lake import lake_maintained
from orchestration.warehouse.engines import engine_of


@dg.op(name="compacted_lake", pool=WAREHOUSE_POOL)
def compacted_lake(context: dg.OpExecutionContext, deployment: Deployment) -> None:
    """Merge the small lake files of each stream and event date."""
    settings = deployment.settings()
    with engine_of(settings).lock(settings, on_wait=context.log.info), lake_maintained(settings):
        report = compact_lake(settings.lake, most_files=MOST_FILES)
    context.add_output_metadata(report.counts())


@dg.job(description="Merge small lake files; no row, no figure and no report changes.")
def lake_maintenance_daily_job() -> None:
    compacted_lake()


# At night, between the hourly runs.
lake_maintenance_daily_job_schedule = dg.ScheduleDefinition(
    job=lake_maintenance_daily_job, cron_schedule="30 3 * * *", execution_timezone=ZONE
)
