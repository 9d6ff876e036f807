"""Processes that are killed at any moment, and what a lake holds afterwards.

Belongs here: a loader as a process of its own, kill -9, and the content of a lake as names and
bytes. Does not belong here: which moments are tried (the tests).
"""

from __future__ import annotations

import hashlib
import json
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb

from orchestration.ingest.load import FAILED, load_landing
from orchestration.settings import PROJECT_ROOT, Settings
from tests.support.builds import digests, tables_above_staging
from tests.support.command_line import command_environment
from tests.support.deliveries import Delivered, Delivery, Scenario, write_delivery
from tests.support.landing import VALID_ROWS, put

# Early enough for the rows of the landing below that lie in the future then.
FIRST_LOAD = datetime(2026, 3, 9, 12, tzinfo=UTC)
SECOND_LOAD = datetime(2026, 3, 10, 12, tzinfo=UTC)

_READY = "loading"


def write_landing(settings: Settings) -> None:
    """Extracts in every format, with broken rows, and rows of the day after the first load."""
    for number, ending in enumerate(("ndjson", "csv", "parquet", "ndjson.gz")):
        rows = [
            Delivered(
                stream,
                {**row, **({"note": "x" * 50} if stream == "deployments" else {})},
                (0,),
            )
            for stream, row in VALID_ROWS.items()
            if stream in ("tenants", "agents", "charges", "deployments", "instance_samples")
        ]
        written = Scenario(tuple(rows), (Delivery(0, ending, 1, False, True),))
        write_delivery(settings, written, 0)
        for stream in {one.stream for one in rows}:
            (written_file,) = (settings.landing / stream).glob("0-0.*")
            written_file.rename(written_file.with_name(f"{number}.{ending}"))
    event = VALID_ROWS["agent_events"]
    lines = [
        json.dumps({**event, "id": f"e{number}", "timestamp": f"2026-03-{day:02d}T10:00:00Z"})
        for number, day in enumerate([1, 2, 3, 10] * 500)
    ]
    put(settings, "agent_events/many.ndjson", "\n".join([*lines, '{"id": 1', "no"]).encode())


def load_twice(settings: Settings) -> None:
    """A load, and one a day later, when the rows that were early have come."""
    for as_of in (FIRST_LOAD, SECOND_LOAD):
        report = load_landing(settings=settings, landing=settings.landing, as_of=as_of)
        assert not report.with_status(FAILED), report.with_status(FAILED)


@dataclass(frozen=True)
class KilledLoad:
    """How often a load was killed, and how often it was quicker."""

    killed: int
    finished: int


def load_with_kills(settings: Settings, *, chance: random.Random, seconds: float) -> KilledLoad:
    """Start the two loads one to three times, kill each after up to ``seconds``, then let them end."""
    killed = finished = 0
    for _ in range(chance.randint(1, 3)):
        if _start_and_kill(settings, after=chance.uniform(0, seconds)):
            killed += 1
        else:
            finished += 1
    load_twice(settings)
    return KilledLoad(killed, finished)


def _start_and_kill(settings: Settings, *, after: float) -> bool:
    """True when the process was killed, False when it had ended by then."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.support.kills", str(settings.home)],
        cwd=PROJECT_ROOT,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline().strip() == _READY
            time.sleep(after)
        finally:
            process.kill()
        exit_code = process.wait()
    assert exit_code in (0, -signal.SIGKILL)
    return exit_code != 0


def lake_content(lake: Path) -> dict[str, str]:
    """The digest of every file of a lake by its name, staging left out: nobody reads it."""
    return {
        path.relative_to(lake).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(lake.rglob("*"))
        if path.is_file() and ".staging" not in path.parts
    }


def staged_content(lake: Path) -> list[str]:
    """The files in staging; a load that ends leaves none, of itself or of those killed before it.

    A load killed before it wrote anything leaves an empty folder, which nobody can tell from one of a load
    that is about to begin.
    """
    return [path.name for path in (lake / ".staging").rglob("*") if path.is_file()]


def kill_run(home: Path, *arguments: str, when: Callable[[float], bool]) -> bool:
    """Start `agentmart run` and kill it once ``when`` (called with the seconds since the start) says so.

    True when it was killed, False when it had ended by then.
    """
    started = time.monotonic()
    with subprocess.Popen(
        [sys.executable, "-m", "orchestration.cli.main", "run", *arguments],
        env=command_environment(home),
        cwd=PROJECT_ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        while process.poll() is None and not when(time.monotonic() - started):
            time.sleep(0.005)
        process.kill()
        exit_code = process.wait()
    assert exit_code in (0, -signal.SIGKILL)
    return exit_code != 0


def published_tables(home: Path) -> dict[str, tuple[Any, ...]]:
    """A digest of every published table but those that say which runs there were."""
    path = (home / "published" / "agentmart.duckdb").resolve()
    with duckdb.connect(str(path), read_only=True) as published:
        tables = tables_above_staging(published)
        return digests(published, [name for name in tables if not name.startswith("meta.")])


if __name__ == "__main__":
    deployment = Settings(home=Path(sys.argv[1]), threads=2)
    sys.stdout.write(f"{_READY}\n")
    sys.stdout.flush()
    load_twice(deployment)
