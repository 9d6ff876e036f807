"""`agentmart load`: new extracts into the lake and nothing else, as on a host that only ingests.

Belongs here: options, and the lines a person reads. Does not belong here: loading (ingest/load.py).
"""

from __future__ import annotations

import time

import click

from orchestration.cli.options import landing_option
from orchestration.clock import now
from orchestration.errors import RunFailure, UserError
from orchestration.settings import Settings


@click.command()
@landing_option
@click.option("--as-of", "as_of_text", help="The clock of the load: date or ISO time.")
@click.pass_obj
def load(settings: Settings, landing: str | None, as_of_text: str | None) -> None:
    """Load new extracts into the lake; the next `agentmart run`, here or on another host, builds of them.

    Any number of hosts may load into one lake at the same time (AGENTMART_LAKE): a file counts once.

    Example: agentmart load --landing s3://bucket/extracts
    """
    from orchestration.cli.progress import shown_load
    from orchestration.ingest.load import FAILED, NEW, REPEATED, load_landing, log_file, log_report
    from orchestration.ingest.progress import LOGGER, log_progress
    from orchestration.reporting.periods import parse_as_of
    from orchestration.state.home import open_home

    open_home(
        settings,
        is_hashing=True,
        is_made=True,
        say=lambda line: click.echo(line, err=True),
    )
    with shown_load():
        report = load_landing(
            settings=settings,
            landing=landing or settings.default_landing,
            as_of=parse_as_of(as_of_text, time_zone=settings.time_zone) if as_of_text else now(),
            on_file=lambda outcome: log_file(outcome, loggers=(LOGGER,)),
            on_progress=log_progress,
            timer=time.perf_counter,
        )
        log_report(report, loggers=(LOGGER,))
    failed = report.with_status(FAILED)
    click.echo(
        f"{len(report.with_status(NEW)):,} new, {len(report.with_status(REPEATED)):,} repeated,"
        f" {len(failed):,} failed files; {report.rows_landed:,} rows landed,"
        f" {report.rows_quarantined:,} rejected"
    )
    unreachable = sum(one.is_unreachable for one in failed)
    if unreachable:
        raise RunFailure(
            f"{unreachable} of {len(failed)} files that are not loaded could not be read where they lie"
            " (listed above); everything else is loaded"
        )
    if failed:
        raise UserError(
            f"{len(failed)} files could not be loaded (listed above); everything else is loaded"
        )
