"""What `agentmart retention` and `agentmart erase` share: going on with a removal until it is published.

Belongs here: that, and the lines about it. Does not belong here: what is removed (retention/).
"""

from __future__ import annotations

import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING

import click

from orchestration.errors import RunFailure
from orchestration.settings import Settings

if TYPE_CHECKING:
    from orchestration.state.store import Run


def publish_without(settings: Settings, *, command: str) -> None:
    """Build and publish again, for the time of what is published now, and say how the removal ended.

    Raises:
        RunFailure: the build failed, or something is left that only a person can remove.
    """
    from orchestration.retention.removal import conclude, places_left, read_log, read_pending
    from orchestration.state.store import StateStore
    from orchestration.warehouse.engines import engine_of

    removal = read_pending(settings)
    assert removal is not None
    last = StateStore(settings.state_file).last_publication()
    if last is None:
        with engine_of(settings).lock(settings, on_wait=say):
            conclude(settings)
    else:
        outcome = _publish(settings, as_of=last.as_of, command=command)
        if outcome.status != "succeeded":
            raise RunFailure(
                f"the rows are out of the lake, but run {outcome.run_id} could not publish without them"
                f" ({outcome.failure}); run `agentmart run` once that is mended: it goes on from here"
            )
    entry = read_log(settings)[-1]
    landing = f" and {entry.landing_rows:,} of landing files" if entry.landing_rows else ""
    click.echo(f"{entry.row_count:,} rows of the lake{landing} are removed; see the deletion log")
    if entry.places_left:
        for place in (*removal.problems, *places_left(settings, removal)):
            click.echo(f"  {place}")
        raise RunFailure(
            f"{entry.places_left} places still hold it (listed above) that only you can change"
        )


def _publish(settings: Settings, *, as_of: datetime, command: str) -> Run:
    """Build what is in the lake and publish it; nothing is loaded, reported or sent."""
    from orchestration.cli.dagster_home import open_instance
    from orchestration.definitions import defs
    from orchestration.state.store import StateStore
    from orchestration.warehouse.manifest import prepare_manifest

    say("build, audit, publish …")
    prepare_manifest(settings)
    store = StateStore(settings.state_file)
    run_key = uuid.uuid4().hex
    run = store.start_run(run_key=run_key, command=command, as_of=as_of)
    deployment = {"as_of": as_of.isoformat(), "command": command, "run_key": run_key}
    with _unnamed_command(), open_instance(settings) as instance:
        result = (
            defs()
            .resolve_job_def("publication_job")
            .execute_in_process(
                instance=instance,
                raise_on_error=False,
                run_config={
                    "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
                    "resources": {"deployment": {"config": deployment}},
                },
            )
        )
    if not result.success and store.run(run.run_id).status == "running":
        store.finish_run(run.run_id, status="failed", failure="see the run in `agentmart ui`")
    return store.run(run.run_id)


@contextmanager
def _unnamed_command() -> Iterator[None]:
    """Meanwhile the command line is its name alone: dbt writes all of it into its results."""
    words = sys.argv
    sys.argv = words[:1]
    try:
        yield
    finally:
        sys.argv = words


def finish_pending(settings: Settings, *, command: str) -> None:
    """End a removal that was interrupted before another one begins."""
    from orchestration.retention.removal import has_pending, mend
    from orchestration.warehouse.engines import engine_of

    if has_pending(settings):
        say("An interrupted removal is ended first.")
        with engine_of(settings).lock(settings, on_wait=say):
            mend(settings)
        publish_without(settings, command=command)


def say(line: str) -> None:
    """A line for the person at the terminal that is no result."""
    click.echo(line, err=True)
