"""Times the whole job beside its floor and its peers on the same landings, and writes the table of results.

Belongs here: processes, medians, the report. Does not belong here: what is run (floor.sql, peers.py).

    python -m tests.benchmarks.whole_job.measure --events 1000000 10000000 --repeats 3 --date 2026-03-02

All run in turn, so that what else the machine does falls on all of them. A peer whose package the peers'
environment lacks, or that fails, is left out of what follows, and the table says so. Peers whose answers are
not equal stop the measurement.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb

from orchestration.settings import PROJECT_ROOT
from tests.benchmarks.whole_job.landings import AS_OF, SALT, write_landing

_HERE = Path(__file__).resolve().parent
_RESULTS = _HERE.parent / "RESULTS.md"
_BEGINS, _ENDS = "<!-- whole job -->", "<!-- /whole job -->"
_PRICES = PROJECT_ROOT / "seeds" / "reference" / "model_prices.csv"
_MEGABYTE = 1_000_000
# Nothing to speak of: what a run costs before it has rows to work on.
_TINY = 200
# A look goes through all pages of a process: with 8 GB, looking four times a second took a third of a core.
_FIRST_SAMPLE_SECONDS, _MOST_SECONDS_BETWEEN_SAMPLES = 0.1, 2.0

OURS, FLOOR = "ours", "floor"
PEERS = ("polars", "chdb", "pandas", "event_lists")
_ABOUT = {
    OURS: "`agentmart run`",
    FLOOR: "floor.sql",
    "event_lists": "lists of events in Python",
}


@dataclass(frozen=True, kw_only=True)
class Run:
    """What one process and its children took, the bytes that they left, and a peer's answer."""

    seconds: float
    cpu_seconds: float
    peak_mb: float
    written_mb: float
    answer: Mapping[str, object] | None


class Failed(Exception):
    """A contender that did not come to its end."""


