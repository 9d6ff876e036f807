"""Which periods of a report are due: the last complete one, and those that were missed before it.

Belongs here: calendar arithmetic on the local dates of a zone. Does not belong here: who wants a
report (run), and rows (gather, gather_many).

A period is over once its zone has reached the day after it, so a day of 23 or 25 hours is a day
like any other. Weeks begin on Monday.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from orchestration.reporting.model import Frequency
from orchestration.reporting.periods import Window, parse_period

# How many missed periods are caught up. Whoever was away for longer gets the last ones, not a flood.
MOST_MISSED: Mapping[Frequency, int] = {
    Frequency.DAILY: 7,
    Frequency.WEEKLY: 4,
    Frequency.MONTHLY: 3,
}

_DAY = timedelta(days=1)


@dataclass(frozen=True, kw_only=True)
class DuePeriod:
    """The local days that one report covers, ``end_day`` the first that it does not."""

    frequency: Frequency
    first_day: date
    end_day: date

    @property
    def name(self) -> str:
        """``2026-03-01``, ``2026-W09`` or ``2026-02``; within a frequency in order of time."""
        match self.frequency:
            case Frequency.DAILY:
                return self.first_day.isoformat()
            case Frequency.WEEKLY:
                year, week, _ = self.first_day.isocalendar()
                return f"{year:04d}-W{week:02d}"
            case Frequency.MONTHLY:
                return f"{self.first_day:%Y-%m}"

    def window(self, *, as_of: datetime, time_zone: str) -> Window:
        """The period in a zone, as a window that the table functions take."""
        is_day = self.frequency is Frequency.DAILY
        text = f"{self.name}..{self.name}" if is_day else self.name
        return parse_period(text, as_of=as_of, time_zone=time_zone)


def due_periods(
    frequency: Frequency,
    *,
    as_of: datetime,
    time_zone: str,
    made: Collection[str] = (),
    failed: Collection[str] = (),
) -> tuple[DuePeriod, ...]:
    """The periods of which a report should exist, oldest first; the last is the last complete one.

    ``made`` and ``failed`` name the periods that were made, and tried in vain, before. Between the
    last one made and the last complete one lie those that were missed. Where none was made before,
    none was missed.
    """
    today = as_of.astimezone(ZoneInfo(time_zone)).date()
    period = _last_complete(frequency, today)
    periods = [period]
    if made:
        last_made = max(made)
        for _ in range(MOST_MISSED[frequency]):
            period = _last_complete(frequency, period.first_day)
            if period.name > last_made or period.name in failed:
                periods.append(period)
    return tuple(reversed(periods))


def _last_complete(frequency: Frequency, today: date) -> DuePeriod:
    """The last period that was over when this day began."""
    match frequency:
        case Frequency.DAILY:
            first, end = today - _DAY, today
        case Frequency.WEEKLY:
            end = today - timedelta(days=today.weekday())
            first = end - timedelta(days=7)
        case Frequency.MONTHLY:
            end = today.replace(day=1)
            first = (end - _DAY).replace(day=1)
    return DuePeriod(frequency=frequency, first_day=first, end_day=end)
