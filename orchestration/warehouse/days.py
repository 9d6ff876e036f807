"""A range of event days that somebody asks to be built again.

Belongs here: reading such a range, and holding it to the days that there can be events of. Does not belong
here: which other days depend on them (models/intermediate), and periods of reports (reporting/periods).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from orchestration.errors import UserError
from orchestration.ingest.ledger import LedgerEntry

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_DAY = timedelta(days=1)


@dataclass(frozen=True, kw_only=True)
class DayRange:
    """UTC days from ``first``, up to and without ``end``."""

    first: date
    end: date

    @classmethod
    def of_days(cls, *, first: date, last: date) -> DayRange:
        """Both days, and those between."""
        return cls(first=first, end=last + _DAY)

    def __str__(self) -> str:
        return f"{self.first} up to {self.end}"

    def days(self) -> list[date]:
        return [self.first + number * _DAY for number in range((self.end - self.first).days)]


def parse_days(*, first: str | None, end: str | None, as_of: datetime) -> DayRange | None:
    """Read ``--from`` and ``--to``; None when neither is given.

    Raises:
        UserError: one is missing or not a date, they hold no day, or a day that has not begun.
    """
    if first is None and end is None:
        return None
    if first is None or end is None:
        given, missing = ("--from", "--to") if end is None else ("--to", "--from")
        raise UserError(
            f"{given} is given without {missing}; event days are built again from --from up to and"
            " without --to"
        )
    days = DayRange(first=_parse(first, "--from"), end=_parse(end, "--to"))
    if days.first >= days.end:
        raise UserError(
            f"--from {first} --to {end} holds no day: --to is the day after the last one, so the"
            f" day {first} alone is --from {first} --to {days.first + _DAY}"
        )
    today = as_of.astimezone(UTC).date()
    if days.end > today + _DAY:
        raise UserError(
            f"--to is {end}, which lies in the future at {as_of:%Y-%m-%d %H:%M} UTC; the last day"
            f" that has begun is built with --to {today + _DAY}"
        )
    return days


def check_days(days: DayRange | None, *, entries: Sequence[LedgerEntry]) -> None:
    """Refuse a range that ends before the first event that is loaded.

    Raises:
        UserError: there is no event of the range or before it; the message names the first day.
    """
    loaded = [
        day for entry in entries for landed in entry.streams.values() for day in landed.event_dates
    ]
    if days is not None and loaded and str(days.end) <= min(loaded):
        raise UserError(
            f"--from {days.first} --to {days.end} ends before all data: the first event day that is"
            f" loaded is {min(loaded)}"
        )


def _parse(text: str, option: str) -> date:
    # fromisoformat reads 20260201 and 2026-W05-7 too, which may be typing errors.
    if _DATE.fullmatch(text):
        try:
            return date.fromisoformat(text)
        except ValueError:
            pass
    raise UserError(
        f"{option} is {text!r}, which is not a date; use YYYY-MM-DD, such as 2026-02-01"
    )
