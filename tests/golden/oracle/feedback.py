"""Feedback: ratings, their distribution, and how they change with load.

Belongs here: figures over ratings. Does not belong here: the shape of any dataset.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

from tests.golden.oracle.facts import Facts, Rating
from tests.golden.oracle.numbers import mean
from tests.golden.oracle.usage import within
from tests.golden.oracle.windows import Scope, Window

MIN_RATINGS = 5
DROP = Fraction(1, 2)


@dataclass(frozen=True, kw_only=True)
class Ratings:
    """The ratings of a window."""

    rows: list[Rating]

    @property
    def average(self) -> Fraction | None:
        return mean([row.rating for row in self.rows])

    @property
    def distribution(self) -> dict[str, int]:
        return {str(value): sum(row.rating == value for row in self.rows) for value in range(1, 6)}

    @property
    def of_known_load(self) -> list[tuple[int, int]]:
        """Instances and rating where at least one instance is known to have run."""
        return [(row.instances, row.rating) for row in self.rows if row.instances]

    @property
    def load_correlation(self) -> float | None:
        """Spearman: Pearson's correlation of mean ranks; None where one side never differs."""
        pairs = self.of_known_load
        loads = _mean_ranks([load for load, _ in pairs])
        rates = _mean_ranks([rating for _, rating in pairs])
        together = _covariation(loads, rates)
        apart = _covariation(loads, loads) * _covariation(rates, rates)
        return float(together) / math.sqrt(apart) if apart else None

    def in_band(self, band: str) -> Ratings:
        return Ratings(rows=[row for row in self.rows if row.band == band])

    def degrades_at(self, facts: Facts) -> int | None:
        """The first band a half point below the low one, both with enough ratings (AG-091)."""
        first, *others = [band for band in facts.reference.bands if band.low is not None]
        low = self.in_band(first.name)
        if low.average is None or len(low.rows) < MIN_RATINGS:
            return None
        for band in others:
            part = self.in_band(band.name)
            if len(part.rows) < MIN_RATINGS or part.average is None:
                continue
            if low.average - part.average >= DROP:
                return band.low
        return None


def _mean_ranks(values: list[int]) -> list[Fraction]:
    ordered = sorted(values)
    first = {value: ordered.index(value) + 1 for value in set(values)}
    return [first[value] + Fraction(ordered.count(value) - 1, 2) for value in values]


def _covariation(left: list[Fraction], right: list[Fraction]) -> Fraction:
    middle = Fraction(len(left) + 1, 2)
    return sum(((a - middle) * (b - middle) for a, b in zip(left, right, strict=True)), Fraction(0))


def ratings(facts: Facts, scope: Scope, window: Window) -> Ratings:
    return Ratings(rows=within(facts.ratings, scope, window))
