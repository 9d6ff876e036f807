"""`agentmart status`: what is fresh, what was rejected, what ran, what is not delivered.

Belongs here: the lines a person reads. Does not belong here: where the figures come from (state/, delivery/,
the published `meta`).
"""

from __future__ import annotations

from collections.abc import Iterator

import click

from orchestration.settings import Settings

_RUNS_WITH_PROFILE = 500


@click.command()
@click.option(
    "--profile", "is_profile", is_flag=True, help="Where the last `agentmart run --profile` went."
)
@click.pass_obj
def status(settings: Settings, is_profile: bool) -> None:
    """Show freshness, quarantine by reason, the last runs and undelivered messages.

    Example: agentmart status
    """
    if not settings.state_file.exists():
        click.echo(f"Nothing has run with the state folder {settings.home} yet.")
        return
    if is_profile:
        for line in _profile(settings):
            click.echo(line)
        return
    for line in (
        *_publication(settings),
        *_lake(settings),
        *_runs(settings),
        *_alerts(settings),
        *_marts(settings),
        *_outbox(settings),
        *_removals(settings),
    ):
        click.echo(line)


def _profile(settings: Settings) -> Iterator[str]:
    from orchestration.cli.run_profile import profile_lines
    from orchestration.state.store import StateStore

    for run in StateStore(settings.state_file).recent_runs(_RUNS_WITH_PROFILE):
        if "profile" in run.counts:
            yield f"run {run.run_id} as of {run.as_of:%Y-%m-%d %H:%M} UTC: {run.status}"
            yield from profile_lines(run.counts["profile"])
            return
    yield "none of the last runs was profiled; use `agentmart run --profile`"


def _publication(settings: Settings) -> Iterator[str]:
    from orchestration.state.store import StateStore
    from orchestration.warehouse.build import is_rolled_back
    from orchestration.warehouse.publications import current_id

    store = StateStore(settings.state_file)
    last = store.last_publication()
    runs = store.recent_runs(1)
    if last is None:
        yield "published: nothing yet"
    else:
        yield (
            f"published: publication {last.publication_id} by run {last.run_id},"
            f" as of {last.as_of:%Y-%m-%d %H:%M} UTC"
        )
    if is_rolled_back(settings, store):
        yield (
            f"readers see: publication {current_id(settings)}, ROLLED BACK;"
            " the next run publishes anew"
        )
    if runs and runs[0].status == "failed":
        kept = "readers still see the publication above" if last else "readers see nothing yet"
        yield f"last run:  FAILED, {kept}: {runs[0].failure}"


def _lake(settings: Settings) -> Iterator[str]:
    if settings.lake_place is not None:
        yield f"lake:      {settings.lake_place}, mirrored in {settings.lake}"


def _runs(settings: Settings) -> Iterator[str]:
    from orchestration.state.store import StateStore

    store = StateStore(settings.state_file)
    yield ""
    yield "last runs"
    for run in store.recent_runs(5):
        yield f"  {run.run_id:>4}  {run.as_of:%Y-%m-%d %H:%M}  {run.status:<12} {run.failure or ''}".rstrip()
        for audit in store.audits_of(run.run_id):
            if audit.status not in ("pass", "warn", "skipped"):
                where = f"{audit.check_name} on {audit.model_name}"
                # dbt's errors span many lines; the first words name the cause.
                why = " ".join((audit.message or "no message").split())[:300]
                yield f"        {audit.status}: {where}: {why}"


def _alerts(settings: Settings) -> Iterator[str]:
    from orchestration.alerting.published import standing_alerts

    yield ""
    yield "alerts that stand"
    lines = standing_alerts(settings)
    for line in lines:
        yield f"  {line}"
    if not lines:
        yield "  none"


def _marts(settings: Settings) -> Iterator[str]:
    from orchestration.warehouse.publishing import open_published

    if not settings.published_file.exists():
        return
    with open_published(settings) as connection:
        yield ""
        yield "freshness"
        for kind, name, last_event, last_load in connection.execute(
            "select kind, name, last_event_at, last_loaded_at from meta.freshness order by 1, 2"
        ).fetchall():
            yield f"  {kind:<7} {name:<34} events to {last_event or '-'}, loaded {last_load or '-'}"
        yield ""
        yield "quarantine"
        reasons = connection.execute(
            "select stream_name, reason_code, sum(row_count) from meta.quarantine"
            " group by all order by all"
        ).fetchall()
        for stream, reason, rows in reasons:
            yield f"  {stream:<20} {reason:<28} {rows:>8,} rows"
        if not reasons:
            yield "  nothing was rejected"


def _outbox(settings: Settings) -> Iterator[str]:
    from orchestration.delivery.notifications import (
        undelivered_notifications,
        written_notifications,
    )
    from orchestration.delivery.outbox import undelivered

    yield ""
    yield "undelivered"
    rows = [*undelivered(settings), *undelivered_notifications(settings)]
    for row in rows:
        yield f"  {row}"
    if not rows:
        yield "  nothing"
    for channel, count in written_notifications(settings).items():
        yield f"  {count:,} written to {settings.outbox} instead of {channel}"


def _removals(settings: Settings) -> Iterator[str]:
    from orchestration.retention.removal import ERASURE, EXPIRY, has_pending, read_log

    yield ""
    yield "removals"
    log = read_log(settings)
    for kind in (EXPIRY, ERASURE):
        last = next((one for one in reversed(log) if one.kind == kind), None)
        when = f"last {last.as_of:%Y-%m-%d %H:%M}, {last.row_count:,} rows" if last else "never"
        yield f"  {kind:<10} {when}"
    if has_pending(settings):
        yield "  INTERRUPTED: the next run ends what a removal began"
