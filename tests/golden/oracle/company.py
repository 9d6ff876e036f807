"""Company: users, sessions, cost and health as a team follows them.

Belongs here: figures over days, sessions' sizes, incidents and health samples, and the forecast.
Does not belong here: what one answer costs (usage.py), and the shape of any dataset.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction

from tests.golden.oracle.extracts import Record
from tests.golden.oracle.facts import Facts
from tests.golden.oracle.numbers import P95, mean, percentile, ratio
from tests.golden.oracle.windows import Window

Span = tuple[datetime, datetime]


@dataclass(frozen=True, kw_only=True)
class Health:
    """Of the platform's services (D-61); without a source of downtime nothing is known of it."""

    downtime: timedelta | None
    incidents: int | None
    requests: int
    failed: int
    depths: list[int]
    peak: Fraction | None
    peak_at: datetime | None
    capacity: int | None
    utilisation: Fraction | None

    def uptime_percent(self, window: Window) -> Decimal | None:
        """Truncated to two places, so that less than all never shows as all (X-23)."""
        length = window.end - window.start
        if not length or self.downtime is None:
            return None
        micro = timedelta(microseconds=1)
        hundredths = 10_000 * (1 - Fraction(self.downtime // micro, length // micro))
        return Decimal(hundredths.numerator // hundredths.denominator) / 100

    @property
    def success_rate(self) -> Fraction | None:
        return ratio(self.requests - self.failed, self.requests)

    @property
    def average_depth(self) -> Fraction | None:
        return mean(self.depths)

    @property
    def p95_depth(self) -> Fraction | None:
        return percentile(self.depths, P95)


def health(facts: Facts, window: Window) -> Health:
    samples = [row for row in facts.extracts.health if window.holds(row["timestamp"])]
    overlapping = [
        span for span in _incidents(facts) if span[0] < window.end and span[1] > window.start
    ]
    depths = [row["queue_depth"] for row in samples if row["queue_depth"] is not None]
    peak, peak_at = _peak(facts, window)
    capacities: dict[str, int] = {}
    for row in samples:
        if row["capacity_rpm"] is not None:
            known = capacities.get(row["service"], 0)
            capacities[row["service"]] = max(known, row["capacity_rpm"])
    return Health(
        downtime=_union(overlapping, window) if facts.extracts.incidents else None,
        incidents=len(overlapping) if facts.extracts.incidents else None,
        requests=sum(row["requests"] or 0 for row in samples),
        failed=sum(row["failed_requests"] or 0 for row in samples),
        depths=depths,
        peak=peak,
        peak_at=peak_at,
        capacity=sum(capacities.values()) if capacities else None,
        utilisation=max(_utilisations(samples), default=None),
    )


def _utilisations(samples: list[Record]) -> list[Fraction]:
    """Of each service in each interval: its load as a share of what it can take (FL-076)."""
    return [
        Fraction(row["requests"] * 60, row["interval_s"] * row["capacity_rpm"])
        for row in samples
        if row["requests"] is not None and row["interval_s"] and row["capacity_rpm"]
    ]


def _incidents(facts: Facts) -> list[Span]:
    """Known incidents; one that has not ended lasts until the as-of time."""
    return [
        (row["started_at"], row["ended_at"] or facts.as_of)
        for row in facts.extracts.incidents
        if row["started_at"] < facts.as_of
    ]


def _union(spans: list[Span], window: Window) -> timedelta:
    """Time under at least one span, clipped to the window (X-23)."""
    total, reached = timedelta(0), window.start
    for began, ended in sorted(spans):
        start, stop = max(began, reached), min(ended, window.end)
        if stop > start:
            total += stop - start
            reached = stop
    return total


def _peak(facts: Facts, window: Window) -> tuple[Fraction | None, datetime | None]:
    """The greatest load of the services together in one interval, requests a minute (FL-075)."""
    loads: dict[datetime, Fraction] = {}
    for row in facts.extracts.health:
        if window.holds(row["timestamp"]) and row["requests"] is not None:
            rate = Fraction(row["requests"] * 60, row["interval_s"] or 60)
            loads[row["timestamp"]] = loads.get(row["timestamp"], Fraction(0)) + rate
    if not loads:
        return None, None
    at = min(loads, key=lambda moment: (-loads[moment], moment))
    return loads[at], at


@dataclass(frozen=True, kw_only=True)
class Forecast:
    """The last seven complete days carried on (FL-060..062), from 14 days of use on."""

    current: Decimal | None
    previous: Decimal | None
    history_days: int

    @property
    def is_shown(self) -> bool:
        return self.history_days >= 14

    @property
    def monthly(self) -> Fraction | None:
        if self.current is None or not self.is_shown:
            return None
        return Fraction(self.current) * 52 / 12

    def by_days(self, month: int) -> Fraction | None:
        """A seventh of the week for each of the days of a month."""
        if self.current is None or not self.is_shown:
            return None
        return Fraction(self.current) * month / 7

    @property
    def change(self) -> Fraction | None:
        if self.current is None or self.previous is None or not self.is_shown:
            return None
        return ratio(self.current - self.previous, self.previous)