def run_contender(name: str, *, landing: Path, scratch: Path, peers: Path) -> Run:
    """Run a contender in a process of its own, with a folder of its own."""
    target = Path(tempfile.mkdtemp(dir=scratch))
    environment = {
        **os.environ,
        "AGENTMART_HOME": str(target),
        "AGENTMART_USER_ID_SALT": SALT,
        "PYTHONPATH": str(PROJECT_ROOT),
        "POLARS_MAX_THREADS": "4",
        "TMPDIR": str(target),
    }
    try:
        with (target / "output").open("w+") as output:
            started = time.perf_counter()
            process = subprocess.Popen(
                _command(name, landing=landing, target=target, peers=peers),
                env=environment,
                cwd=target,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
            watch = _MemoryWatch(process.pid)
            _, status, usage = os.wait4(process.pid, 0)
            seconds = time.perf_counter() - started
            process.returncode = os.waitstatus_to_exitcode(status)
            peak = watch.stop()
            if process.returncode:
                output.seek(0)
                raise Failed(f"{name}: {process.returncode}, {output.read()[-2000:]}")
        # What is published is found by several names.
        files = (path.stat() for path in target.rglob("*") if path.is_file())
        written = sum({file.st_ino: file.st_size for file in files}.values())
        file = target / "answer.json"
        answer = json.loads(file.read_text(encoding="utf-8")) if file.exists() else None
    finally:
        shutil.rmtree(target)
    return Run(
        seconds=seconds,
        cpu_seconds=usage.ru_utime + usage.ru_stime,
        peak_mb=peak / _MEGABYTE,
        written_mb=written / _MEGABYTE,
        answer=answer,
    )


def _command(name: str, *, landing: Path, target: Path, peers: Path) -> list[str]:
    if name == OURS:
        run = [sys.executable, "-m", "orchestration.cli.main", "run"]
        return [*run, "--landing", str(landing), "--as-of", AS_OF.isoformat()]
    if name == FLOOR:
        module = [sys.executable, "-m", "tests.benchmarks.whole_job.floor"]
        return [*module, str(landing), str(target / "floor.duckdb")]
    script = [str(peers), str(_HERE / "peers.py"), name]
    return [*script, str(landing), str(_PRICES), str(target / "answer.json")]


class _MemoryWatch(threading.Thread):
    """The largest sum of what the processes of a session held at one moment; shared pages count once."""

    def __init__(self, session: int) -> None:
        super().__init__(daemon=True)
        self._session = session
        self._peak = 0
        self._is_over = threading.Event()
        self.start()

    def run(self) -> None:
        wait = _FIRST_SAMPLE_SECONDS
        while not self._is_over.wait(wait):
            wait = min(2 * wait, _MOST_SECONDS_BETWEEN_SAMPLES)
            self._peak = max(self._peak, _held_by(self._session))

    def stop(self) -> int:
        self._is_over.set()
        self.join()
        return self._peak


def _held_by(session: int) -> int:
    held = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text(encoding="utf-8").rpartition(")")[2].split()
            if int(fields[3]) == session:
                rollup = stat.with_name("smaps_rollup").read_text(encoding="utf-8")
                held += 1024 * int(rollup.partition("Pss:")[2].split()[0])
        except (FileNotFoundError, ProcessLookupError, IndexError):
            # It ended between two looks.
            continue
    return held


def measure(
    contenders: Sequence[str], *, landing: Path, repeats: int, peers: Path, scratch: Path
) -> dict[str, list[Run]]:
    """Run the contenders in turn; one that fails has no runs and is not tried again."""
    runs: dict[str, list[Run]] = {name: [] for name in contenders}
    waiting = list(contenders)
    for _ in range(repeats):
        for name in list(waiting):
            try:
                runs[name].append(
                    run_contender(name, landing=landing, scratch=scratch, peers=peers)
                )
            except Failed as failure:
                if name in (OURS, FLOOR):
                    raise
                waiting.remove(name)
                runs[name] = []
                sys.stderr.write(f"{failure}\n")
            else:
                sys.stderr.write(f"{name} {runs[name][-1]}\n")
    _check_answers({name: run.answer for name, each in runs.items() for run in each if run.answer})
    return runs


def _check_answers(answers: Mapping[str, Mapping[str, object]]) -> None:
    first = next(iter(answers), None)
    for name, answer in answers.items():
        differing = [table for table in answer if answer[table] != answers[str(first)][table]]
        if differing:
            raise Failed(f"{name} and {first} differ in {', '.join(differing)}")


def table(
    events: int, runs: Mapping[str, Sequence[Run]], *, fixed: Sequence[Run], repeats: int
) -> list[str]:
    """Rows of the table of results: medians of one size."""
    of = f"{events:,} x {repeats}"
    floor = _median(runs[FLOOR], "seconds")
    lines = []
    for name, each in runs.items():
        what = _ABOUT.get(name, name)
        if not each:
            lines.append(f"| {of} | {what} | failed | | | | |")
            continue
        seconds = _median(each, "seconds")
        lines.append(
            f"| {of} | {what} | {seconds:.1f} | {seconds / floor:.2f} "
            f"| {_median(each, 'cpu_seconds'):.1f} | {max(run.peak_mb for run in each):,.0f} "
            f"| {_median(each, 'written_mb'):,.0f} |"
        )
        if name == OURS and fixed:
            rest = seconds - _median(fixed, "seconds")
            lines.append(
                f"| {of} | the same without its fixed cost | {rest:.1f} | {rest / floor:.2f} | | | |"
            )
    return lines


def _median(runs: Sequence[Run], figure: str) -> float:
    return float(statistics.median(getattr(run, figure) for run in runs))


def _has_package(python: Path, name: str) -> bool:
    package = "pyarrow" if name == "event_lists" else name
    return not subprocess.run(
        [str(python), "-c", f"import {package}"], capture_output=True
    ).returncode


def _machine() -> str:
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    return f"{(models or [platform.processor()])[0]}, {os.cpu_count()} cores, {memory:.0f} GB"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, nargs="+", default=[1_000_000, 10_000_000])
    parser.add_argument(
        "--repeats", type=int, nargs="+", default=[3], help="of each size; the last for those after"
    )
    parser.add_argument(
        "--peers", type=Path, default=PROJECT_ROOT / ".venv" / "bench" / "bin" / "python"
    )
    parser.add_argument("--without", nargs="*", default=[], choices=PEERS)
    parser.add_argument(
        "--lists-up-to", type=int, default=1_000_000, help="events that lists in Python are given"
    )
    parser.add_argument(
        "--scratch", type=Path, help="folder for landings and results; has to be large"
    )
    parser.add_argument("--date", required=True, help="shown above the table")
    options = parser.parse_args()
    known = [
        name
        for name in PEERS
        if name not in options.without
        and options.peers.is_file()
        and _has_package(options.peers, name)
    ]
    load_before = os.getloadavg()[0]
    lines = [
        "| events x runs | what | seconds | of the floor's time | CPU seconds | peak MB | MB left on disk |",
        "| ---: | --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    with tempfile.TemporaryDirectory(prefix="agentmart-bench-", dir=options.scratch) as folder:
        scratch = Path(folder)
        tiny = scratch / "tiny"
        write_landing(tiny, events=_TINY)
        fixed = measure(
            [OURS, FLOOR],
            landing=tiny,
            repeats=options.repeats[0],
            peers=options.peers,
            scratch=scratch,
        )
        lines += table(_TINY, fixed, fixed=(), repeats=options.repeats[0])
        for place, events in enumerate(options.events):
            repeats = options.repeats[min(place, len(options.repeats) - 1)]
            landing = scratch / f"landing-{events}"
            write_landing(landing, events=events)
            peers = [
                name for name in known if name != "event_lists" or events <= options.lists_up_to
            ]
            runs = measure(
                [OURS, FLOOR, *peers],
                landing=landing,
                repeats=repeats,
                peers=options.peers,
                scratch=scratch,
            )
            lines += table(events, runs, fixed=fixed[OURS], repeats=repeats)
            shutil.rmtree(landing)
            _write(lines, options=options, load_before=load_before)


def _write(lines: Sequence[str], *, options: argparse.Namespace, load_before: float) -> None:
    text = _RESULTS.read_text(encoding="utf-8")
    before, after = text.split(_BEGINS)[0], text.split(_ENDS)[1]
    about = (
        f"Medians, {options.date}; {_machine()}; load before the run "
        f"{load_before:.1f}; Python {platform.python_version()}, DuckDB {duckdb.__version__}. "
        f"Command: `python -m tests.benchmarks.whole_job.measure {_words(sys.argv[1:])}`."
    )
    body = "\n".join(lines)
    _RESULTS.write_text(
        f"{before}{_BEGINS}\n\n{about}\n\n{body}\n\n{_ENDS}{after}", encoding="utf-8"
    )


def _words(arguments: Sequence[str]) -> str:
    """The arguments without the folder for scratch, which says something of the machine alone."""
    words = list(arguments)
    if "--scratch" in words:
        place = words.index("--scratch")
        del words[place : place + 2]
    return " ".join(words)


if __name__ == "__main__":
    main()
