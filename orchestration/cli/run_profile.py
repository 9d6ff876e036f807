"""Where the time and the memory of a run went: seconds and peak memory by step, model and test.

Belongs here: sampling this process's memory, and the tree that `agentmart run --profile` prints and the run's
record keeps. Does not belong here: what a run does (run), and benchmarks (tests/benchmarks).
"""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from orchestration.settings import Settings

_SECONDS_BETWEEN_SAMPLES = 0.05
_MEMORY = Path("/proc/self/status")
_MEGABYTE = 1_000_000
# Steps that take less are summed up in one line.
_SHOWN_SECONDS = 0.05
_BUILD_STEP = "warehouse_models"


@dataclass(frozen=True, kw_only=True)
class Span:
    """One part of a run: seconds since the epoch, and the parts of it."""

    name: str
    begin: float
    end: float
    parts: Sequence[Span] = field(default_factory=tuple)

    @property
    def seconds(self) -> float:
        return self.end - self.begin


class MemorySamples:
    """How much memory this process held at which time, by a thread of its own."""

    def __init__(self) -> None:
        self._samples: list[tuple[float, int]] = []
        self._stopped = threading.Event()

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Take samples meanwhile."""
        sampler = threading.Thread(target=self._sample, daemon=True)
        sampler.start()
        try:
            yield
        finally:
            self._stopped.set()
            sampler.join()

    def peak_mb(self, span: Span) -> int | None:
        """The most that was held in the span or at its ends; None where nothing was measured."""
        held = [
            size
            for at, size in self._samples
            if span.begin - _SECONDS_BETWEEN_SAMPLES <= at <= span.end + _SECONDS_BETWEEN_SAMPLES
        ]
        return max(held) // _MEGABYTE if held else None

    def _sample(self) -> None:
        while True:
            size = _resident_bytes()
            if size is not None:
                self._samples.append((time.time(), size))
            if self._stopped.wait(_SECONDS_BETWEEN_SAMPLES):
                return


def _resident_bytes() -> int | None:
    try:
        text = _MEMORY.read_text(encoding="ascii")
    except OSError:
        # No such file: another kernel.
        return None
    kilobytes = next(line.split()[1] for line in text.splitlines() if line.startswith("VmRSS:"))
    return int(kilobytes) * 1024


def step_spans(steps: Iterable[Any]) -> Iterator[Span]:
    """What Dagster's record says of the steps of a run, by the names of their assets."""
    for step in steps:
        if step.start_time is not None and step.end_time is not None:
            yield Span(
                name=step.step_key.replace("__", "/"), begin=step.start_time, end=step.end_time
            )


def build_spans(settings: Settings) -> list[Span]:
    """What the last build of dbt was made of."""
    from orchestration.warehouse.manifest import read_manifest, read_run_results

    return list(dbt_spans(read_run_results(settings.dbt_target), read_manifest()))


def dbt_spans(results: Mapping[str, Any], manifest: Mapping[str, Any]) -> Iterator[Span]:
    """The models of a build by their layer, and its data tests."""
    layers: dict[str, list[Span]] = defaultdict(list)
    for result in results["results"]:
        node = manifest["nodes"].get(result["unique_id"])
        times = [
            datetime.fromisoformat(one[moment]).timestamp()
            for one in result["timing"]
            for moment in ("started_at", "completed_at")
            if one.get(moment)
        ]
        if node is not None and times:
            layer = node["fqn"][1] if node["resource_type"] == "model" else node["resource_type"]
            layers[layer].append(Span(name=node["name"], begin=min(times), end=max(times)))
    for layer, spans in layers.items():
        yield Span(
            name=layer,
            begin=min(span.begin for span in spans),
            end=max(span.end for span in spans),
            parts=spans,
        )


def profile_tree(
    steps: Iterable[Span], *, samples: MemorySamples, build: Sequence[Span] = ()
) -> list[dict[str, Any]]:
    """The steps as the record keeps them, the slowest part first; ``build`` are the parts of dbt's.

    The parts of dbt's step run beside each other, so they add up to more than it took, and each is said
    the memory of the process while it ran.
    """
    tree = []
    for step in steps:
        parts = build if step.name == _BUILD_STEP else step.parts
        below = profile_tree(parts, samples=samples, build=build)
        tree.append(
            {
                "name": step.name,
                "seconds": round(step.seconds, 2),
                "peak_mb": samples.peak_mb(step),
                "parts": sorted(below, key=lambda part: -part["seconds"]),
            }
        )
    return tree


def profile_lines(tree: Sequence[Mapping[str, Any]], *, depth: int = 0) -> Iterator[str]:
    """The tree for a person; what took next to nothing is counted in one line."""
    shown = [part for part in tree if part["seconds"] >= _SHOWN_SECONDS or depth == 0]
    for part in shown:
        memory = "" if part["peak_mb"] is None else f"{part['peak_mb']:,} MB"
        yield f"{'  ' * depth}{part['name']:<{44 - 2 * depth}}{part['seconds']:>9.2f} s {memory:>10}"
        yield from profile_lines(part["parts"], depth=depth + 1)
    if len(shown) < len(tree):
        rest = sum(part["seconds"] for part in tree if part["seconds"] < _SHOWN_SECONDS)
        name = f"{len(tree) - len(shown)} others"
        yield f"{'  ' * depth}{name:<{44 - 2 * depth}}{rest:>9.2f} s"
