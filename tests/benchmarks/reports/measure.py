"""How long the weekly reports of many tenants take, and where the time goes.

Run by `make bench`, or `python -m tests.benchmarks.reports.measure --date 2026-03-02`. Each
measurement is a process of its own that does what a run does: read the published state, make the
PDF, CSV and JSON of every report and the bodies of its e-mail, write them, and queue the messages.

Belongs here: timing. Does not belong here: making the published state (tenants).
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import duckdb

from orchestration.reporting.build import build_report
from orchestration.reporting.gather import read_publication, standard_windows
from orchestration.reporting.gather_many import gather_standard
from orchestration.reporting.pdf import pdf_renderer, printable
from orchestration.reporting.query import read_published
from orchestration.reporting.reference import read_reference
from orchestration.reporting.render import render_report
from orchestration.reporting.run import make_due_reports
from orchestration.settings import Settings
from tests.benchmarks.reports.tenants import AGENTS, publish_tenants
from tests.support.report_rows import AS_OF

_RESULTS = Path(__file__).parents[1] / "RESULTS.md"
_TABLE_BEGINS, _TABLE_ENDS = "<!-- reports -->", "<!-- /reports -->"
_PROFILED = 60
_FORMATS = ("pdf", "csv", "json", "mail")


@dataclass(frozen=True, kw_only=True)
class Run:
    """What one making of all reports took; a worker's memory is that of the largest."""

    seconds: float
    cpu_seconds: float
    parent_mb: float
    worker_mb: float
    files: int


def make_all(home: Path, *, threads: int) -> Run:
    """Make the due reports of a deployment in this process and its workers."""
    settings = Settings(home=home, threads=threads)
    started = time.perf_counter()
    made = make_due_reports(settings=settings, as_of=AS_OF)
    seconds = time.perf_counter() - started
    if made.failed:
        raise RuntimeError(f"a report failed: {made.failed[0]}")
    own, workers = (
        resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    return Run(
        seconds=seconds,
        cpu_seconds=own.ru_utime + own.ru_stime + workers.ru_utime + workers.ru_stime,
        parent_mb=own.ru_maxrss / 1024,
        worker_mb=workers.ru_maxrss / 1024,
        files=sum(path.is_file() for path in settings.reports.rglob("*")),
    )


def measure(home: Path, *, threads: int) -> Run:
    """``make_all`` in a process of its own, from nothing made to everything made."""
    settings = Settings(home=home)
    shutil.rmtree(settings.reports, ignore_errors=True)
    for file in settings.state_file.parent.glob(f"{settings.state_file.name}*"):
        file.unlink()
    command = [sys.executable, "-m", "tests.benchmarks.reports.measure", "--one", str(home)]
    done = subprocess.run(
        [*command, "--threads", str(threads)], check=True, capture_output=True, text=True
    )
    return Run(**json.loads(done.stdout))


def profile(settings: Settings) -> Mapping[str, float]:
    """Processor milliseconds per report of each step, in one process, after a first report."""
    spent: dict[str, float] = {}

    @contextmanager
    def timed(step: str) -> Iterator[None]:
        started = time.process_time()
        yield
        spent[step] = spent.get(step, 0.0) + time.process_time() - started

    with read_published(settings) as published, pdf_renderer() as renderer:
        windows = standard_windows(published)[: _PROFILED + 1]
        gathered = gather_standard(
            published,
            windows,
            publication=read_publication(published),
            reference=read_reference(settings.config),
        )
        folder = settings.home / "profiled"
        first = next(gathered)
        render_report(first, folder=folder, formats=_FORMATS, renderer=renderer)
        for _ in windows[1:]:
            with timed("rows of all marts"):
                rows = next(gathered)
            with timed("sections"):
                report = build_report(rows)
            with timed("of the pdf, its texts and charts"):
                printable(report)
            for name in _FORMATS:
                with timed(f"{name}, drawn and written"):
                    render_report(rows, folder=folder, formats=[name], renderer=renderer)
    for name in _FORMATS:
        spent[f"{name}, drawn and written"] -= spent["sections"]
    return {step: seconds * 1000 / (len(windows) - 1) for step, seconds in spent.items()}


def _tables(runs: list[Run], steps: Mapping[str, float], *, tenants: int, threads: int) -> str:
    seconds = statistics.median(run.seconds for run in runs)
    cpu_seconds = statistics.median(run.cpu_seconds for run in runs)
    lines = [
        "| reports | processes | seconds | CPU seconds | peak MB of the parent | of a worker |",
        "| ---: | ---: | ---: | ---: | ---: | ---: |",
        f"| {tenants:,} | {threads} | {seconds:.1f} | {cpu_seconds:.1f}"
        f" | {max(run.parent_mb for run in runs):,.0f}"
        f" | {max(run.worker_mb for run in runs):,.0f} |",
        "",
        "| step | CPU ms per report |",
        "| --- | ---: |",
        *(f"| {step} | {spent:.1f} |" for step, spent in steps.items()),
    ]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tenants", type=int, default=1_000)
    parser.add_argument("--threads", type=int, default=4)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--date", default="", help="shown above the table")
    parser.add_argument("--one", type=Path, help="make the reports of this deployment and stop")
    options = parser.parse_args()
    if options.one:
        sys.stdout.write(json.dumps(asdict(make_all(options.one, threads=options.threads))))
        return
    load_before = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="agentmart-bench-") as scratch:
        settings = publish_tenants(Path(scratch), tenants=options.tenants, threads=options.threads)
        runs = []
        for _ in range(options.repeats):
            runs.append(measure(Path(scratch), threads=options.threads))
            sys.stderr.write(f"{runs[-1]}\n")
        steps = profile(settings)
    about = (
        f"{options.tenants:,} tenants with {AGENTS} agents each, median of {options.repeats},"
        f" {options.date}; {os.cpu_count()} cores; load before the run {load_before:.1f}; Python"
        f" {platform.python_version()}, DuckDB {duckdb.__version__}."
    )
    tables = _tables(runs, steps, tenants=options.tenants, threads=options.threads)
    text = _RESULTS.read_text(encoding="utf-8")
    before, after = text.split(_TABLE_BEGINS)[0], text.split(_TABLE_ENDS)[1]
    _RESULTS.write_text(
        f"{before}{_TABLE_BEGINS}\n\n{about}\n\n{tables}\n\n{_TABLE_ENDS}{after}", encoding="utf-8"
    )


if __name__ == "__main__":
    main()
