"""The sensor that starts a run once new files lie in the landing folder or bucket.

Belongs here: when it asks for a run. Does not belong here: finding files (ingest/files), and what the run
does (schedules).
"""

import hashlib
from collections.abc import Iterable

import dagster as dg

from orchestration.clock import now
from orchestration.defs.abandoned_runs import is_at_work
from orchestration.defs.schedules import usage_and_revenue_hourly_job
from orchestration.errors import AgentmartError
from orchestration.ingest.files import Candidate, find_files
from orchestration.ingest.object_storage import ObjectStorage
from orchestration.ingest.sources import read_sources
from orchestration.settings import Settings


@dg.sensor(job=usage_and_revenue_hourly_job, minimum_interval_seconds=60)
def landing_sensor(context: dg.SensorEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    """One run for all files that came since the last one that was asked for, none while a run is at work.

    The cursor is a digest of what was listed; only the listing is read, no file.
    """
    settings = Settings.load()
    if is_at_work(context.instance, settings, now=now()):
        return dg.SkipReason("a run is at work; what came meanwhile is asked for after it")
    try:
        files = _files(settings)
    except AgentmartError as error:
        return dg.SkipReason(str(error))
    # What is out of reach for a while is neither gone nor new.
    listed = _digest(file for file in files if not file.is_unreachable)
    if listed == context.cursor:
        problems = "".join(f"; {file.problem}" for file in files if file.is_unreachable)
        return dg.SkipReason(f"none of {len(files)} files is new{problems}")
    context.update_cursor(listed)
    # Asked for once, also when Dagster dies between the request and the cursor.
    return dg.RunRequest(run_key=f"landing-{listed}")


def _files(settings: Settings) -> list[Candidate]:
    return find_files(
        settings.default_landing,
        sources=read_sources(settings.config),
        storage=ObjectStorage(s3_endpoint_url=settings.s3_endpoint_url),
    )


def _digest(files: Iterable[Candidate]) -> str:
    """Changes with every file that comes, goes or changes."""
    digest = hashlib.sha256()
    for file in files:
        version = file.stored.version if file.stored is not None else file.modified_ns
        line = f"{file.source_name}\0{file.shown_path}\0{file.size_bytes}\0{version}\n"
        digest.update(line.encode())
    return digest.hexdigest()
