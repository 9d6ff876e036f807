"""Days out of the ordinary, recomputed day by day from the words of the rule.

Belongs here: what was to be expected of a day and how far it may go, in plain Python. Does not belong
here: where a series comes from.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import asin, ceil, floor, log, pi, sqrt
from statistics import median

_WEEKS, _RATE_WEEKS = 8, 4
_MIN_HISTORY, _MIN_ERRORS = 42, 14
_Z = 3.480756


@dataclass(frozen=True, kw_only=True)
class Day:
    """What a day came to; ``total`` is None where it is unknown."""

    total: float | None
    observations: int
    squares: float = 0.0


@dataclass(frozen=True, kw_only=True)
class _Error:
    value: float
    size: float
    chance: float


@dataclass(frozen=True, kw_only=True)
class Judgement:
    score: float
    limit: float
    expected: float


@dataclass(frozen=True, kw_only=True)
class Series:
    """One metric of one scope by consecutive days."""

    kind: str
    days: Sequence[Day]
    least: int

    def judge(self, place: int) -> Judgement | None:
        """The day, or None where nothing can be said of it."""
        if place < _MIN_HISTORY:
            return None
        error = self._error(place)
        past = [one for back in range(1, 7 * _WEEKS + 1) if (one := self._error(place - back))]
        if error is None or len(past) < _MIN_ERRORS:
            return None
        relative = [one.value / one.size for one in past]
        side = 0.95 if error.value > 0 else 0.05
        far = abs(_quantile(relative, side)) if _quantile(relative, side) * error.value > 0 else 0
        middle = 1.4826 * median(abs(one) for one in relative)
        spread = max(error.chance, error.size * max(middle, far / 1.645))
        expected = self._expected(place)
        assert expected is not None
        return Judgement(
            score=error.value / spread, limit=_student(0.5 * len(past)), expected=expected
        )

    def _error(self, place: int) -> _Error | None:
        if place < 0:
            return None
        day, level = self.days[place], self._level(place)
        if day.total is None or day.observations < self.least or level is None:
            return None
        count = day.observations
        if self.kind == "mean":
            spread = self._deviation(place)
            if not spread:
                return None
            return _Error(
                value=(day.total / count - level) * sqrt(count) / spread,
                size=1,
                chance=self._chance(place),
            )
        expected = level * count if self.kind == "rate" else self._expected(place)
        if expected is None:
            return None
        if self.kind == "rate":
            value = sqrt(count + 0.5) * (_angle(day.total, count) - _angle(expected, count))
            return _Error(value=value, size=(1 + expected) ** (1 / 3), chance=self._chance(place))
        if self.kind == "duration":
            return _Error(value=log(day.total / expected), size=sqrt(1 + 200 / count), chance=0.05)
        unit = self._unit(place)
        if not unit:
            return None
        value = 2 * (sqrt(day.total / unit + 0.375) - sqrt(expected / unit + 0.375))
        return _Error(value=value, size=(1 + expected / unit) ** (1 / 3), chance=1)

    def _expected(self, place: int) -> float | None:
        level = self._level(place)
        if self.kind in ("rate", "mean"):
            return level
        share = self._usual_share(place)
        return None if level is None or share is None else level * share

    def _share(self, place: int) -> float | None:
        """The day against the mean of the seven days before it."""
        week = self._known(place)
        total = self.days[place].total if place >= 0 else None
        if total is None or len(week) < 4 or not sum(week):
            return None
        return total / (sum(week) / len(week))

    def _usual_share(self, place: int) -> float | None:
        shares = [
            share
            for back in range(1, _WEEKS + 1)
            if place - 7 * back >= 0 and (share := self._share(place - 7 * back)) is not None
        ]
        return median(shares) if len(shares) >= 2 else None

    def _level(self, place: int) -> float | None:
        if self.kind in ("rate", "mean"):
            weeks = [self._week(place - 7 * back) for back in range(_RATE_WEEKS)]
            candidates = [(week[0] / week[1], float(week[1])) for week in weeks if week[1]]
            return _weighted_median(candidates) if len(candidates) >= 2 else None
        candidates = []
        for back in range(1, 8):
            share = self._usual_share(place - back) if place - back >= 0 else None
            total = self.days[place - back].total if place - back >= 0 else None
            if share and total is not None:
                candidates.append((total / share, share))
        return _weighted_median(candidates) if len(candidates) >= 4 else None

    def _known(self, place: int) -> list[float]:
        week = self.days[max(place - 7, 0) : max(place, 0)]
        return [day.total for day in week if day.total is not None]

    def _week(self, place: int) -> tuple[float, int, float]:
        """Total, observations and squares of the seven days before a day."""
        week = [
            day for day in self.days[max(place - 7, 0) : max(place, 0)] if day.total is not None
        ]
        return (
            sum(day.total or 0 for day in week),
            sum(day.observations for day in week),
            sum(day.squares for day in week),
        )

    def _unit(self, place: int) -> float:
        weeks = [self._week(place - 7 * back) for back in range(_WEEKS)]
        found = [total / count for total, count, _ in weeks if count]
        return median(found) if found else 0

    def _deviation(self, place: int) -> float:
        weeks = [self._week(place - 7 * back) for back in range(_WEEKS)]
        found = [squares / count - (total / count) ** 2 for total, count, squares in weeks if count]
        return sqrt(max(median(found), 0))

    def _chance(self, place: int) -> float:
        before = sum(self._week(place - 7 * back)[1] for back in range(_RATE_WEEKS))
        return sqrt(1 + pi / 2 * self.days[place].observations / before)


def _angle(successes: float, count: int) -> float:
    return 2 * asin(sqrt(min(1, (successes + 0.375) / (count + 0.75))))


def _quantile(values: Sequence[float], share: float) -> float:
    ordered = sorted(values)
    place = (len(ordered) - 1) * share
    low, high = ordered[floor(place)], ordered[ceil(place)]
    return low + (high - low) * (place - floor(place))


def _weighted_median(candidates: Sequence[tuple[float, float]]) -> float:
    """Half the weight lies at or below it, and half at or above it."""
    ordered = sorted(candidates)
    half = sum(weight for _, weight in ordered) / 2
    reached, low = 0.0, None
    for value, weight in ordered:
        reached += weight
        if low is None and reached >= half - 1e-9:
            low = value
        if reached > half + 1e-9:
            assert low is not None
            return (low + value) / 2
    return ordered[-1][0]


def _student(freedom: float) -> float:
    """The quantile of Student's t, by Abramowitz and Stegun 26.7.5."""
    terms = (
        (_Z**3 + _Z) / 4,
        (5 * _Z**5 + 16 * _Z**3 + 3 * _Z) / 96,
        (3 * _Z**7 + 19 * _Z**5 + 17 * _Z**3 - 15 * _Z) / 384,
    )
    return _Z + sum(term / freedom**power for power, term in enumerate(terms, 1))
