"""A worker: one DuckDB connection with one thread, and a folder for what is only needed meanwhile.

Belongs here: the settings every ingestion connection has. Does not belong here: what is run on it.

Workers are single-threaded: files and pieces of files run side by side instead, which scales better
than one statement over many threads and writes the same bytes every time.
"""

from __future__ import annotations

import csv
import zoneinfo
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from queue import SimpleQueue

import duckdb

from orchestration.contracts.streams import FUTURE_TOLERANCE
from orchestration.ingest import sql
from orchestration.ingest.adapter_macros import ADAPTER_MACROS
from orchestration.ingest.sql import MACROS
from orchestration.settings import PROJECT_ROOT, Settings

# Together the workers stay under this; what does not fit goes to the scratch folder.
_MEMORY_MB = 3_000
_METRIC_CATALOGUE = PROJECT_ROOT / "seeds" / "reference" / "metric_catalogue.csv"


@dataclass(frozen=True, kw_only=True)
class Worker:
    connection: duckdb.DuckDBPyConnection
    scratch: Path


class WorkerPool:
    """Hands out workers to threads; a thread waits until one is free."""

    def __init__(self, workers: list[Worker]) -> None:
        self._free: SimpleQueue[Worker] = SimpleQueue()
        for worker in workers:
            self._free.put(worker)

    @contextmanager
    def worker(self) -> Iterator[Worker]:
        worker = self._free.get()
        try:
            yield worker
        finally:
            self._free.put(worker)


@cache
def _time_zones() -> tuple[str, ...]:
    return tuple(sorted(zoneinfo.available_timezones()))


@cache
def _metric_keys() -> tuple[str, ...]:
    with _METRIC_CATALOGUE.open(encoding="utf-8", newline="") as lines:
        return tuple(sorted(row["metric_key"] for row in csv.DictReader(lines)))


@contextmanager
def worker_pool(*, settings: Settings, scratch: Path, as_of: datetime) -> Iterator[WorkerPool]:
    """As many workers as the settings allow threads; as_of is the load clock in UTC."""
    opened: list[Worker] = []
    try:
        for number in range(settings.threads):
            opened.append(
                _open(settings=settings, scratch=scratch / f"worker-{number}", as_of=as_of)
            )
        yield WorkerPool(opened)
    finally:
        for worker in opened:
            worker.connection.close()


def _open(*, settings: Settings, scratch: Path, as_of: datetime) -> Worker:
    scratch.mkdir(parents=True)
    connection = duckdb.connect(
        ":memory:",
        config={
            "threads": 1,
            "memory_limit": f"{_MEMORY_MB // settings.threads}MB",
            "temp_directory": str(scratch / "spill"),
            "autoinstall_known_extensions": False,
        },
    )
    connection.execute("set TimeZone = 'UTC'")
    clock = as_of.replace(tzinfo=None)
    # Written into the statements: for a bound value DuckDB imports pandas, which takes 0.4 s.
    for variable, value in (
        ("user_salt", sql.text(settings.user_id_salt)),
        ("loaded_at", f"{sql.text(str(clock))}::timestamp"),
        ("latest_time", f"{sql.text(str(clock + FUTURE_TOLERANCE))}::timestamp"),
        ("time_zones", sql.text_list(_time_zones())),
        ("metric_keys", sql.text_list(_metric_keys())),
    ):
        connection.execute(f"set variable {variable} = {value}")
    for macro in (*MACROS, *ADAPTER_MACROS):
        connection.execute(macro)
    return Worker(connection=connection, scratch=scratch)
