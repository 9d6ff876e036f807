"""Building and publishing as two steps of a run: what happens before and after dbt.

Belongs here: the order of plan, inputs, audit record and publication for one run. Does not belong here: how
dbt is called (defs/dbt_build) and how a publication is made
(warehouse/publishing).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from orchestration.disk_space import out_of_space, says_out_of_space
from orchestration.errors import RunFailure
from orchestration.ingest.ledger import read_entries
from orchestration.ingest.shared_lake import take_over_lake, unsearched
from orchestration.retention.reapplying import apply_removals_of_others
from orchestration.retention.removal import conclude, mend, read_pending
from orchestration.settings import PROJECT_ROOT, Settings
from orchestration.state.store import Audit, Run, StateStore
from orchestration.warehouse.check_results import CheckResult, of_tests, severities
from orchestration.warehouse.days import DayRange
from orchestration.warehouse.engines import DATABASE, engine_of
from orchestration.warehouse.manifest import (
    count_results,
    models_replaced_by_day,
    published_tables,
    read_audits,
    read_manifest,
    read_run_results,
)
from orchestration.warehouse.plan import (
    BuildPlan,
    candidate_of_increment,
    end_full_refresh,
    fingerprint_code,
    plan_build,
    read_candidate,
    write_run_inputs,
)
from orchestration.warehouse.publications import current_id, kept_ids
from orchestration.warehouse.publishing import PublishResult, publish, read_totals
from orchestration.warehouse.unaudited import (
    note_models_begun,
    note_models_passed,
    note_models_refused,
    note_passed_published,
)
from orchestration.warehouse.unpublished import (
    are_changes_known,
    note_begun,
    note_made,
    note_published,
)
from orchestration.warehouse.upkeep import (
    Extent,
    Lineage,
    Upkeep,
    after_success,
    fingerprint_inputs,
    plan_extent,
    read_upkeep,
    write_upkeep,
)


@dataclass(frozen=True, kw_only=True)
class CurrentRun:
    """One run in progress: the deployment it works on, where it is recorded, and its as-of time."""

    settings: Settings
    store: StateStore
    run: Run


# How many runs `meta` tells of.
_TOLD_RUNS = 50
_DATA_TESTS = ("dbt_project/data_tests",)
# What tells incremental models which days to make again.
PENDING_DATES = "int_pending_dates"
# As DuckDB says it.
_OUT_OF_MEMORY = "Out of Memory Error"
_REFUSED = ("fail", "error", "runtime error")


def plan_of(
    current: CurrentRun,
    *,
    days: DayRange | None = None,
    is_by_the_clock: bool = False,
) -> BuildPlan:
    """What this run has to build; ``days`` whatever was published of them.

    ``is_by_the_clock`` says that nobody asked for the as-of time of this run.
    """
    return plan_build(
        entries=read_entries(current.settings.lake),
        last=current.store.last_publication(),
        as_of=current.run.as_of,
        code_fingerprint=fingerprint_code(PROJECT_ROOT),
        # A removal that is not mended yet takes rows out of any fact.
        candidate=(
            None if _is_unmended(current.settings) else candidate_of_increment(current.settings)
        ),
        is_rolled_back=is_rolled_back(current.settings, current.store),
        days=days,
        is_by_the_clock=is_by_the_clock,
    )


def _erased(settings: Settings) -> Sequence[str]:
    """Names of whom nothing is taken over from the publication before."""
    removal = read_pending(settings)
    return removal.words if removal is not None else ()


def _is_unmended(settings: Settings) -> bool:
    removal = read_pending(settings)
    if unsearched(settings) is not None:
        return True
    return removal is not None and not removal.is_mended


def is_rolled_back(settings: Settings, store: StateStore) -> bool:
    """Whether readers see an older publication than the last one.

    A publication newer than the last is one whose run was killed before it could note it.
    """
    last, current = store.last_publication(), current_id(settings)
    return last is not None and current is not None and current < last.publication_id


def prepare_build(
    current: CurrentRun,
    *,
    is_complete: bool,
    only_streams: frozenset[str] | None = None,
    days: DayRange | None = None,
) -> BuildPlan:
    """Plan this run's build and write the inputs that dbt reads. The caller holds the lock.

    What other hosts have loaded is taken over first, and what a removal of data has still to take out of the
    lake is taken out. What is loaded from then on is of the next build: loading holds no lock, so who asked
    the ledger again could find files that the plan does not know.

    A full refresh makes every model, so it is complete whatever ``is_complete`` says.

    Raises:
        RunFailure: the build is of ``only_streams`` and there is no publication that it could add to.
    """
    take_over_lake(current.settings, is_alone=True)
    # Of a run that was killed after it published: what it removed would pass for what others remove.
    conclude(current.settings)
    mend(current.settings)
    apply_removals_of_others(current.settings, as_of=current.run.as_of)
    plan = plan_of(current, days=days)
    if only_streams is not None and plan.is_full_refresh:
        raise RunFailure(
            f"{', '.join(sorted(only_streams)) or 'a part'} cannot be built alone: {plan.reason}; "
            "run `agentmart run` or wait for the hourly run"
        )
    write_run_inputs(
        current.settings,
        plan=plan,
        run_id=current.run.run_id,
        as_of=current.run.as_of,
        is_complete=is_complete or plan.is_full_refresh,
        only_streams=only_streams,
    )
    return plan


def prepare_extent(
    current: CurrentRun,
    plan: BuildPlan,
    *,
    selected: Collection[str] | None,
) -> Extent:
    """Which of the selected models (None: of all) the build has to make, noted as due until it succeeds.

    The run inputs are written. Where event days are to be built again, it is every one; and in a full refresh
    whatever is selected: a publication has every table, and its candidate none that was not made.
    """
    selected = None if plan.is_full_refresh else selected
    extent, noted = plan_extent(
        Lineage(read_manifest()),
        before=read_upkeep(current.settings),
        now=Upkeep(
            # Models hold when a data test changes; what it says of them does not.
            code_fingerprint=plan.code_fingerprint
            + fingerprint_code(PROJECT_ROOT, places=_DATA_TESTS),
            inputs=fingerprint_inputs(
                current.settings,
                entries=plan.entries,
                as_of=current.run.as_of,
            ),
            due=frozenset(),
            audited_by=None,
        ),
        selected=selected,
        is_everything=plan.is_full_refresh or plan.days is not None,
    )
    write_upkeep(current.settings, noted)
    note_begun(current.settings, extent.models, is_full_refresh=plan.is_full_refresh)
    note_models_begun(current.settings, extent.models, is_full_refresh=plan.is_full_refresh)
    return extent


def held_audits(current: CurrentRun) -> Mapping[str, Audit]:
    """By its name what each test said last, in builds that passed: of those that do not run now, it holds."""
    noted = read_upkeep(current.settings)
    if noted is None or noted.audited_by is None:
        return {}
    return {one.check_name: one for one in current.store.audits_of(noted.audited_by)}


def finish_build(
    current: CurrentRun, plan: BuildPlan, *, selected: Collection[str] | None = None
) -> None:
    """Note the audits of the build, with those of tests that still hold, and that nothing more is due of
    the ``selected`` models (None: of all).

    Raises:
        RunFailure: a model or a data test failed; nothing may be published from this candidate.
    """
    store, run = current.store, current.run
    manifest = read_manifest()
    results = read_run_results(current.settings.dbt_target)
    audits = read_audits(results, manifest)
    ran = {audit.check_name for audit in audits}
    kept = [one for name, one in held_audits(current).items() if name not in ran]
    store.record_audits(run.run_id, [*kept, *audits])
    warnings = [f"{one.check_name}: {one.message}" for one in audits if one.status == "warn"]
    store.add_counts(run.run_id, {"build": {**count_results(results), "warnings": warnings}})
    failure = failure_of(audits, current.settings)
    if failure is not None:
        if not _is_half_made(results):
            note_models_refused(current.settings)
        store.finish_run(run.run_id, status="failed", failure=failure)
        raise RunFailure(failure)
    is_of_use = are_changes_known(current.settings)
    note_made(current.settings, _replaced_days(current.settings) if is_of_use else {})
    note_models_passed(current.settings)
    noted = read_upkeep(current.settings)
    if noted is not None:
        made = None if plan.is_full_refresh else selected
        done = after_success(Lineage(manifest), noted, selected=made, run_id=run.run_id)
        write_upkeep(current.settings, done)


def _is_half_made(results: Mapping[str, Any]) -> bool:
    """Whether a model was not made to its end."""
    return any(
        one["unique_id"].startswith("model.") and one["status"] == "error"
        for one in results["results"]
    )


def failure_of(audits: Sequence[Audit], settings: Settings) -> str | None:
    """Why nothing may be published after these audits, in one line; None when it may."""
    home = settings.home
    if any(says_out_of_space(audit.message or "", home=home) for audit in audits):
        return f"Building stopped: {out_of_space(home)}"
    for audit in audits:
        if _OUT_OF_MEMORY in (audit.message or ""):
            return (
                f"Building stopped at {audit.check_name}: it takes more than the {settings.memory_gb} GB of"
                " memory that AGENTMART_MEMORY_GB leaves to DuckDB; raise it or lower AGENTMART_THREADS, then"
                " run again (what is published stays as it was)"
            )
    refused = [audit.check_name for audit in audits if audit.status in _REFUSED]
    if not refused:
        return None
    return (
        f"{len(refused)} models or tests failed ({', '.join(refused[:5])}); the published state"
        " stays as it is"
    )


def _replaced_days(settings: Settings) -> Mapping[str, Collection[date]]:
    """By its model, the event days of every fact that an increment replaced by days."""
    with engine_of(settings).asked(settings) as ask:
        rows = ask(
            f"select fact_name, event_date from {DATABASE}.intermediate.{PENDING_DATES}"
        ).rows
    days: dict[str, set[date]] = {name: set() for name in models_replaced_by_day(read_manifest())}
    for name, day in rows:
        # Models that nobody reads are replaced by days too.
        if name in days:
            days[name].add(day)
    return days


def _checks(current: CurrentRun, severity_of: Mapping[str, str]) -> list[CheckResult]:
    """The data tests of this run, and what did not pass in the ones before."""
    run_id = current.run.run_id
    broken: dict[int, list[Audit]] = {}
    for earlier, audit in current.store.broken_audits(before=run_id, run_count=_TOLD_RUNS - 1):
        broken.setdefault(earlier, []).append(audit)
    by_run = {run_id: current.store.audits_of(run_id), **broken}
    return [
        result
        for one, audits in by_run.items()
        for result in of_tests(one, audits, severities=severity_of)
    ]


def publish_candidate(current: CurrentRun) -> PublishResult:
    """Make the audited candidate of this run what readers see. The caller holds the lock.

    Raises:
        RunFailure: another run rebuilt the warehouse since, or the publication does not work.
    """
    settings, store, run = current.settings, current.store, current.run
    candidate = read_candidate(settings, run_id=run.run_id)
    last = store.last_publication()
    publication_id = 1 + max([last.publication_id if last else 0, *kept_ids(settings)])
    manifest = read_manifest()
    is_same_code = last is None or last.code_fingerprint == candidate.code_fingerprint
    result = publish(
        settings,
        publication_id=publication_id,
        tables=published_tables(manifest),
        run_id=run.run_id,
        runs=store.recent_runs(_TOLD_RUNS),
        checks=_checks(current, severities(manifest)),
        cause="data" if is_same_code else "code",
        erased=_erased(settings),
    )
    store.record_publication(
        publication_id=publication_id,
        run_id=run.run_id,
        as_of=run.as_of,
        code_fingerprint=candidate.code_fingerprint,
        is_complete=candidate.is_complete,
        load_ids=candidate.load_ids,
    )
    end_full_refresh(settings)
    note_published(
        settings,
        publication_id,
        whole_bytes=result.whole_bytes,
        candidate=result.candidate,
        is_all=result.is_all,
    )
    note_passed_published(settings)
    store.finish_run(run.run_id, status="succeeded")
    figures = {
        "tables": len(result.row_counts),
        "bytes": result.size_bytes,
        "restated": result.restated_count,
    }
    store.add_counts(run.run_id, {"publish": {**figures, **read_totals(settings)}})
    conclude(settings)
    return result
