"""The partitions of the deployment: UTC days of events.

Belongs here: which days there are, and noting those that a run built. Does not belong here: building them
(event_days, transformation).
"""

from datetime import date

import dagster as dg

from orchestration.warehouse.build import CurrentRun
from orchestration.warehouse.days import DayRange
from orchestration.warehouse.plan import BuildPlan, built_days

EVENT_DAYS_KEY = dg.AssetKey(["core", "event_days"])

# Older than the telemetry of any agent. The day that has begun has events too.
FIRST_DAY = date(2020, 1, 1)
EVENT_DAYS = dg.DailyPartitionsDefinition(
    start_date=FIRST_DAY.isoformat(), timezone="UTC", end_offset=1
)


def chosen_days(context: dg.AssetExecutionContext) -> DayRange:
    """The days that a backfill asks for."""
    chosen = context.partition_key_range
    return DayRange.of_days(
        first=date.fromisoformat(chosen.start), last=date.fromisoformat(chosen.end)
    )


def rerun_words(run: dg.DagsterRun) -> tuple[str, ...]:
    """What asks `agentmart run` for the days of a backfill; nothing for any other run."""
    first = run.tags.get("dagster/asset_partition_range_start") or run.tags.get("dagster/partition")
    last = run.tags.get("dagster/asset_partition_range_end") or first
    if first is None or last is None:
        return ()
    days = DayRange.of_days(first=date.fromisoformat(first), last=date.fromisoformat(last))
    return ("--from", str(days.first), "--to", str(days.end))


def note_event_days(
    context: dg.AssetExecutionContext, *, current: CurrentRun, plan: BuildPlan
) -> None:
    """Show as built the days of the events that a run took up, and those that it was asked for."""
    today = current.run.as_of.date()
    for day in built_days(plan):
        if FIRST_DAY <= day <= today:
            partition = day.isoformat()
            context.log_event(dg.AssetMaterialization(EVENT_DAYS_KEY, partition=partition))
