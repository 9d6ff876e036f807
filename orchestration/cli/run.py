"""`agentmart run`: the whole pipeline once, through Dagster in this process.

Belongs here: which jobs a run is made of, and what it says at its end. Does not belong here: the steps.
"""

from __future__ import annotations

import gc
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from orchestration.cli.options import landing_option
from orchestration.cli.run_profile import Span, step_spans
from orchestration.clock import now
from orchestration.errors import AgentmartError, RunFailure, UserError
from orchestration.settings import TARGETS, Settings

if TYPE_CHECKING:
    from dagster import DagsterInstance, Definitions

    from orchestration.state.store import Run, StateStore
    from orchestration.warehouse.build import CurrentRun
    from orchestration.warehouse.days import DayRange


@click.command()
@landing_option
@click.option("--as-of", "as_of_text", help="The time the run looks from: date or ISO time.")
@click.option(
    "--target",
    type=click.Choice(TARGETS),
    help="The engine to build on.  [default: $AGENTMART_DBT_TARGET, else duckdb]",
)
@click.option(
    "--from",
    "first_day",
    metavar="DATE",
    help="Build the event days from this one again (UTC), and all that is made of them.",
)
@click.option(
    "--to", "end_day", metavar="DATE", help="The day after the last of them: it is not built again."
)
@click.option(
    "--profile",
    "is_profiled",
    is_flag=True,
    help="Print seconds and peak memory by step, model and test at the end.",
)
@click.pass_obj
def run(
    settings: Settings,
    landing: str | None,
    as_of_text: str | None,
    target: str | None,
    first_day: str | None,
    end_day: str | None,
    is_profiled: bool,
) -> None:
    """Ingest, build, audit, publish, then make and send the reports that are due.

    \b
    Example: agentmart run --landing ./extracts --as-of 2026-03-02T06:00:00Z
             agentmart run --from 2026-02-01 --to 2026-02-08
    """
    from orchestration.alerting.run import check_default_rules
    from orchestration.reporting.periods import parse_as_of
    from orchestration.warehouse.days import parse_days
    from orchestration.warehouse.engines import engine_of

    settings = replace(settings, target=target or settings.target)
    engine_of(settings).check(settings)
    check_default_rules(settings)
    place = _checked_landing(landing or settings.default_landing)
    as_of = parse_as_of(as_of_text, time_zone=settings.time_zone) if as_of_text else now()
    days = parse_days(first=first_day, end=end_day, as_of=as_of)
    started = time.perf_counter()
    pipeline = _Pipeline(settings, place, as_of, days, is_by_the_clock=as_of_text is None)
    outcome = pipeline.execute_profiled() if is_profiled else pipeline.execute()
    _print_summary(settings, outcome, seconds=time.perf_counter() - started)
    bad_files = outcome.listed("ingest", "failed_files")
    bad_addresses = outcome.listed("reports", "invalid_addresses")
    bad_scopes = outcome.listed("notifications", "problems")
    given = {
        "--landing": landing,
        "--as-of": as_of_text,
        "--target": target,
        "--from": first_day,
        "--to": end_day,
    }
    words = [word for name, value in given.items() if value for word in (name, value)]
    _tell(settings, pipeline, outcome, rerun=["run", *words])
    if outcome.status == "failed":
        raise RunFailure(f"Run {outcome.run_id} failed: {outcome.failure}")
    unreachable = outcome.counts.get("ingest", {}).get("files_unreachable", 0)
    if unreachable:
        raise RunFailure(
            f"{unreachable} of {len(bad_files)} files that are not loaded could not be read where"
            " they lie (listed above); everything else is done"
        )
    if bad_files or bad_addresses or bad_scopes:
        scopes = f", and {len(bad_scopes)} scopes are unknown" if bad_scopes else ""
        raise UserError(
            f"{len(bad_files)} files could not be loaded and {len(bad_addresses)} addresses are not"
            f" valid{scopes} (listed above); everything else is done"
        )


def _checked_landing(place: str) -> str:
    from orchestration.ingest.object_storage import check_url, is_url

    if is_url(place):
        check_url(place)
        return place
    if not Path(place).is_dir():
        raise UserError(
            f"The landing folder {place} does not exist; give one with --landing, or make sample"
            f" extracts with `agentmart generate --out {place}`"
        )
    return str(Path(place).resolve())


