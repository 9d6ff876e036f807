"""The steps of a run that need neither Dagster nor dbt: each does its work and notes its figures.

Belongs here: what Dagster's assets and a run that finds nothing new do alike. Does not belong here: the work
itself (ingest/, alerting/, reporting/, delivery/), building and publishing (warehouse/build).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from logging import Logger

from orchestration.alerting.run import AlertRun, evaluate_alerts
from orchestration.delivery.notify import NotificationRun, send_notifications
from orchestration.delivery.send import DeliveryRun, deliver
from orchestration.ingest.load import LoadReport, load_landing, log_file, log_report
from orchestration.ingest.progress import LOGGER, log_progress
from orchestration.reporting.daily_summaries import queue_daily_summaries
from orchestration.reporting.run import ReportRun, make_due_reports
from orchestration.retention.removal import conclude_left
from orchestration.warehouse.build import CurrentRun


def load_extracts(
    current: CurrentRun, *, landing: str, loggers: Sequence[Logger] = ()
) -> LoadReport:
    """Load every new file of the landing folder into the lake, once a removal that was left has ended."""
    told = (*loggers, LOGGER)
    conclude_left(current.settings, on_wait=LOGGER.info)
    report = load_landing(
        settings=current.settings,
        landing=landing,
        as_of=current.run.as_of,
        on_file=lambda outcome: log_file(outcome, loggers=told),
        on_progress=log_progress,
        timer=time.perf_counter,
    )
    log_report(report, loggers=told)
    current.store.add_counts(current.run.run_id, {"ingest": report.counts()})
    return report


def queue_alerts(current: CurrentRun) -> AlertRun:
    """What is to be told of alerts that fired and ended: each change once, the past never."""
    outcome = evaluate_alerts(settings=current.settings, as_of=current.run.as_of)
    current.store.add_counts(current.run.run_id, {"alerts": outcome.counts()})
    return outcome


def tell(current: CurrentRun, *, loggers: Sequence[Logger] = ()) -> NotificationRun:
    """Alerts, the figures of each closed day and news of runs, each through its channel, once."""
    settings, as_of = current.settings, current.run.as_of
    problems = list(queue_daily_summaries(settings=settings, as_of=as_of).problems)
    for logger in loggers:
        for problem in problems:
            logger.error(problem)
    told = send_notifications(settings=settings, as_of=as_of)
    counts = {**told.counts(), "problems": problems}
    current.store.add_counts(current.run.run_id, {"notifications": counts})
    return told


def make_reports(current: CurrentRun) -> ReportRun:
    """The weekly and monthly reports that are due, one of each per scope, and their e-mails."""
    made = make_due_reports(settings=current.settings, as_of=current.run.as_of)
    current.store.add_counts(current.run.run_id, {"reports": made.counts()})
    return made


def send_messages(current: CurrentRun) -> DeliveryRun:
    """The outbox after sending: each message to one recipient, once."""
    outcome = deliver(settings=current.settings, as_of=current.run.as_of)
    current.store.add_counts(current.run.run_id, {"delivery": outcome.counts()})
    return outcome
