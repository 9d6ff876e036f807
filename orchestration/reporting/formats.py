"""How figures and dates are written for people: units, thousands, durations, money.

Belongs here: text of one value, its change and the reading of that change. Does not belong here:
which figures a report has (sections) or where they stand on a page (templates).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import ROUND_DOWN, ROUND_HALF_UP, Decimal
from enum import StrEnum
from zoneinfo import ZoneInfo

from orchestration.reporting.standards import read_standards

Number = Decimal | int

MISSING = "–"
_MINUS = "−"
_MONTHS = (
    "Jan",
    "Feb",
    "Mar",
    "Apr",
    "May",
    "Jun",
    "Jul",
    "Aug",
    "Sep",
    "Oct",
    "Nov",
    "Dec",
)
_LONG_MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)
# Each style of writing is named by an example of itself.
NUMBER_STYLES = ("1,234.56", "1.234,56", "1 234,56", "1'234.56", "1234.56")
DATE_STYLES = ("Mar 1, 2026", "1 Mar 2026", "01.03.2026", "01/03/2026", "2026-03-01")
_NO_BREAK_SPACE = "\u00a0"


@dataclass(frozen=True, kw_only=True)
class TextStyle:
    """How numbers and dates are written, each by an example of the style."""

    numbers: str = NUMBER_STYLES[0]
    dates: str = DATE_STYLES[0]

    def number(self, text: str) -> str:
        """A number with commas between thousands and a point, in this style."""
        group = self.numbers.removesuffix("56")[1:-4].replace(" ", _NO_BREAK_SPACE)
        point = self.numbers[-3]
        return text.translate({ord(","): group, ord("."): point})


PLAIN = TextStyle()
_STYLE: ContextVar[TextStyle] = ContextVar("style", default=PLAIN)


@contextmanager
def written_as(style: TextStyle) -> Iterator[None]:
    """Write numbers and dates in this style meanwhile, like the context of decimal arithmetic."""
    token = _STYLE.set(style)
    try:
        yield
    finally:
        _STYLE.reset(token)


class Unit(StrEnum):
    """What a number measures, which decides how it is written."""

    COUNT = "count"
    AVERAGE = "average"
    TOKENS = "tokens"
    USD = "usd"
    FRACTION = "fraction"
    PERCENT = "percent"
    UPTIME = "uptime"
    MILLISECONDS = "ms"
    SECONDS = "s"
    RATING = "rating"
    TOKENS_PER_SECOND = "tokens_per_second"


_RATES = frozenset({Unit.FRACTION, Unit.UPTIME})


class Direction(StrEnum):
    """The sign of a change, flat inside the band of X-06."""

    UP = "up"
    DOWN = "down"
    FLAT = "flat"


class Assessment(StrEnum):
    """Whether a change is welcome; neutral where a metric has no better side."""

    IMPROVING = "improving"
    WORSENING = "worsening"
    STABLE = "stable"
    NEUTRAL = "neutral"


@dataclass(frozen=True, kw_only=True)
class Change:
    """A figure against the same figure of the previous window."""

    previous: Number
    absolute: Number
    relative: Decimal | None
    direction: Direction
    assessment: Assessment
    text: str

    @property
    def arrow(self) -> str:
        return {Direction.UP: "↑", Direction.DOWN: "↓", Direction.FLAT: "→"}[self.direction]

    @property
    def verdict(self) -> str:
        """The reading in a word, so that a page in greyscale loses nothing."""
        if self.absolute == 0:
            return ""
        return {
            Assessment.IMPROVING: "better",
            Assessment.WORSENING: "worse",
            Assessment.STABLE: "stable",
            Assessment.NEUTRAL: "",
        }[self.assessment]


def format_value(value: Number | None, unit: Unit) -> str:
    """The value with its unit, rounded half up; an en dash for an unknown one."""
    if value is None:
        return MISSING
    sign = _MINUS if value < 0 else ""
    size = abs(Decimal(value))
    match unit:
        case Unit.COUNT:
            return sign + _fixed(size, 0)
        case Unit.AVERAGE:
            return sign + _fixed(size, 0 if size >= 100 or size == int(size) else 1)
        case Unit.TOKENS:
            return sign + _abbreviated(size)
        case Unit.USD:
            return sign + _money(size)
        case Unit.FRACTION:
            return f"{sign}{_fixed(size * 100, 1)}%"
        case Unit.PERCENT:
            return f"{sign}{_fixed(size, 0 if size >= 100 else 1)}%"
        case Unit.UPTIME:
            # Cut, not rounded: 99.995 % of the time must not read as all of it.
            return f"{_fixed(size * 100, 2, rounding=ROUND_DOWN)}%"
        case Unit.MILLISECONDS:
            return sign + _milliseconds(size)
        case Unit.SECONDS:
            return sign + format_duration(size)
        case Unit.RATING:
            return sign + _fixed(size, 2)
        case Unit.TOKENS_PER_SECOND:
            return f"{sign}{_fixed(size, 1)}/s"


def format_round_money(value: Number) -> str:
    """An amount for running text: whole dollars from 100 on, ``$18,000``."""
    if abs(Decimal(value)) < 100:
        return format_value(value, Unit.USD)
    sign = _MINUS if value < 0 else ""
    return f"{sign}${_fixed(abs(Decimal(value)), 0)}"


def format_duration(seconds: Number) -> str:
    """``2h 30m`` from an hour on, ``8m 32s`` from a minute on, else seconds."""
    whole = int(Decimal(seconds).quantize(Decimal(1), rounding=ROUND_HALF_UP))
    if whole >= 3600:
        minutes = int((Decimal(seconds) / 60).quantize(Decimal(1), rounding=ROUND_HALF_UP))
        return f"{minutes // 60}h {minutes % 60:02d}m"
    if whole >= 60:
        return f"{whole // 60}m {whole % 60:02d}s"
    if seconds < 10 and seconds != int(seconds):
        return f"{_fixed(seconds, 1)}s"
    return f"{whole}s"


def compare(
    current: Number | None,
    previous: Number | None,
    *,
    unit: Unit,
    higher_is_better: bool | None,
) -> Change | None:
    """The change from the previous window to this one (X-06); None where either is unknown."""
    if current is None or previous is None:
        return None
    absolute = current - previous
    relative = None if previous == 0 else Decimal(absolute) / abs(Decimal(previous))
    direction = _direction(absolute, relative, unit=unit)
    return Change(
        previous=previous,
        absolute=absolute,
        relative=relative,
        direction=direction,
        assessment=_assessment(direction, higher_is_better),
        text=_change_text(absolute, relative, unit=unit),
    )


def format_day(day: date) -> str:
    """``Mar 1, 2026``, or as the style of the report says."""
    name = _MONTHS[day.month - 1]
    match _STYLE.get().dates:
        case "1 Mar 2026":
            return f"{day.day} {name} {day.year}"
        case "01.03.2026":
            return f"{day:%d.%m.}{day.year}"
        case "01/03/2026":
            return f"{day:%d/%m/}{day.year}"
        case "2026-03-01":
            return day.isoformat()
        case _:
            return f"{name} {day.day}, {day.year}"


def format_short_day(day: date) -> str:
    """``Mar 1``, for axes and tables inside one period."""
    name = _MONTHS[day.month - 1]
    match _STYLE.get().dates:
        case "1 Mar 2026":
            return f"{day.day} {name}"
        case "01.03.2026":
            return f"{day:%d.%m.}"
        case "01/03/2026":
            return f"{day:%d/%m}"
        case "2026-03-01":
            return f"{day:%m-%d}"
        case _:
            return f"{name} {day.day}"


def format_short_days(first: date, last: date) -> str:
    """Both ends inclusive, without the year: ``Feb 1–7``."""
    if first == last:
        return format_short_day(first)
    style = _STYLE.get().dates
    if first.month == last.month and style == DATE_STYLES[0]:
        return f"{format_short_day(first)}–{last.day}"
    if first.month == last.month and style == "1 Mar 2026":
        return f"{first.day}–{format_short_day(last)}"
    return f"{format_short_day(first)} – {format_short_day(last)}"


def format_days(first: date, last: date) -> str:
    """Both ends inclusive: ``Feb 23 – Mar 1, 2026``, ``Jan 15–21, 2026``, ``Mar 1, 2026``."""
    if first == last:
        return format_day(first)
    style = _STYLE.get().dates
    if first.year != last.year or style == "2026-03-01":
        return f"{format_day(first)} – {format_day(last)}"
    if first.month == last.month and style == DATE_STYLES[0]:
        return f"{format_short_day(first)}–{last.day}, {last.year}"
    if first.month == last.month and style == "1 Mar 2026":
        return f"{first.day}–{format_day(last)}"
    return f"{format_short_day(first)} – {format_day(last)}"


def format_month(day: date) -> str:
    """``February 2026``."""
    return f"{_LONG_MONTHS[day.month - 1]} {day.year}"


def format_instant(instant: datetime, zone: str) -> str:
    """A UTC instant on the wall clock of a zone: ``Mar 2, 2026, 07:00 (Europe/Berlin)``."""
    return f"{format_clock(instant, zone)} ({zone})"


def format_clock(instant: datetime, zone: str) -> str:
    """The same without the zone, where it stands beside."""
    local = instant.astimezone(ZoneInfo(zone))
    return f"{format_day(local.date())}, {local:%H:%M}"


def plural(count: Number, singular: str) -> str:
    """``1 agent``, ``12 agents``."""
    word = singular if count == 1 else f"{singular}s"
    return f"{format_value(count, Unit.COUNT)} {word}"


def shorten(text: str, limit: int) -> str:
    """The text on one line, cut with an ellipsis when it is longer than the limit."""
    line = " ".join(text.split())
    return line if len(line) <= limit else f"{line[: limit - 1].rstrip()}…"


def days_between(first: date, end: date) -> tuple[date, ...]:
    """Every day from first up to, not including, end."""
    return tuple(first + timedelta(days=offset) for offset in range((end - first).days))


def _fixed(value: Number, places: int, *, rounding: str = ROUND_HALF_UP) -> str:
    text = f"{Decimal(value).quantize(Decimal(1).scaleb(-places), rounding=rounding):,}"
    return text if _STYLE.get() is PLAIN else _STYLE.get().number(text)


def _money(size: Number) -> str:
    if size != 0 and size < Decimal("0.00005"):
        return f"<${_fixed(Decimal('0.0001'), 4)}"
    return f"${_fixed(size, 4 if 0 < size < Decimal('0.01') else 2)}"


def _abbreviated(size: Number) -> str:
    if size < 10_000:
        return _fixed(size, 0)
    for limit, divisor, suffix in ((999_950, 10**3, "K"), (999_950_000, 10**6, "M")):
        if size < limit:
            return f"{_fixed(Decimal(size) / divisor, 1)}{suffix}"
    return f"{_fixed(Decimal(size) / 10**9, 1)}B"


def _milliseconds(size: Number) -> str:
    if size < Decimal("999.5"):
        return f"{_fixed(size, 0)} ms"
    if size < 59_950:
        return f"{_fixed(Decimal(size) / 1000, 1)} s"
    return format_duration(Decimal(size) / 1000)


def _direction(absolute: Number, relative: Decimal | None, *, unit: Unit) -> Direction:
    if absolute == 0:
        return Direction.FLAT
    if unit in _RATES:
        flat = abs(Decimal(absolute)) < read_standards().flat_rate_change
    else:
        flat = relative is not None and abs(relative) < read_standards().flat_relative_change
    if flat:
        return Direction.FLAT
    return Direction.UP if absolute > 0 else Direction.DOWN


def _assessment(direction: Direction, higher_is_better: bool | None) -> Assessment:
    if direction is Direction.FLAT:
        return Assessment.STABLE
    if higher_is_better is None:
        return Assessment.NEUTRAL
    rising = direction is Direction.UP
    return Assessment.IMPROVING if rising is higher_is_better else Assessment.WORSENING


def _change_text(absolute: Number, relative: Decimal | None, *, unit: Unit) -> str:
    if absolute == 0:
        return "unchanged"
    sign = "+" if absolute > 0 else _MINUS
    if unit in _RATES:
        places = 1 if unit is Unit.FRACTION else 2
        return f"{sign}{_fixed(abs(Decimal(absolute) * 100), places)} pts"
    if relative is None:
        return "from 0"
    if abs(relative) >= 10:
        return f"{sign}{_fixed(abs(relative) + (1 if absolute > 0 else 0), 0)}×"
    return f"{sign}{_fixed(abs(relative) * 100, 1)}%"
