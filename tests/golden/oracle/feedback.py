"""Feedback: ratings, their distribution, and how they change with load.

Belongs here: figures over ratings. Does not belong here: the shape of any dataset.
"""

from __future__ import annotations

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


def ratings(facts: Facts, scope: Scope, window: Window) -> Ratings:
    return Ratings(rows=within(facts.ratings, scope, window))
