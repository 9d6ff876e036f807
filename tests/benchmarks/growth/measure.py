"""What one more day costs after 90, 365 and 1,000 days of the same volume, and what a start costs.

Run by `make bench`, or `python -m tests.benchmarks.growth.measure --date 2026-03-02`. Every measurement is
`agentmart` in a process of its own, as a user calls it; the days that are added were held back when the
history was built.

Belongs here: timing whole commands. Does not belong here: the speed of one step (ingest/, reports/) and of
the whole job beside a floor (whole_job/).
"""

from __future__ import annotations

import argparse
import os
import platform
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb

from orchestration.settings import PROJECT_ROOT, Settings
from orchestration.state.store import StateStore

_RESULTS = Path(__file__).parents[1] / "RESULTS.md"
_END = datetime(2026, 3, 1, tzinfo=UTC)
_DAY = timedelta(days=1)
_DAY_FOLDER = re.compile(r"dt=(\d{4}-\d{2}-\d{2})")
_CLI = (sys.executable, "-m", "orchestration.cli.main")
_LOAD_DEFINITIONS = (
    "from orchestration.definitions import defs; defs().get_repository_def().get_all_jobs()"
)
# The parts of a day that its profile names, and the title of what is left.
_PARTS = {
    "ingest": "ingest",
    "warehouse_models": "build, audit",
    "published/database": "publish",
}


@dataclass(frozen=True, kw_only=True)
class Command:
    """What one command took, its children included."""

    seconds: float
    cpu_seconds: float
    peak_mb: float


@dataclass(frozen=True, kw_only=True)
class AddedDay:
    """The run that added one day, and the seconds of its parts."""

    days: int
    command: Command
    parts: Mapping[str, float]


