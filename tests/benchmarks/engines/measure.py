"""Times the same job on every engine, at several sizes, and says where one of them would overtake another.

    python -m tests.benchmarks.engines.measure --events 100000 1000000 --repeats 3 --date 2026-03-02

Every run is `agentmart run` in a process of its own on a state folder of its own: first on all but the last
day of the landing, which builds all, then on the day that was held back. DuckLake has its catalog in a
PostgreSQL server and Spark runs as a cluster of this machine; both are started here, and what their processes
take is part of what is measured.

Belongs here: sizes, runs in turn, the report. Does not belong here: what processes take (processes.py), lines
(lines.py), and what is in the extracts (whole_job/landings.py).
"""

from __future__ import annotations

import argparse
import itertools
import os
import platform
import shutil
import statistics
import sys
import tempfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb

from orchestration.settings import TARGETS, Settings
from orchestration.state.store import StateStore
from tests.benchmarks.engines.lines import crossing, fitted
from tests.benchmarks.engines.processes import Taken, run_measured
from tests.benchmarks.whole_job.landings import SALT, write_landing
from tests.support.ducklake import environment_of
from tests.support.postgres_server import postgres_server
from tests.support.spark_cluster import LARGE, spark_cluster

_MEGABYTE = 1_000_000
_RESULTS = Path(__file__).parents[1] / "RESULTS.md"
_BEGINS, _ENDS = "<!-- engines -->", "<!-- /engines -->"
_A_DAY = timedelta(days=1)
_LAST_DAY = datetime(2026, 3, 1, tzinfo=UTC)
_FULL, _DAY = "all, in full", "one day more"
_SECONDS, _CPU_SECONDS = "seconds", "CPU seconds"
# What a run's profile calls its build, the data tests included.
_BUILD_STEP = "warehouse_models"


@dataclass(frozen=True, kw_only=True)
class Engine:
    """An engine that is ready to be built on: its settings, and the processes that work for it."""

    environment: Mapping[str, str]
    servers: Collection[int]


@dataclass(frozen=True, kw_only=True)
class Measured:
    """One run of one size on one engine; ``build_seconds`` are those of dbt within it.

    ``state_mb`` is what the state folder holds after it: the lake, the warehouse and what is published.
    """

    events: int
    engine: str
    what: str
    build_seconds: float
    taken: Taken
    state_mb: float


@contextmanager
def ready(engine: str, *, home: Path) -> Iterator[Engine]:
    """Start what an engine needs beside this process, and stop it."""
    common = {"AGENTMART_HOME": str(home), "AGENTMART_USER_ID_SALT": SALT}
    if engine == "ducklake":
        with postgres_server() as server:
            own = environment_of(server, home=home, schema="measured")
            del own["AGENTMART_THREADS"]
            yield Engine(environment={**common, **own}, servers=[server.process_id])
    elif engine == "spark":
        with spark_cluster(home.with_name(f"{home.name}-cluster"), size=LARGE) as cluster:
            own = {"AGENTMART_DBT_TARGET": engine, "SPARK_REMOTE": cluster.remote}
            servers = [one.pid for one in cluster.processes]
            yield Engine(environment={**common, **own}, servers=servers)
    else:
        yield Engine(environment={**common, "AGENTMART_DBT_TARGET": engine}, servers=[])


def measure(engine: str, *, landing: Path, events: int, scratch: Path) -> Iterator[Measured]:
    """Build all but the last day, then that day, on a state folder that is removed after it."""
    home = Path(tempfile.mkdtemp(prefix=f"{engine}-", dir=scratch))
    try:
        with ready(engine, home=home / "state") as at_work:
            for what, begin, end in (
                (_FULL, datetime.min.replace(tzinfo=UTC), _LAST_DAY),
                (_DAY, _LAST_DAY, _LAST_DAY + _A_DAY),
            ):
                _deliver(landing, home / "landing", begin=begin, end=end)
                command = [sys.executable, "-m", "orchestration.cli.main", "run", "--profile"]
                command += ["--landing", str(home / "landing"), "--as-of", end.isoformat()]
                taken = run_measured(
                    command,
                    environment=at_work.environment,
                    servers=at_work.servers,
                    log=home / "output",
                )
                yield Measured(
                    events=events,
                    engine=engine,
                    what=what,
                    build_seconds=_build_seconds(home / "state"),
                    taken=taken,
                    state_mb=_size(home / "state") / _MEGABYTE,
                )
    finally:
        shutil.rmtree(home)


def _deliver(whole: Path, landing: Path, *, begin: datetime, end: datetime) -> None:
    """The files of these days, and with the first ones those that are of no day."""
    for file in (path for path in whole.rglob("*") if path.is_file()):
        _, _, day = file.parent.name.partition("dt=")
        moment = datetime.fromisoformat(day).replace(tzinfo=UTC) if day else _LAST_DAY - _A_DAY
        if begin <= moment < end:
            target = landing / file.relative_to(whole)
            target.parent.mkdir(parents=True, exist_ok=True)
            os.link(file, target)


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if not path.is_symlink())