def _tell(settings: Settings, pipeline: _Pipeline, outcome: Run, *, rerun: list[str]) -> None:
    """Tell whoever is on call of a failure, and of the first success after it."""
    import sqlite3

    from orchestration.delivery.notify import send_notifications
    from orchestration.delivery.run_failures import (
        FailedRun,
        queue_failure,
        queue_recovery,
        rerun_command,
    )

    try:
        if outcome.status == "failed":
            failed = FailedRun(
                run=outcome,
                run_key=pipeline.run_key,
                asset=pipeline.failed_asset,
                rerun=rerun_command(settings, *rerun),
            )
            queued = queue_failure(failed, settings=settings)
        else:
            queued = queue_recovery(outcome, run_key=pipeline.run_key, settings=settings)
        if queued:
            told = send_notifications(settings=settings, as_of=outcome.as_of)
            for row in told.settled:
                click.echo(f"told: {row}", err=True)
    except (sqlite3.Error, OSError) as error:
        # The disk may be full: what the run itself came to must still be said.
        click.echo(f"nobody could be told of this run: {error}", err=True)


@contextmanager
def _rare_collection() -> Iterator[None]:
    """Most of what a run makes stays to its end: looking for garbage in it took a fifteenth of its time."""
    thresholds = gc.get_threshold()
    gc.set_threshold(100_000, 20, 50)
    try:
        yield
    finally:
        gc.set_threshold(*thresholds)
        gc.unfreeze()


