"""Times every contender on the same rows, alternately, and writes the table of results.

Belongs here: processes, medians, the report. Does not belong here: what is run (contenders.py).

    python -m tests.benchmarks.ingest.measure --events 10000000 --repeats 3 --date 2026-03-01

A contender whose package the peers' environment lacks is left out of the table.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb

from tests.benchmarks.ingest.events import write_events

_HERE = Path(__file__).resolve().parent
_ROOT = _HERE.parents[2]
_RESULTS = _HERE.parent / "RESULTS.md"
_PEERS = ("polars", "chdb", "dlt")
_MEGABYTE = 1_000_000
_TABLE_BEGINS, _TABLE_ENDS = "<!-- table -->", "<!-- /table -->"


@dataclass(frozen=True, kw_only=True)
class Run:
    """One conversion: what it took, and what lies in the files it wrote."""

    seconds: float
    cpu_seconds: float
    peak_mb: float
    rows: int
    input_tokens: int


def run_contender(tool: str, *, source: Path, scratch: Path, python: Path) -> Run:
    """Run a contender in a process of its own."""
    target = Path(tempfile.mkdtemp(dir=scratch))
    command = [str(python), str(_HERE / "contenders.py"), tool, str(source), str(target)]
    environment = {**os.environ, "POLARS_MAX_THREADS": "4", "PYTHONPATH": str(_ROOT)}
    try:
        with (target / "output").open("w+") as output:
            started = time.perf_counter()
            process = subprocess.Popen(command, env=environment, stdout=output, stderr=output)
            _, status, usage = os.wait4(process.pid, 0)
            seconds = time.perf_counter() - started
            process.returncode = os.waitstatus_to_exitcode(status)
            if process.returncode:
                output.seek(0)
                raise RuntimeError(f"{tool} on {source.name}: {output.read()[-2000:]}")
        rows, tokens = _written(target)
    finally:
        shutil.rmtree(target)
    return Run(
        seconds=seconds,
        cpu_seconds=usage.ru_utime + usage.ru_stime,
        peak_mb=usage.ru_maxrss * 1024 / _MEGABYTE,
        rows=rows,
        input_tokens=tokens,
    )


def _written(target: Path) -> tuple[int, int]:
    lake = target / "lake" / "raw" / "agent_events"
    folder = lake if lake.is_dir() else target / "written"
    files = [str(path) for path in sorted(folder.rglob("*.parquet"))]
    files = [path for path in files if "_dlt" not in path]
    with duckdb.connect() as connection:
        columns = connection.execute(f"describe from read_parquet({files[:1]})").fetchall()
        names = [str(row[0]) for row in columns]
        column = next(name for name in names if name.endswith("input_tokens"))
        ((rows, tokens),) = connection.execute(
            f"select count(*), sum({column}) from read_parquet({files}, union_by_name = true)"
        ).fetchall()
    return int(rows), int(tokens)


def measure(
    source: Path, *, tools: Sequence[str], repeats: int, scratch: Path, peers: Path
) -> dict[str, list[Run]]:
    """Run the contenders in turn, so that what else the machine does falls on all of them."""
    runs: dict[str, list[Run]] = {tool: [] for tool in tools}
    for _ in range(repeats):
        for tool in tools:
            python = peers if tool in _PEERS else Path(sys.executable)
            runs[tool].append(run_contender(tool, source=source, scratch=scratch, python=python))
            sys.stderr.write(f"{source.suffix} {tool} {runs[tool][-1]}\n")
    return runs


def table(results: dict[str, dict[str, list[Run]]]) -> str:
    """A markdown table of the medians, by input."""
    lines = [
        "| input | tool | seconds | rows/s | of the floor's speed | CPU seconds | peak MB |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for source, runs in results.items():
        floor = statistics.median(run.seconds for run in runs["floor"])
        for tool, each in runs.items():
            seconds = statistics.median(run.seconds for run in each)
            lines.append(
                f"| {source} | {tool} | {seconds:.1f} | {each[0].rows / seconds:,.0f} "
                f"| {floor / seconds:.2f} | {statistics.median(r.cpu_seconds for r in each):.1f} "
                f"| {max(run.peak_mb for run in each):,.0f} |"
            )
    return "\n".join(lines)


def _has_package(python: Path, package: str) -> bool:
    found = subprocess.run([str(python), "-c", f"import {package}"], capture_output=True)
    return found.returncode == 0


def _machine() -> str:
    cpu = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
            if line.startswith("model name")
        ),
        platform.processor(),
    )
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    return f"{cpu}, {os.cpu_count()} cores, {memory:.0f} GB"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=10_000_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--peers", type=Path, default=_ROOT / ".venv" / "bench" / "bin" / "python")
    parser.add_argument("--date", required=True, help="shown above the table")
    parser.add_argument("--without", nargs="*", default=[], choices=_PEERS)
    options = parser.parse_args()
    tools = ["floor", "ours"]
    if options.peers.is_file():
        wanted = [peer for peer in _PEERS if peer not in options.without]
        tools += [peer for peer in wanted if _has_package(options.peers, peer)]
    results = {}
    load_before = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="agentmart-bench-") as scratch:
        for name in ("events.ndjson", "events.parquet"):
            source = Path(scratch) / name
            write_events(source, count=options.events)
            size = source.stat().st_size / 1e9
            results[f"{name.partition('.')[2]}, {size:.1f} GB"] = measure(
                source,
                tools=tools,
                repeats=options.repeats,
                scratch=Path(scratch),
                peers=options.peers,
            )
            source.unlink()
    text = _RESULTS.read_text(encoding="utf-8")
    before, after = text.split(_TABLE_BEGINS)[0], text.split(_TABLE_ENDS)[1]
    about = (
        f"{options.events:,} events, median of {options.repeats}, {options.date}; "
        f"{_machine()}; load before the run {load_before:.1f}; Python {platform.python_version()}, "
        f"DuckDB {duckdb.__version__}. Command: `python -m tests.benchmarks.ingest.measure "
        f"{' '.join(sys.argv[1:])}`."
    )
    _RESULTS.write_text(
        f"{before}{_TABLE_BEGINS}\n\n{about}\n\n{table(results)}\n\n{_TABLE_ENDS}{after}",
        encoding="utf-8",
    )


if __name__ == "__main__":
    main()
