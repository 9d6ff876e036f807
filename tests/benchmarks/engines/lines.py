"""A straight line through what sizes cost: a part that is always there, and one of each event.

Belongs here: fitting lines, and where two of them cross. Does not belong here: measuring.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import linear_regression


@dataclass(frozen=True, kw_only=True)
class Line:
    """``fixed`` seconds, and so many more of each event."""

    fixed: float
    per_event: float

    def at(self, events: float) -> float:
        return self.fixed + self.per_event * events


def fitted(points: Sequence[tuple[int, float]]) -> Line:
    """The line of least squares through (events, seconds) of at least two sizes."""
    events, seconds = zip(*points, strict=True)
    slope, intercept = linear_regression(events, seconds)
    return Line(fixed=intercept, per_event=slope)


def crossing(first: Line, second: Line) -> float | None:
    """From how many events on the second costs less than the first; None if it never does.

    Zero if it does at any number.
    """
    gained = first.per_event - second.per_event
    if gained < 0 or math.isclose(gained, 0):
        is_less = math.isclose(gained, 0) and second.fixed < first.fixed
        return 0.0 if is_less else None
    return max(0.0, (second.fixed - first.fixed) / gained)