class _Pipeline:
    """One run of ours: a Dagster run that loads, then one that builds, publishes and sends.

    A run that finds nothing new only sends what is due, and does not wait for Dagster (5 s) to start.
    """

    def __init__(
        self,
        settings: Settings,
        landing: str,
        as_of: datetime,
        days: DayRange | None,
        *,
        is_by_the_clock: bool,
    ) -> None:
        self._settings = settings
        self._landing = landing
        self._as_of = as_of
        self._days = days
        self._is_by_the_clock = is_by_the_clock
        # Names this run in the state store; it appears in nothing that is published.
        self.run_key = uuid.uuid4().hex
        # The step that the run died in.
        self.failed_asset: str | None = None
        self._spans: list[Span] = []
        self._parts: list[Span] = []

    def execute_profiled(self) -> Run:
        """Execute, print where time and memory went, and keep it with the run."""
        from orchestration.cli.run_profile import (
            MemorySamples,
            build_spans,
            profile_lines,
            profile_tree,
        )
        from orchestration.state.store import StateStore

        samples = MemorySamples()
        begin = time.time()
        with samples.taken():
            outcome = self.execute()
        whole = Span(name="whole run", begin=begin, end=time.time(), parts=tuple(self._spans))
        built = build_spans(self._settings) if "build" in outcome.counts else ()
        tree = profile_tree([whole], samples=samples, build=built)
        StateStore(self._settings.state_file).add_counts(outcome.run_id, {"profile": tree})
        for line in profile_lines(tree):
            click.echo(line)
        return outcome

    def execute(self) -> Run:
        from orchestration.state.store import StateStore
        from orchestration.warehouse.build import CurrentRun

        store = StateStore(self._settings.state_file)
        our_run = store.start_run(run_key=self.run_key, command="agentmart run", as_of=self._as_of)
        current = CurrentRun(settings=self._settings, store=store, run=our_run)
        self._take_over(current)
        if self._finds_nothing(current):
            self._send_what_is_due(current)
        else:
            self._execute_jobs(current)
        return store.run(our_run.run_id)

    def _take_over(self, current: CurrentRun) -> None:
        """What other hosts have loaded is part of what there is to do."""
        from orchestration.ingest.shared_lake import take_over_lake

        try:
            take_over_lake(self._settings, is_alone=False)
        except AgentmartError as error:
            current.store.fail_run(current.run.run_id, failure=str(error))
            raise

    def _finds_nothing(self, current: CurrentRun) -> bool:
        from orchestration.ingest.load import finds_anything

        try:
            return self._is_nothing(current) and not finds_anything(
                settings=self._settings, landing=self._landing, as_of=self._as_of
            )
        except AgentmartError:
            # The job of the step that meets it will say so.
            return False

    def _is_nothing(self, current: CurrentRun) -> bool:
        from orchestration.warehouse.build import plan_of

        return plan_of(current, days=self._days, is_by_the_clock=self._is_by_the_clock).is_nothing

    def _send_what_is_due(self, current: CurrentRun) -> None:
        """The steps of the Dagster runs that have work though nothing is new, under the same names."""
        import sqlite3

        import duckdb

        from orchestration import run_steps
        from orchestration.cli.progress import shown_load, shown_reports

        asset = "landed_extracts"
        try:
            with self._step("ingest"), shown_load():
                run_steps.load_extracts(current, landing=self._landing)
            with self._step("deliver"), shown_reports():
                asset = "alerting/notifications"
                run_steps.queue_alerts(current)
                asset = "delivery/notifications"
                run_steps.tell(current)
                asset = "reports/documents"
                run_steps.make_reports(current)
                asset = "delivery/outbox"
                run_steps.send_messages(current)
        except (AgentmartError, OSError, sqlite3.Error, duckdb.Error) as error:
            self.failed_asset = asset
            current.store.fail_run(
                current.run.run_id, failure=f"{asset.replace('/', '__')}: {error}"
            )
        else:
            current.store.finish_run(current.run.run_id, status="nothing new")

    @_rare_collection()
    def _execute_jobs(self, current: CurrentRun) -> None:
        from orchestration.cli.dagster_home import open_instance
        from orchestration.cli.progress import (
            shown_load,
            shown_reports,
            shown_retries,
            shown_waits,
        )
        from orchestration.definitions import defs as load_definitions
        from orchestration.warehouse.manifest import prepare_manifest

        store, our_run = current.store, current.run
        with self._step("prepare"):
            try:
                prepare_manifest(self._settings)
            except AgentmartError as error:
                store.fail_run(our_run.run_id, failure=str(error))
                raise
            defs = load_definitions()
        with open_instance(self._settings) as instance, shown_retries():
            with self._step("ingest"), shown_load():
                self._job(defs, instance, "ingestion_job", store, our_run.run_id)
            if store.run(our_run.run_id).status == "failed":
                # A plan may die of what ingestion did, and then nobody would be told.
                return
            self._check_days(store, our_run.run_id)
            if self._is_nothing(current):
                with self._step("deliver"), shown_reports():
                    self._job(defs, instance, "delivery_job", store, our_run.run_id)
                if store.run(our_run.run_id).status == "running":
                    store.finish_run(our_run.run_id, status="nothing new")
            elif store.run(our_run.run_id).status == "running":
                with (
                    self._step("build, audit, publish, report, deliver"),
                    shown_reports(),
                    shown_waits(),
                ):
                    self._job(defs, instance, "warehouse_job", store, our_run.run_id)

    @contextmanager
    def _step(self, name: str) -> Iterator[None]:
        """Note when the step was, with the steps of Dagster's run in it."""
        begin = time.time()
        with _Step(name):
            yield
        self._spans.append(Span(name=name, begin=begin, end=time.time(), parts=tuple(self._parts)))
        self._parts.clear()

    def _check_days(self, store: StateStore, run_id: int) -> None:
        """Only what is loaded now tells which days there are."""
        from orchestration.ingest.ledger import read_entries
        from orchestration.warehouse.days import check_days

        try:
            check_days(self._days, entries=read_entries(self._settings.lake))
        except UserError as error:
            store.finish_run(run_id, status="failed", failure=str(error))
            raise

    def _job(
        self,
        defs: Definitions,
        instance: DagsterInstance,
        name: str,
        store: StateStore,
        run_id: int,
    ) -> None:
        from orchestration.defs.failed_steps import first_failed_step

        result = defs.resolve_job_def(name).execute_in_process(
            instance=instance,
            raise_on_error=False,
            run_config={
                "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
                "resources": {
                    "deployment": {
                        "config": {
                            "as_of": self._as_of.isoformat(),
                            "landing": self._landing,
                            "command": "agentmart run",
                            "run_key": self.run_key,
                            "first_day": str(self._days.first) if self._days else "",
                            "end_day": str(self._days.end) if self._days else "",
                        }
                    }
                },
            },
        )
        self._parts += step_spans(instance.get_run_step_stats(result.run_id))
        if not result.success:
            step = first_failed_step(result.all_events, self._settings)
            self.failed_asset = step.asset
            store.fail_run(run_id, failure=step.text)


class _Step:
    """Says on stderr what is being done, and how long it took."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __enter__(self) -> None:
        self._started = time.perf_counter()
        click.echo(f"{self._name} …", err=True)

    def __exit__(self, *_: object) -> None:
        seconds = time.perf_counter() - self._started
        click.echo(f"{self._name}: {seconds:.1f} s", err=True)


def _print_summary(settings: Settings, outcome: Run, *, seconds: float) -> None:
    from orchestration.cli.summary import summarise

    for line in summarise(settings, outcome, seconds=seconds):
        click.echo(line)
