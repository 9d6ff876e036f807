"""Periods, time zones and the as-of time: from what a person types to a half-open local window.

Belongs here: every form of ``--period``, ``--tz`` and ``--as-of``, and what the previous period is.
Does not belong here: any reading of data, and the standard windows that dbt builds for every scope.

A window is given to the warehouse as local wall times plus the as-of time. The as-of time is what
ends an open period; it is never turned into a local wall time for that, because the hour that a
clock change repeats has two instants for one wall time.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from difflib import get_close_matches
from enum import StrEnum
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from orchestration.errors import UserError

ALLOWED_PERIODS = (
    "Nd (such as 7d, 30d, 90d), day, week, month, year, YYYY-MM, YYYY-Www, YYYY, "
    "or YYYY-MM-DD..YYYY-MM-DD"
)

_ROLLING = re.compile(r"(\d{1,6})d")
_YEAR = re.compile(r"\d{4}")
_MONTH = re.compile(r"(\d{4})-(\d{2})")
_ISO_WEEK = re.compile(r"(\d{4})-W(\d{2})")
_RANGE = re.compile(r"(\d{4}-\d{2}-\d{2})\.\.(\d{4}-\d{2}-\d{2})")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")

# Older days hold no telemetry, and the arithmetic of calendars stays far from the first year.
_EARLIEST = date(1900, 1, 1)

_DAY = timedelta(days=1)


class WindowKind(StrEnum):
    """How a window came about; it decides what the period before it is."""

    ROLLING = "rolling"
    CALENDAR = "calendar"
    CUSTOM = "custom"
    TRAILING = "trailing"


class _Unit(StrEnum):
    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    YEAR = "year"


@dataclass(frozen=True, kw_only=True)
class Window:
    """A half-open stretch of local days, as one figure or one series is asked for.

    ``start_local`` and ``end_local`` are wall times in ``time_zone``. An open period
    (``is_partial``) reaches to the end of the last day of which anything is over, and its data end at
    ``as_of``; ``period_days`` is the length of the period when it will be complete. ``label`` is the
    period as the person wrote it.
    """

    start_local: datetime
    end_local: datetime
    time_zone: str
    kind: WindowKind
    label: str
    period_days: int
    is_partial: bool
    as_of: datetime
    unit: str | None = None

    @property
    def first_day(self) -> date:
        """The first local day."""
        return self.start_local.date()

    @property
    def last_day(self) -> date:
        """The last local day that may hold data; the day before the first one when none may."""
        return (self.end_local - timedelta(microseconds=1)).date()

    @property
    def last_period_day(self) -> date:
        """The last local day of the period when it is complete (D-42)."""
        return self.first_day + timedelta(days=self.period_days - 1)

    @property
    def last_second(self) -> datetime:
        """The last second of the period when it is complete, in UTC (D-42)."""
        end = _midnight(self.last_period_day + _DAY)
        return _to_utc(end, self.time_zone) - timedelta(seconds=1)

    @property
    def start_at(self) -> datetime:
        """The first instant, in UTC."""
        return _to_utc(self.start_local, self.time_zone)

    @property
    def end_at(self) -> datetime:
        """The first instant after the window, in UTC, never after the as-of time."""
        return max(self.start_at, min(_to_utc(self.end_local, self.time_zone), self.as_of))

    def days(self) -> tuple[date, ...]:
        """Every local day of the window, in order."""
        count = (self.last_day - self.first_day).days + 1
        return tuple(self.first_day + offset * _DAY for offset in range(count))

    def previous(self) -> Window:
        """The period to compare with: the one of equal length before it, or the calendar period
        before it.

        The period before an open one is cut where the open one stands: after the same elapsed wall
        time, so that a half month is never compared with a whole one (X-06, D-10).
        """
        if self.unit is not None:
            start = _start_of_previous(_Unit(self.unit), self.first_day)
        else:
            start = self.first_day - timedelta(days=self.period_days)
        return self._moved_to(start, whole_end=self.start_local)

    def year_before(self) -> Window:
        """The same dates of the year before; of an open period, as much as has elapsed of it."""
        end = _year_before(self.last_period_day + _DAY)
        return self._moved_to(_year_before(self.first_day), whole_end=_midnight(end))

    def trailing(self, length: timedelta) -> Window:
        """What has passed most recently before the as-of time, by the clock and not by days.

        Its wall times are UTC: in a zone whose clock changed meanwhile they would not be unique.
        """
        end = self.as_of.astimezone(UTC).replace(tzinfo=None)
        return replace(
            self,
            start_local=end - length,
            end_local=end,
            time_zone="UTC",
            kind=WindowKind.TRAILING,
            unit=None,
            is_partial=False,
        )

    def as_of_day(self) -> Window:
        """The local day that holds the as-of time, up to it."""
        return parse_period(_Unit.DAY, as_of=self.as_of, time_zone=self.time_zone)

    def _moved_to(self, start: date, *, whole_end: datetime) -> Window:
        length = (whole_end.date() - start).days
        if self.is_partial:
            as_of_local = self.as_of.astimezone(ZoneInfo(self.time_zone)).replace(tzinfo=None)
            elapsed = max(as_of_local - self.start_local, timedelta(0))
            end = min(_midnight(start) + elapsed, whole_end)
        else:
            end = whole_end
        return replace(
            self,
            start_local=_midnight(start),
            end_local=end,
            label=_explicit_label(self.unit, start, length),
            period_days=length,
            is_partial=end < whole_end,
        )

    def until_as_of(self) -> Window:
        """The window with its end moved to the as-of time, for what stands as it does now."""
        today = self.as_of.astimezone(ZoneInfo(self.time_zone)).date()
        end = _midnight(max(self.first_day, today) + _DAY)
        return replace(self, end_local=end, kind=WindowKind.CUSTOM, unit=None, is_partial=True)


def check_zone(name: str) -> str:
    """Return ``name`` when it is an IANA time zone.

    Raises:
        UserError: it is not; the message offers the closest names.
    """
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        close = get_close_matches(name, sorted(available_timezones()), n=3, cutoff=0.5)
        hint = f"; did you mean {', '.join(close)}?" if close else ""
        raise UserError(
            f"unknown time zone {name!r}: use an IANA name such as Europe/Berlin or UTC{hint}"
        ) from error
    return name


def parse_as_of(text: str, *, time_zone: str) -> datetime:
    """Turn ``--as-of`` into an instant, in UTC.

    A date is that day's start in ``time_zone`` (D-40); so is, for the same reason, a time without
    an offset a wall time there.

    Raises:
        UserError: the text is neither a date nor an ISO 8601 timestamp.
    """
    try:
        if _DATE.fullmatch(text):
            return _to_utc(_midnight(date.fromisoformat(text)), time_zone)
        moment = datetime.fromisoformat(text)
        return moment.astimezone(UTC) if moment.tzinfo else _to_utc(moment, time_zone)
    except (ValueError, OverflowError) as error:
        raise UserError(
            f"--as-of is {text!r}, which is not a time; use a date (2026-03-01) or an ISO 8601 "
            "timestamp (2026-03-01T06:00:00Z)"
        ) from error


def parse_period(
    text: str, *, as_of: datetime, time_zone: str, includes_open_day: bool = False
) -> Window:
    """Turn ``--period`` into the window that it means at ``as_of`` in ``time_zone``.

    ``Nd`` ends before the as-of day or, where it is to include the open day, with it (X-02).

    Raises:
        UserError: the text is no period, or includes an open day without being a number of days;
            the message names what is allowed.
    """
    if includes_open_day and not _ROLLING.fullmatch(text):
        raise UserError(
            f"period {text!r} is no number of days, so leave out --include-open-day or use 7d or any Nd"
        )
    try:
        window = _parse(text, as_of=as_of, time_zone=time_zone, open_days=int(includes_open_day))
    except (ValueError, OverflowError):
        window = None
    if window is None:
        raise UserError(f"unknown period {text!r}: use {ALLOWED_PERIODS}")
    if window.first_day < _EARLIEST:
        raise UserError(f"period {text!r} begins before {_EARLIEST}; choose a later start")
    return window


def _parse(text: str, *, as_of: datetime, time_zone: str, open_days: int) -> Window | None:
    today = as_of.astimezone(ZoneInfo(time_zone)).date()

    def build(kind: WindowKind, *, start: date, end: date, unit: _Unit | None = None) -> Window:
        is_partial = _to_utc(_midnight(end), time_zone) > as_of
        last = max(start, min(end, _first_day_after(as_of, time_zone))) if is_partial else end
        return Window(
            start_local=_midnight(start),
            end_local=_midnight(last),
            time_zone=time_zone,
            kind=kind,
            label=text,
            period_days=(end - start).days,
            is_partial=is_partial,
            as_of=as_of,
            unit=unit.value if unit else None,
        )

    def calendar(unit: _Unit, day: date) -> Window:
        start = _start_of(unit, day)
        return build(WindowKind.CALENDAR, start=start, end=_start_of_next(unit, start), unit=unit)

    if match := _ROLLING.fullmatch(text):
        days = int(match[1])
        if days < 1:
            return None
        end = today + open_days * _DAY
        return build(WindowKind.ROLLING, start=end - timedelta(days=days), end=end)
    if text in tuple(_Unit):
        return calendar(_Unit(text), today)
    if match := _MONTH.fullmatch(text):
        return calendar(_Unit.MONTH, date(int(match[1]), int(match[2]), 1))
    if match := _ISO_WEEK.fullmatch(text):
        return calendar(_Unit.WEEK, date.fromisocalendar(int(match[1]), int(match[2]), 1))
    if _YEAR.fullmatch(text):
        return calendar(_Unit.YEAR, date(int(text), 1, 1))
    if match := _RANGE.fullmatch(text):
        first, last = date.fromisoformat(match[1]), date.fromisoformat(match[2])
        if last < first:
            raise UserError(f"period {text!r} ends before it starts; write the earlier date first")
        return build(WindowKind.CUSTOM, start=first, end=last + _DAY)
    return None


def _start_of(unit: _Unit, day: date) -> date:
    match unit:
        case _Unit.DAY:
            return day
        case _Unit.WEEK:
            return day - timedelta(days=day.weekday())
        case _Unit.MONTH:
            return day.replace(day=1)
        case _Unit.YEAR:
            return day.replace(month=1, day=1)


def _start_of_next(unit: _Unit, start: date) -> date:
    longest = {_Unit.DAY: 1, _Unit.WEEK: 7, _Unit.MONTH: 31, _Unit.YEAR: 366}
    return _start_of(unit, start + timedelta(days=longest[unit]))


def _start_of_previous(unit: _Unit, start: date) -> date:
    return _start_of(unit, start - _DAY)


def _year_before(day: date) -> date:
    """The same date a year earlier; 28 February for the 29th."""
    is_leap_day = (day.month, day.day) == (2, 29)
    return day.replace(year=day.year - 1, day=28 if is_leap_day else day.day)


def _explicit_label(unit: str | None, start: date, length: int) -> str:
    match unit:
        case _Unit.WEEK:
            year, week, _ = start.isocalendar()
            return f"{year:04d}-W{week:02d}"
        case _Unit.MONTH:
            return f"{start:%Y-%m}"
        case _Unit.YEAR:
            return f"{start:%Y}"
        case _:
            return f"{start.isoformat()}..{(start + timedelta(days=length - 1)).isoformat()}"


def _first_day_after(moment: datetime, time_zone: str) -> date:
    """The first local day that nothing before the moment is in: a midnight begins its own."""
    return (moment - timedelta(microseconds=1)).astimezone(ZoneInfo(time_zone)).date() + _DAY


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time.min)


def _to_utc(local: datetime, time_zone: str) -> datetime:
    return local.replace(tzinfo=ZoneInfo(time_zone)).astimezone(UTC)
