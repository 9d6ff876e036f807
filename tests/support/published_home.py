"""A deployment loaded, built and published in this process, and questions asked of it.

A run of the command line also runs the data tests, Dagster and the reports, which takes twice as
long; a test that only reads exports needs none of them.

Belongs here: the way from planted rows to an export's JSON. Does not belong here: extracts, and any
expected figure.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from orchestration.ingest.load import load_landing
from orchestration.reporting.datasets.asking import Request, ask, pose
from orchestration.reporting.datasets.dataset import Answer
from orchestration.reporting.datasets.registry import find_dataset
from orchestration.reporting.documents import to_json
from orchestration.reporting.query import Published
from orchestration.settings import Settings
from orchestration.state.store import StateStore
from orchestration.warehouse.build import CurrentRun, prepare_build, publish_candidate
from tests.support.builds import replay_full_build
from tests.support.recordings import recorded_builds


def publish_landing(
    settings: Settings, *, as_of: datetime, build: Callable[[Settings], None] | None = None
) -> None:
    """Load, build and publish as a run does, without dbt's overhead and its data tests.

    ``build`` makes the candidate from the run inputs, where it is not the embedded engine's.
    """
    report = load_landing(settings=settings, landing=settings.landing, as_of=as_of)
    assert not [outcome.error for outcome in report.files if outcome.error]
    store = StateStore(settings.state_file)
    run = store.start_run(run_key="golden", command="test", as_of=as_of)
    current = CurrentRun(settings=settings, store=store, run=run)
    prepare_build(current, is_complete=True)
    if build is None:
        replay_full_build(recorded_builds()[1], settings)
    else:
        build(settings)
    publish_candidate(current)


def answer(published: Published, dataset: str, request: Request, *, as_of: datetime) -> Answer:
    asked = find_dataset(dataset)
    question = pose(
        request,
        dataset=asked,
        published=published,
        platform_zone="UTC",
        now=lambda: as_of,
    )
    return ask(asked, question=question, published=published)


def export(published: Published, dataset: str, request: Request, *, as_of: datetime) -> Any:
    """The JSON that a user gets, its decimals as written."""
    text = to_json(answer(published, dataset, request, as_of=as_of).document)
    return json.loads(text, parse_float=Decimal)


def plant(landing: Path, streams: Mapping[str, Iterable[Any]]) -> None:
    """Write rows as extracts, one ndjson file a stream."""
    for stream, rows in streams.items():
        folder = landing / stream
        folder.mkdir(parents=True)
        text = "".join(f"{json.dumps(row)}\n" for row in rows)
        (folder / "planted.ndjson").write_text(text)
