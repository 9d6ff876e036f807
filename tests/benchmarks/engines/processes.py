"""What a command takes together with the servers that work for it: seconds, processor seconds, memory.

Belongs here: processes and what the kernel says of them. Does not belong here: which command, which servers.
"""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from orchestration.settings import PROJECT_ROOT

_MEGABYTE = 1_000_000
_SECONDS_BETWEEN_SAMPLES = 1.0
# Fields of /proc/<pid>/stat after the name: the parent; user and system time, own and of children that ended.
_PARENT, _TIMES = 1, slice(11, 15)


@dataclass(frozen=True, kw_only=True)
class Taken:
    """What one command took; of servers, the part of processor time and memory that is theirs."""

    seconds: float
    cpu_seconds: float
    server_cpu_seconds: float
    peak_mb: float
    server_peak_mb: float


def run_measured(
    arguments: Sequence[str], *, environment: Mapping[str, str], servers: Collection[int], log: Path
) -> Taken:
    """Run a command to its end; it has to succeed. ``servers`` are processes that work for it."""
    before = _cpu_seconds(servers)
    with log.open("w+", encoding="utf-8") as output:
        started = time.perf_counter()
        process = subprocess.Popen(
            arguments,
            env={**os.environ, **environment},
            cwd=PROJECT_ROOT,
            stdout=output,
            stderr=output,
        )
        watch = _MemoryWatch(process.pid, servers)
        _, status, used = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        watch.stop()
        if process.returncode:
            output.seek(0)
            raise RuntimeError(f"{' '.join(arguments)}: {output.read()[-2000:]}")
    of_servers = _cpu_seconds(servers) - before
    return Taken(
        seconds=seconds,
        cpu_seconds=used.ru_utime + used.ru_stime + of_servers,
        server_cpu_seconds=of_servers,
        peak_mb=watch.peak / _MEGABYTE,
        server_peak_mb=watch.server_peak / _MEGABYTE,
    )


class _MemoryWatch(threading.Thread):
    """The largest sum of what a process, its children and the servers held at one moment; pages that several
    share count once. ``server_peak`` is what of it was the servers', at most."""

    def __init__(self, process: int, servers: Collection[int]) -> None:
        super().__init__(daemon=True)
        self._process, self._servers = process, servers
        self._is_over = threading.Event()
        self.peak = self.server_peak = 0
        self.start()

    def run(self) -> None:
        while not self._is_over.wait(_SECONDS_BETWEEN_SAMPLES):
            of_servers = _held(self._servers)
            self.server_peak = max(self.server_peak, of_servers)
            self.peak = max(self.peak, of_servers + _held([self._process]))

    def stop(self) -> None:
        self._is_over.set()
        self.join()


def _cpu_seconds(roots: Collection[int]) -> float:
    """Processor time of processes and all that they have started, also of what has ended."""
    ticks = sum(sum(map(int, fields[_TIMES])) for _, fields in _family(roots))
    return ticks / os.sysconf("SC_CLK_TCK")


def _held(roots: Collection[int]) -> int:
    """Bytes of memory of processes and all that they have started."""
    held = 0
    for process, _ in _family(roots):
        try:
            rollup = Path(f"/proc/{process}/smaps_rollup").read_text(encoding="utf-8")
        except (FileNotFoundError, ProcessLookupError):
            # It ended between two looks.
            continue
        held += 1024 * int(rollup.partition("Pss:")[2].split()[0])
    return held


def _family(roots: Collection[int]) -> Iterator[tuple[int, Sequence[str]]]:
    """The processes, their children, and theirs, with what the kernel says of each."""
    found: dict[int, Sequence[str]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text(encoding="utf-8").rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        found[int(stat.parent.name)] = fields
    family, left = set(), {root for root in roots if root in found}
    while left:
        family |= left
        left = {one for one, fields in found.items() if int(fields[_PARENT]) in left} - family
    for process in family:
        yield process, found[process]
