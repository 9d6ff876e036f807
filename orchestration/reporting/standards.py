"""What a figure is held against: targets, usual ranges, words for a value, and which change is none.

Belongs here: reading those seeds and comparing with them. Does not belong here: their values, and
figures of any kind.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from operator import ge, gt, le, lt

from orchestration.settings import PROJECT_ROOT

_SEEDS = PROJECT_ROOT / "seeds" / "reference"
_COMPARISONS = {"<": lt, "<=": le, ">": gt, ">=": ge}


@dataclass(frozen=True, kw_only=True)
class Target:
    """What a metric should be (FL-016 and the like)."""

    metric: str
    comparison: str
    value: Decimal
    unit: str

    def is_met_by(self, value: Decimal) -> bool:
        return bool(_COMPARISONS[self.comparison](value, self.value))


@dataclass(frozen=True, kw_only=True)
class Benchmark:
    """The range in which a metric usually lies, both ends included (FL-010 and the like)."""

    metric: str
    low: Decimal
    high: Decimal
    unit: str
    applies_to: str

    def position_of(self, value: Decimal) -> str:
        if value < self.low:
            return "below"
        return "above" if value > self.high else "within"


@dataclass(frozen=True, kw_only=True)
class HumanCost:
    """What a person usually costs for one interaction, and what is taken where a tenant says nothing."""

    use_case: str
    default_usd: Decimal
    low_usd: Decimal
    high_usd: Decimal


@dataclass(frozen=True, kw_only=True)
class Label:
    """A word for the values from its lower bound up to, not including, its upper one."""

    word: str
    lower: Decimal
    upper: Decimal | None

    def covers(self, value: Decimal) -> bool:
        return self.lower <= value and (self.upper is None or value < self.upper)


@dataclass(frozen=True, kw_only=True)
class Standards:
    """The targets, usual ranges and scales of words of this installation.

    A rate that changed by less than ``flat_rate_change``, or another figure by a smaller share of itself
    than ``flat_relative_change``, is flat (X-06).
    """

    targets: tuple[Target, ...]
    benchmarks: tuple[Benchmark, ...]
    labels: Mapping[str, tuple[Label, ...]]
    human_costs: tuple[HumanCost, ...]
    flat_rate_change: Decimal
    flat_relative_change: Decimal

    def label(self, scale: str, value: Decimal | None) -> str | None:
        """The word for a value on a scale of health_labels.csv; None for an unknown value."""
        if value is None:
            return None
        return next((label.word for label in self.labels[scale] if label.covers(value)), None)


@cache
def read_standards() -> Standards:
    """The standards of this installation."""
    labels: dict[str, list[Label]] = defaultdict(list)
    for row in _rows("health_labels"):
        labels[row["metric"]].append(
            Label(
                word=row["label"],
                lower=Decimal(row["lower_bound"]),
                upper=Decimal(row["upper_bound"]) if row["upper_bound"] else None,
            )
        )
    settings = {row["setting_key"]: row["setting_value"] for row in _rows("settings")}
    return Standards(
        targets=tuple(
            Target(
                metric=row["metric"],
                comparison=row["comparison"],
                value=Decimal(row["target"]),
                unit=row["unit"],
            )
            for row in _rows("targets")
        ),
        benchmarks=tuple(
            Benchmark(
                metric=row["metric"],
                low=Decimal(row["low"]),
                high=Decimal(row["high"]),
                unit=row["unit"],
                applies_to=row["applies_to"],
            )
            for row in _rows("benchmarks")
        ),
        labels={scale: tuple(words) for scale, words in labels.items()},
        human_costs=tuple(
            HumanCost(
                use_case=row["use_case"],
                default_usd=Decimal(row["default_usd"]),
                low_usd=Decimal(row["low_usd"]),
                high_usd=Decimal(row["high_usd"]),
            )
            for row in _rows("human_cost_benchmarks")
        ),
        flat_rate_change=Decimal(settings["flat_rate_change"]),
        flat_relative_change=Decimal(settings["flat_relative_change"]),
    )


def _rows(seed: str) -> list[dict[str, str]]:
    with (_SEEDS / f"{seed}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