def timed(arguments: Sequence[str], *, home: Path) -> Command:
    """Run one command on a deployment; it has to succeed."""
    environment = {**os.environ, "AGENTMART_HOME": str(home)}
    started = time.perf_counter()
    with subprocess.Popen(
        arguments,
        cwd=PROJECT_ROOT,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stderr is not None
        said = process.stderr.read()
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{' '.join(arguments)}: {said.decode()[-2000:]}")
    return Command(
        seconds=time.perf_counter() - started,
        cpu_seconds=used.ru_utime + used.ru_stime,
        peak_mb=used.ru_maxrss / 1024,
    )


def add_days(home: Path, *, days: int, events_per_day: int, added: int) -> Iterator[AddedDay]:
    """Build a history of so many days, then add single days to it."""
    landing, held_back = home / "landing", home / "held_back"
    days_made = days + added
    # In a process of its own, like all: a child's peak of memory begins with what its parent holds.
    size = {"--events": events_per_day * days_made, "--days": days_made, "--seed": 7}
    words = [word for name, value in size.items() for word in (name, str(value))]
    until = ("--until", _END.isoformat())
    timed([*_CLI, "generate", "--out", str(landing), *words, *until], home=home)
    first = _END - added * _DAY
    _move(landing, held_back, begin=first, end=datetime.max.replace(tzinfo=UTC))
    timed([*_CLI, "run", "--as-of", first.isoformat()], home=home)
    for number in range(added):
        day = first + number * _DAY
        _move(held_back, landing, begin=day, end=day + _DAY)
        arguments = [*_CLI, "run", "--profile", "--as-of", (day + _DAY).isoformat()]
        command = timed(arguments, home=home)
        run = StateStore(Settings(home=home).state_file).recent_runs(1)[0]
        yield AddedDay(days=days, command=command, parts=_parts(run.counts["profile"]))


def _move(source: Path, target: Path, *, begin: datetime, end: datetime) -> None:
    """Move the folders of the days from one landing folder to another."""
    for folder in sorted(source.rglob("dt=*")):
        found = _DAY_FOLDER.fullmatch(folder.name)
        if found and begin <= datetime.fromisoformat(found[1]).replace(tzinfo=UTC) < end:
            place = target / folder.relative_to(source)
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.move(folder, place)


def _parts(tree: Sequence[Mapping[str, Any]]) -> Mapping[str, float]:
    parts = dict.fromkeys(_PARTS.values(), 0.0)
    for part in _flat(tree):
        if part["name"] in _PARTS:
            parts[_PARTS[part["name"]]] += part["seconds"]
    return parts


def _flat(tree: Sequence[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    for part in tree:
        yield part
        yield from _flat(part["parts"])


def start_ups(home: Path, *, as_of: datetime) -> Mapping[tuple[str, str], Sequence[str]]:
    """The commands of which the start is most of the time, with the target of each."""
    moment = as_of.isoformat()
    return {
        ("`agentmart --help`", "0.3 s"): [*_CLI, "--help"],
        ("`export usage-summary`", "0.7 s"): [*_CLI, "export", "usage-summary", "--as-of", moment],
        ("a run with nothing new", "8 s"): [*_CLI, "run", "--as-of", moment],
        ("load Dagster's definitions", "5 s"): [sys.executable, "-c", _LOAD_DEFINITIONS],
    }


def _growth_table(added: Sequence[AddedDay]) -> str:
    lines = [
        "| days before | seconds | of the first | CPU seconds | of the first |"
        + "".join(f" {part} |" for part in _PARTS.values())
        + " peak MB |",
        "| ---: |" + " ---: |" * (5 + len(_PARTS)),
    ]
    first: tuple[float, float] | None = None
    for days in dict.fromkeys(one.days for one in added):
        runs = [one for one in added if one.days == days]
        seconds = statistics.median(one.command.seconds for one in runs)
        cpu = statistics.median(one.command.cpu_seconds for one in runs)
        first = first or (seconds, cpu)
        parts = "".join(
            f" {statistics.median(one.parts[part] for one in runs):.1f} |"
            for part in _PARTS.values()
        )
        lines.append(
            f"| {days:,} | {seconds:.1f} | {seconds / first[0]:.2f} | {cpu:.1f} |"
            f" {cpu / first[1]:.2f} |{parts} {max(one.command.peak_mb for one in runs):,.0f} |"
        )
    return "\n".join(lines)


def _start_table(taken: Mapping[tuple[str, str], Sequence[Command]]) -> str:
    lines = [
        "| what | target | seconds | CPU seconds | peak MB |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    lines += [
        f"| {what} | {target} | {statistics.median(one.seconds for one in runs):.2f} |"
        f" {statistics.median(one.cpu_seconds for one in runs):.2f} |"
        f" {max(one.peak_mb for one in runs):,.0f} |"
        for (what, target), runs in taken.items()
    ]
    return "\n".join(lines)


def _write(name: str, text: str) -> None:
    results = _RESULTS.read_text(encoding="utf-8")
    before, rest = results.split(f"<!-- {name} -->")
    after = rest.split(f"<!-- /{name} -->")[1]
    _RESULTS.write_text(
        f"{before}<!-- {name} -->\n\n{text}\n\n<!-- /{name} -->{after}", encoding="utf-8"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", type=int, nargs="+", default=[90, 365, 1000])
    parser.add_argument("--events-per-day", type=int, default=1_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--date", default="", help="shown above the tables")
    options = parser.parse_args()
    load_before = os.getloadavg()[0]
    added: list[AddedDay] = []
    taken: dict[tuple[str, str], list[Command]] = {}
    with tempfile.TemporaryDirectory(prefix="agentmart-bench-") as scratch:
        for days in options.days:
            home = Path(scratch) / str(days)
            for one in add_days(
                home, days=days, events_per_day=options.events_per_day, added=options.repeats
            ):
                sys.stderr.write(f"{one}\n")
                added.append(one)
            if not taken:
                for what, arguments in start_ups(home, as_of=_END).items():
                    runs = [timed(arguments, home=home) for _ in range(options.repeats + 1)]
                    # The first finds nothing in the caches of files.
                    taken[what] = runs[1:]
                    sys.stderr.write(f"{what}: {runs}\n")
            shutil.rmtree(home)
    about = (
        f"median of {options.repeats}, {options.date}; {os.cpu_count()} cores; load before the run"
        f" {load_before:.1f}; Python {platform.python_version()}, DuckDB {duckdb.__version__}."
        f" Command: `python -m tests.benchmarks.growth.measure {' '.join(sys.argv[1:])}`."
    )
    _write("start", f"{about[0].upper()}{about[1:]}\n\n{_start_table(taken)}")
    _write("growth", f"{options.events_per_day:,} events a day, {about}\n\n{_growth_table(added)}")


if __name__ == "__main__":
    main()
