"""Jobs and schedules: what runs when, each with its zone.

A scheduled run covers the same steps as `agentmart run`; the hourly one leaves out what changes once a day.
Belongs here: selections, cadences and zones. Does not belong here: assets.
"""

import dagster as dg

from orchestration.clock import now
from orchestration.defs.abandoned_runs import is_at_work
from orchestration.defs.alerting import alert_notifications
from orchestration.defs.ingestion import landed_extracts
from orchestration.defs.notifying import sent_notifications
from orchestration.defs.publishing import published_database
from orchestration.defs.reporting import delivered_messages, report_documents
from orchestration.defs.retention import expired_detail
from orchestration.defs.transformation import HEALTH_MODELS, warehouse_models
from orchestration.settings import Settings

ZONE = "UTC"

_landing = dg.AssetSelection.assets(landed_extracts)
_models = dg.AssetSelection.assets(warehouse_models)
_published = dg.AssetSelection.assets(published_database)
# Each scheduled job tells at once what it found: an alert does not wait for the reports.
_telling = dg.AssetSelection.assets(alert_notifications, sent_notifications)
_sending = dg.AssetSelection.assets(report_documents, delivered_messages) | _telling
_daily_only = dg.AssetSelection.groups("insights")

ingestion_job = dg.define_asset_job(
    "ingestion_job", selection=_landing, description="Load new extracts into the lake."
)
warehouse_job = dg.define_asset_job(
    "warehouse_job",
    selection=_models | _published | _sending,
    description="Build, audit and publish everything, then make and send what is due.",
)
publication_job = dg.define_asset_job(
    "publication_job",
    selection=_models | _published,
    description="Build, audit and publish everything; nothing is reported or sent.",
)
delivery_job = dg.define_asset_job(
    "delivery_job",
    selection=_sending,
    description="Make the reports that are due and send what the outbox holds.",
)
usage_and_revenue_hourly_job = dg.define_asset_job(
    "usage_and_revenue_hourly_job",
    selection=_landing | (_models - _daily_only) | _published | _telling,
    description="Load, build and publish all facts and marts; insights stay as they were.",
)
health_five_minute_job = dg.define_asset_job(
    "health_five_minute_job",
    selection=_landing | HEALTH_MODELS | _published,
    description="Load what is new; build and publish health alone. Everything else waits for its hour.",
)
insights_daily_job = dg.define_asset_job(
    "insights_daily_job",
    selection=_landing | _models | _published | _telling,
    description="Load, build and publish everything, insights included.",
)
reports_six_hourly_job = dg.define_asset_job(
    "reports_six_hourly_job",
    selection=_landing | _models | _published | _sending,
    description="Everything, then the daily, weekly and monthly reports that are due, and their e-mails.",
)
retention_daily_job = dg.define_asset_job(
    "retention_daily_job",
    selection=dg.AssetSelection.assets(expired_detail) | _models | _published,
    description="Remove the detail that tenants' terms do not keep, then build and publish what is left.",
)

# Minutes differ so that the jobs of one hour queue in the order hourly, daily, reports.
usage_and_revenue_hourly_job_schedule = dg.ScheduleDefinition(
    job=usage_and_revenue_hourly_job, cron_schedule="0 * * * *", execution_timezone=ZONE
)


@dg.schedule(job=health_five_minute_job, cron_schedule="2-57/5 * * * *", execution_timezone=ZONE)
def health_five_minute_job_schedule(
    context: dg.ScheduleEvaluationContext,
) -> dg.RunRequest | dg.SkipReason:
    """Every five minutes between the others, unless one of them is at work: it refreshes health too."""
    if is_at_work(context.instance, Settings.load(), now=now()):
        return dg.SkipReason("another run is at work")
    return dg.RunRequest()


# At night, after small lake files were merged and while nobody waits for figures.
retention_daily_job_schedule = dg.ScheduleDefinition(
    job=retention_daily_job, cron_schedule="15 4 * * *", execution_timezone=ZONE
)
insights_daily_job_schedule = dg.ScheduleDefinition(
    job=insights_daily_job, cron_schedule="15 1 * * *", execution_timezone=ZONE
)
# A report is due by the clock of its reader. Four times a day, so that it is there in the morning of every
# zone: in winter at 2:30 in Berlin and New York, 5:30 in Los Angeles, 1:00 in Kolkata, 4:30 in Tokyo.
reports_six_hourly_job_schedule = dg.ScheduleDefinition(
    job=reports_six_hourly_job, cron_schedule="30 1,7,13,19 * * *", execution_timezone=ZONE
)
