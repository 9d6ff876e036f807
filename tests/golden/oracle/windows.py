"""The question a dataset is asked: whose rows, of which local days.

Belongs here: periods, local days and buckets in a time zone, and which rows a scope owns. Does not
belong here: what is counted.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Protocol
from zoneinfo import ZoneInfo

_DAY = timedelta(days=1)


class Owned(Protocol):
    """A row that belongs to somebody."""

    @property
    def tenant(self) -> str | None: ...

    @property
    def publisher(self) -> str | None: ...

    @property
    def agent(self) -> str | None: ...


@dataclass(frozen=True, kw_only=True)
class Scope:
    """Platform, one tenant or one publisher; perhaps one agent of it."""

    kind: str
    id: str | None = None
    agent: str | None = None

    @classmethod
    def of(cls, text: str, agent: str | None = None) -> Scope:
        kind, _, identifier = text.partition(":")
        return cls(kind=kind, id=identifier or None, agent=agent)

    def owns(self, row: Owned) -> bool:
        if self.agent is not None and row.agent != self.agent:
            return False
        owner = {"platform": None, "tenant": row.tenant, "publisher": row.publisher}[self.kind]
        return owner == self.id


@dataclass(frozen=True, kw_only=True)
class Window:
    """Local days from ``first`` to before ``after``, cut at the as-of time (X-02, D-10)."""

    first: date
    after: date
    zone: str
    as_of: datetime
    unit: str | None = None
    cut_from: datetime | None = None
    cut_at: datetime | None = None

    @property
    def start(self) -> datetime:
        return self.cut_from or instant(self.first, self.zone)

    @property
    def end(self) -> datetime:
        """The instant after the last one that counts."""
        whole_end = instant(self.after, self.zone)
        return max(self.start, min(whole_end, self.cut_at or self.as_of))

    @property
    def length(self) -> timedelta:
        """On the wall clock: a local day is one, however many hours it has."""
        zone = ZoneInfo(self.zone)
        return self.end.astimezone(zone).replace(tzinfo=None) - self.start.astimezone(zone).replace(
            tzinfo=None
        )

    @property
    def is_partial(self) -> bool:
        return self.end < instant(self.after, self.zone)

    @property
    def period_days(self) -> int:
        return (self.after - self.first).days

    def holds(self, moment: datetime) -> bool:
        return self.start <= moment < self.end

    def day_of(self, moment: datetime) -> date:
        return moment.astimezone(ZoneInfo(self.zone)).date()

    def days(self) -> list[date]:
        """Every local day until the as-of day."""
        last = min(self.after - _DAY, self.day_of(self.as_of))
        return [self.first + number * _DAY for number in range((last - self.first).days + 1)]

    def previous(self) -> Window:
        """The period before: as long, or the calendar period before; cut as far in (X-06, D-10)."""
        if self.unit is None:
            first = self.first - (self.after - self.first)
        else:
            first = start_of(self.unit, self.first - _DAY)
        whole = replace(self, first=first, after=self.first, cut_at=None)
        if not self.is_partial:
            return whole
        local_end = self.as_of.astimezone(ZoneInfo(self.zone)).replace(tzinfo=None)
        elapsed = local_end - datetime.combine(self.first, time.min)
        cut = datetime.combine(first, time.min) + elapsed
        return replace(whole, cut_at=min(local_instant(cut, self.zone), self.start))

    def at(self, day: date) -> Window:
        return replace(self, first=day, after=day + _DAY, unit="day", cut_at=None)

    def buckets(self, bucket: str) -> Iterator[tuple[datetime, Window]]:
        """When each bucket of the window began, and the part of it inside the window."""
        start = self.start
        while start < self.end:
            after = min(_next_bucket(start, bucket, self.zone), self.end)
            yield (
                _bucket_start(start, bucket, self.zone),
                replace(self, cut_from=start, cut_at=after),
            )
            start = after


def parse_period(text: str, *, as_of: datetime, zone: str) -> Window:
    """The forms of --period: Nd, day, week, month, year, 2026-03, 2026-W12, 2026, date..date."""
    today = as_of.astimezone(ZoneInfo(zone)).date()
    base = Window(first=today, after=today, zone=zone, as_of=as_of)
    if ".." in text:
        first, last = (date.fromisoformat(part) for part in text.split(".."))
        return replace(base, first=first, after=last + _DAY)
    if text.endswith("d"):
        return replace(base, first=today - int(text[:-1]) * _DAY)
    unit, day = _calendar(text, today)
    first = start_of(unit, day)
    return replace(base, first=first, after=_start_of_next(unit, first), unit=unit)


def _calendar(text: str, today: date) -> tuple[str, date]:
    if text in ("day", "week", "month", "year"):
        return text, today
    if "-W" in text:
        year, week = text.split("-W")
        return "week", date.fromisocalendar(int(year), int(week), 1)
    if len(text) == 4:
        return "year", date(int(text), 1, 1)
    return "month", date.fromisoformat(f"{text}-01")


def start_of(unit: str, day: date) -> date:
    match unit:
        case "week":
            return day - timedelta(days=day.weekday())
        case "month":
            return day.replace(day=1)
        case "year":
            return day.replace(month=1, day=1)
        case _:
            return day


def _start_of_next(unit: str, first: date) -> date:
    longest = {"day": 1, "week": 7, "month": 31, "year": 366}
    return start_of(unit, first + timedelta(days=longest[unit]))


def instant(day: date, zone: str) -> datetime:
    return local_instant(datetime.combine(day, time.min), zone)


def local_instant(wall: datetime, zone: str) -> datetime:
    return wall.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)


def _bucket_start(moment: datetime, bucket: str, zone: str) -> datetime:
    if bucket == "hour":
        return moment.replace(minute=0, second=0, microsecond=0) + _odd_minutes(moment, zone)
    return instant(start_of(bucket, moment.astimezone(ZoneInfo(zone)).date()), zone)


def _odd_minutes(moment: datetime, zone: str) -> timedelta:
    """Local hours of zones like Kolkata's begin at the half hour of UTC."""
    local = moment.astimezone(ZoneInfo(zone))
    return timedelta(minutes=(moment.minute - local.minute) % 60)


def _next_bucket(start: datetime, bucket: str, zone: str) -> datetime:
    if bucket == "hour":
        return _bucket_start(start, bucket, zone) + timedelta(hours=1)
    day = start.astimezone(ZoneInfo(zone)).date()
    return instant(_start_of_next(bucket, start_of(bucket, day)), zone)


Json = Any
Document = Mapping[str, Json]
