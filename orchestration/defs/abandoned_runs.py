"""Runs of which Dagster still says that they are at work, or keeps a slot, though their process is gone.

A run whose process was killed together with everything that watched it, by a power cut or as `agentmart
run` in a terminal, stays "started" in Dagster's record for ever; one that was killed alone keeps its slot of
the pool. Schedules, sensors and runs would wait for them.

Belongs here: finding such runs, noting that they failed and freeing their slots, now and once a minute. Does
not belong here: the locks (warehouse/lock), and who is told (notifying).
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial

import dagster as dg

from orchestration.clock import now
from orchestration.settings import Settings
from orchestration.warehouse.lock import lock_if_free

# A run shares the lock once its process has imported everything and made its resources.
_LONGEST_START = timedelta(minutes=10)
_LONGEST_SETUP = timedelta(minutes=2)

_WAITING = (dg.DagsterRunStatus.QUEUED,)
_WORKING = (dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED)


def is_at_work(instance: dg.DagsterInstance, settings: Settings, *, now: datetime) -> bool:
    """Whether a run is waiting or at work, of Dagster or of a terminal, whose process is not gone."""
    end_abandoned_runs(instance, settings, now=now)
    return instance.get_runs_count(dg.RunsFilter(statuses=[*_WAITING, *_WORKING])) > 0


def end_abandoned_runs(
    instance: dg.DagsterInstance, settings: Settings, *, now: datetime
) -> list[str]:
    """Note that runs whose process is gone have failed; their ids. Free the slots of all that have ended.

    Every run shares a lock while it is at work, which the operating system takes from a dead process: while
    nobody has it, no run is alive. Where the record is shared by several hosts, a lock of one says nothing,
    and Dagster's own daemon watches the runs.
    """
    ended: list[str] = []
    if settings.dagster_postgres:
        return ended
    with lock_if_free(settings.runs_lock_file) as is_nobody_at_work:
        if is_nobody_at_work:
            for record in instance.get_run_records(dg.RunsFilter(statuses=list(_WORKING))):
                run = record.dagster_run
                is_started = run.status is dg.DagsterRunStatus.STARTED
                longest = _LONGEST_SETUP if is_started else _LONGEST_START
                if now - record.update_timestamp > longest:
                    ended.append(run.run_id)
                    instance.report_run_failed(run, "The process of this run is gone.")
    free_slots(instance, is_over=partial(_is_finished, instance))
    return ended


def _is_finished(instance: dg.DagsterInstance, run_id: str) -> bool:
    run = instance.get_run_by_id(run_id)
    return run is not None and run.is_finished


def free_slots(instance: dg.DagsterInstance, *, is_over: Callable[[str], bool]) -> None:
    """Take the slots of Dagster's pool from runs that are over, for which every other would wait for ever."""
    storage = instance.event_log_storage
    if storage.supports_global_concurrency_limits:
        for run_id in filter(is_over, storage.get_concurrency_run_ids()):
            storage.free_concurrency_slots_for_run(run_id)


@dg.sensor(minimum_interval_seconds=60, default_status=dg.DefaultSensorStatus.RUNNING)
def abandoned_run_sensor(context: dg.SensorEvaluationContext) -> dg.SkipReason:
    """Note runs whose process is gone as failed, so that somebody is told and nothing waits for them."""
    ended = end_abandoned_runs(context.instance, Settings.load(), now=now())
    return dg.SkipReason(f"noted as failed: {', '.join(ended)}" if ended else "no run is abandoned")
