"""Pieces of files staged on their own: a worker for them, and everything that a piece became.

Belongs here: what the tests of the ways to read a piece share. Does not belong here: loading files
(landing.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from orchestration.ingest.pieces import PieceResult
from orchestration.ingest.worker import Worker, worker_pool
from orchestration.settings import Settings
from tests.support.landing import query


@contextmanager
def piece_worker(folder: Path) -> Iterator[Worker]:
    """A worker of a load on 10 March 2026."""
    settings = Settings(home=folder / "home", threads=1, user_id_salt="salt")
    as_of = datetime(2026, 3, 10, tzinfo=UTC)
    with (
        worker_pool(settings=settings, scratch=folder / "scratch", as_of=as_of) as pool,
        pool.worker() as worker,
    ):
        yield worker


def everything(result: PieceResult) -> dict[str, Any]:
    """The counts of a piece and every row it wrote."""
    stream = result.streams["agent_events"]
    landed: list[dict[str, Any]] = []
    for file in stream.files:
        landed += [
            {**row, "event_date": file.event_date}
            for row in query(f"from read_parquet('{file.path}', hive_partitioning = false)")
        ]
    refused = [row for path in result.quarantine_files for row in query(f"from '{path}'")]
    return {
        "rows_read": result.rows_read,
        "times": (stream.min_event_at, stream.max_event_at),
        "reasons": stream.quarantined_by_reason,
        "landed": sorted(landed, key=lambda row: row["row_number"]),
        "refused": sorted(refused, key=lambda row: row["row_number"]),
    }
