"""Revenue and adoption: charges, refunds, fees, installs, active tenants and their retention.

Belongs here: figures over charges and install events, and who was active. Does not belong here:
what the usage costs us (usage.py), and the shape of any dataset.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction

from tests.golden.oracle.facts import Charge, Facts
from tests.golden.oracle.numbers import ratio
from tests.golden.oracle.usage import within
from tests.golden.oracle.windows import Scope, Window, start_of


@dataclass(frozen=True, kw_only=True)
class Money:
    """Charges and refunds of a window, in dollars at the day of each (D-21).

    Where the source never charges, nothing is known of revenue and every sum is None (X-09).
    """

    rows: list[Charge]
    is_known: bool

    def _sum(self, values: Iterable[Decimal | None]) -> Decimal | None:
        known = [value for value in values if value is not None]
        return sum(known, Decimal(0)) if self.is_known else None

    @property
    def gross(self) -> Decimal | None:
        return self._sum(row.usd for row in self.rows if not row.is_refund)

    @property
    def refunds(self) -> Decimal | None:
        return self._sum(row.usd for row in self.rows if row.is_refund)

    @property
    def net(self) -> Decimal | None:
        return self._sum(_signed(row.usd, row) for row in self.rows)

    @property
    def fees(self) -> Decimal | None:
        """Fees of charges less those given back with refunds."""
        return self._sum(_signed(row.fee_usd, row) for row in self.rows)

    @property
    def payout(self) -> Decimal | None:
        if self.net is None or self.fees is None:
            return None
        return self.net - self.fees

    @property
    def paying_tenants(self) -> int:
        return len({row.tenant for row in self.rows if not row.is_refund and row.usd})

    @property
    def take_rate(self) -> Fraction | None:
        return ratio(self.fees, self.net)


def _signed(amount: Decimal | None, charge: Charge) -> Decimal | None:
    return -amount if amount is not None and charge.is_refund else amount


def money(facts: Facts, scope: Scope, window: Window) -> Money:
    return Money(rows=within(facts.charges, scope, window), is_known=bool(facts.charges))


@dataclass(frozen=True, kw_only=True)
class Adoption:
    """Installs made and taken back in a window, and what stood at the end."""

    new: int
    uninstalls: int
    cumulative: int
    active: int


def adoption(facts: Facts, scope: Scope, window: Window) -> Adoption:
    """Active installs stand at the as-of time (MP-037), cumulative ones at the window's end."""
    owned = [event for event in facts.installs if scope.owns(event) and event.at < window.as_of]
    latest: dict[tuple[str, str], bool] = {}
    for event in owned:
        latest[event.tenant, event.agent] = event.is_install
    inside = [event for event in owned if window.holds(event.at)]
    return Adoption(
        new=sum(event.is_install for event in inside),
        uninstalls=sum(not event.is_install for event in inside),
        cumulative=sum(event.is_install for event in owned if event.at < window.end),
        active=sum(latest.values()),
    )


def active_tenants(facts: Facts, scope: Scope, window: Window) -> set[str]:
    """Tenants with an answer (D-13)."""
    return {answer.tenant for answer in within(facts.answers, scope, window)}


@dataclass(frozen=True, kw_only=True)
class Cohort:
    """Tenants first active in one month, and how many of them were active some months later."""

    month: date
    months_since: int
    tenants: int
    retained: int

    @property
    def retention(self) -> Fraction | None:
        return ratio(self.retained, self.tenants)


def cohorts(facts: Facts, scope: Scope, window: Window) -> list[Cohort]:
    """Calendar months in the window's zone, until the window's last one (X-21, bounded)."""
    months: dict[str, set[date]] = {}
    for answer in facts.answers:
        if scope.owns(answer) and answer.at < window.end:
            month = start_of("month", window.day_of(answer.at))
            months.setdefault(answer.tenant, set()).add(month)
    last = start_of("month", window.day_of(window.end - timedelta(microseconds=1)))
    found: list[Cohort] = []
    for first in sorted({min(active) for active in months.values()}):
        members = [active for active in months.values() if min(active) == first]
        for since, month in enumerate(_months(first, last)):
            retained = sum(month in active for active in members)
            found.append(
                Cohort(month=first, months_since=since, tenants=len(members), retained=retained)
            )
    return found


def _months(first: date, last: date) -> list[date]:
    months = [first]
    while months[-1] < last:
        months.append(start_of("month", months[-1] + timedelta(days=31)))
    return months


def compared_with(window: Window) -> Window:
    """The period before; for a month the whole one, also while the month is open (D-12)."""
    if window.unit != "month":
        return window.previous()
    first = start_of("month", window.first - timedelta(days=1))
    return Window(
        first=first, after=window.first, zone=window.zone, as_of=window.as_of, unit="month"
    )
