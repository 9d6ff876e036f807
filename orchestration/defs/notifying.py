"""Telling people and their tools: what waits is sent, and a run that failed is told of.

Belongs here: the asset and the sensors. Does not belong here: what is told and how (delivery/).
"""

from typing import Any

import dagster as dg

from orchestration.defs.alerting import alert_notifications
from orchestration.defs.deployment import Deployment
from orchestration.defs.failed_steps import first_failed_step
from orchestration.defs.ingestion import OWNERS
from orchestration.defs.partitions import rerun_words
from orchestration.defs.retries import tried_again
from orchestration.delivery.notify import send_notifications
from orchestration.delivery.run_failures import (
    FailedRun,
    queue_failure,
    queue_recovery,
    rerun_command,
)
from orchestration.run_steps import tell
from orchestration.state.store import StateStore

# Jobs whose failure is not mended by a whole run.
_RERUN_BY_JOB = {
    "lake_maintenance_daily_job": ("compact",),
    "retention_daily_job": ("retention", "--apply"),
}


@dg.asset(
    key=["delivery", "notifications"],
    group_name="delivery",
    kinds={"email", "slack", "pagerduty"},
    owners=OWNERS,
    deps=[alert_notifications],
)
def sent_notifications(
    context: dg.AssetExecutionContext, deployment: Deployment
) -> dg.MaterializeResult[Any]:
    """Alerts, the figures of each closed day and news of runs, each through its channel, once."""
    current = deployment.current_run(context.run_id)
    with tried_again(context, current):
        told = tell(current, loggers=(context.log,))
    return dg.MaterializeResult(
        metadata={"sent": told.sent, "written": told.written, "undelivered": told.undelivered}
    )


@dg.run_failure_sensor(default_status=dg.DefaultSensorStatus.RUNNING)
def failed_run_sensor(context: dg.RunFailureSensorContext) -> None:
    """Tell of a run that failed, wherever it was started, with the command that mends it."""
    deployment, dagster_run = _deployment(context.dagster_run), context.dagster_run
    settings = deployment.settings()
    step = first_failed_step(context.get_step_failure_events(), settings)
    current = deployment.current_run(dagster_run.run_id)
    current.store.fail_run(current.run.run_id, failure=step.text)
    failed = FailedRun(
        run=current.store.run(current.run.run_id),
        run_key=deployment.run_key or dagster_run.run_id,
        asset=step.asset,
        rerun=rerun_command(settings, *_rerun(dagster_run)),
    )
    if queue_failure(failed, settings=settings):
        send_notifications(settings=settings, as_of=current.run.as_of)


@dg.run_status_sensor(
    run_status=dg.DagsterRunStatus.SUCCESS, default_status=dg.DefaultSensorStatus.RUNNING
)
def succeeded_run_sensor(context: dg.RunStatusSensorContext) -> None:
    """Tell that runs succeed again, if the last thing told of them was a failure."""
    deployment = _deployment(context.dagster_run)
    settings, run_key = deployment.settings(), deployment.run_key or context.dagster_run.run_id
    run = StateStore(settings.state_file).find_run(run_key)
    # Maintenance is no run of ours, and half a run of `agentmart run` is still running.
    if run is None or run.status != "succeeded":
        return
    if queue_recovery(run, run_key=run_key, settings=settings):
        send_notifications(settings=settings, as_of=run.as_of)


def _rerun(dagster_run: dg.DagsterRun) -> tuple[str, ...]:
    return _RERUN_BY_JOB.get(dagster_run.job_name, ("run", *rerun_words(dagster_run)))


def _deployment(dagster_run: dg.DagsterRun) -> Deployment:
    """The deployment as the run was told of it."""
    config: Any = dagster_run.run_config
    return Deployment(**config.get("resources", {}).get("deployment", {}).get("config", {}))