def _build_seconds(home: Path) -> float:
    run = StateStore(Settings(home=home).state_file).recent_runs(1)[0]
    parts = list(run.counts["profile"])
    while parts:
        part = parts.pop()
        if part["name"] == _BUILD_STEP:
            return float(part["seconds"])
        parts += part["parts"]
    raise RuntimeError(f"the profile of the run names no step {_BUILD_STEP}")


def _table(measured: Sequence[Measured]) -> Iterator[str]:
    yield (
        "| events | engine | what | run, s | of it the build, s | CPU s | of them of servers | peak MB"
        " | of them of servers | MB on disk |"
    )
    yield "| ---: | --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"
    for (events, what, engine), runs in _grouped(measured).items():
        taken = [one.taken for one in runs]
        yield (
            f"| {events:,} | {engine} | {what}"
            f" | {statistics.median(one.seconds for one in taken):.1f}"
            f" | {statistics.median(one.build_seconds for one in runs):.1f}"
            f" | {statistics.median(one.cpu_seconds for one in taken):.1f}"
            f" | {statistics.median(one.server_cpu_seconds for one in taken):.1f}"
            f" | {max(one.peak_mb for one in taken):,.0f}"
            f" | {max(one.server_peak_mb for one in taken):,.0f}"
            f" | {max(one.state_mb for one in runs):,.0f} |"
        )


def _grouped(measured: Sequence[Measured]) -> Mapping[tuple[int, str, str], list[Measured]]:
    groups: dict[tuple[int, str, str], list[Measured]] = {}
    for one in measured:
        groups.setdefault((one.events, one.what, one.engine), []).append(one)
    return dict(sorted(groups.items(), key=lambda group: (group[0][0], group[0][1])))


def _extrapolated(measured: Sequence[Measured], figure: str) -> Iterator[str]:
    """The line of each engine, and where lines cross; nothing of an engine with one size."""
    yield f"| {figure} | engine | always | of a million events | at 1 M | at 10 M | at 100 M |"
    yield "| --- | --- | ---: | ---: | ---: | ---: | ---: |"
    said = []
    for what in (_FULL, _DAY):
        lines = {}
        for engine in dict.fromkeys(one.engine for one in measured):
            points = [
                (one.events, _figure(one, figure))
                for one in measured
                if (one.engine, one.what) == (engine, what)
            ]
            if len({events for events, _ in points}) < 2:
                continue
            line = lines[engine] = fitted(points)
            sizes = " | ".join(f"{line.at(million * 1e6):,.0f}" for million in (1, 10, 100))
            yield (
                f"| {what} | {engine} | {line.fixed:,.1f} | {line.per_event * 1e6:,.1f} | {sizes} |"
            )
        for first, second in itertools.permutations(lines, 2):
            events = crossing(lines[first], lines[second])
            if events is not None:
                said.append(f"- {what}: {second} takes less than {first} {_from(events)}.")
    yield ""
    yield from said or ["No line crosses another one."]


def _figure(measured: Measured, figure: str) -> float:
    return measured.taken.seconds if figure == _SECONDS else measured.taken.cpu_seconds


def _from(events: float) -> str:
    return f"from {events:,.0f} events on" if events else "at every size"


def _write(measured: Sequence[Measured], *, about: str) -> None:
    text = _RESULTS.read_text(encoding="utf-8")
    before, after = text.split(_BEGINS)[0], text.split(_ENDS)[1]
    body = [about, "", *_table(measured)]
    if len({one.events for one in measured}) > 1:
        for figure in (_SECONDS, _CPU_SECONDS):
            body += ["", *_extrapolated(measured, figure)]
    lines = "\n".join(body)
    _RESULTS.write_text(f"{before}{_BEGINS}\n\n{lines}\n\n{_ENDS}{after}", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, nargs="+", default=[100_000, 1_000_000])
    parser.add_argument("--engines", nargs="+", choices=TARGETS, default=list(TARGETS))
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument(
        "--scratch", type=Path, help="folder for landings and state folders; has to be large"
    )
    parser.add_argument("--date", required=True, help="shown above the table")
    options = parser.parse_args()
    shown = f"--events {' '.join(map(str, options.events))} --engines {' '.join(options.engines)}"
    about = (
        f"Medians of {options.repeats}, {options.date}; {os.cpu_count()} cores; load before the run"
        f" {os.getloadavg()[0]:.1f}; Python {platform.python_version()}, DuckDB {duckdb.__version__}."
        f" Command: `python -m tests.benchmarks.engines.measure {shown} --repeats {options.repeats}"
        f" --date {options.date}`."
    )
    measured: list[Measured] = []
    with tempfile.TemporaryDirectory(prefix="agentmart-bench-", dir=options.scratch) as folder:
        for events in options.events:
            landing = Path(folder) / f"landing-{events}"
            write_landing(landing, events=events)
            for _ in range(options.repeats):
                for engine in options.engines:
                    for one in measure(
                        engine, landing=landing, events=events, scratch=Path(folder)
                    ):
                        sys.stderr.write(f"{one}\n")
                        measured.append(one)
                        _write(measured, about=about)
            shutil.rmtree(landing)


if __name__ == "__main__":
    main()
