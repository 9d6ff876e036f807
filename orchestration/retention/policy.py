"""How long a tenant's detail is kept: the tiers of a product profile, a tenant's own value, legal hold.

Belongs here: the policy table and what follows from it for one tenant. Does not belong here: finding and
removing rows.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from pathlib import Path
from zoneinfo import ZoneInfo

from orchestration.errors import UserError
from orchestration.settings import PROJECT_ROOT

# Whatever a tier or a tenant asks for, nothing is kept longer than seven years.
MOST_DAYS = 2_557

_TIERS = PROJECT_ROOT / "seeds" / "reference" / "retention_tiers.csv"


@dataclass(frozen=True, kw_only=True)
class Tier:
    """Days kept for a plan, and the most that a tenant of it may ask for."""

    days: int
    most_days: int


@dataclass(frozen=True, kw_only=True)
class Policy:
    """The tiers of one product profile, by plan tier."""

    profile: str
    tiers: Mapping[str, Tier]

    def days_of(self, terms: Terms) -> int | None:
        """How many whole days a tenant's detail is kept; None keeps all of it.

        A tenant whose plan is not known keeps what the longest plan keeps: what is removed by
        mistake is gone.
        """
        if terms.has_legal_hold:
            return None
        if terms.plan_tier is None:
            tier = max(self.tiers.values(), key=lambda one: one.days)
        else:
            tier = self.tiers[terms.plan_tier]
        if terms.retention_days is None:
            return min(tier.days, MOST_DAYS)
        return min(terms.retention_days, tier.most_days, MOST_DAYS)

    def kept_from(self, terms: Terms, *, as_of: datetime, time_zone: str) -> date | None:
        """The first day (UTC) that is kept: the one in which the oldest whole local day begins."""
        days = self.days_of(terms)
        if days is None:
            return None
        zone = ZoneInfo(terms.time_zone or time_zone)
        first_local = as_of.astimezone(zone).date() - timedelta(days=days)
        return datetime.combine(first_local, time(), tzinfo=zone).astimezone(UTC).date()


@dataclass(frozen=True, kw_only=True)
class Terms:
    """What a tenant's own settings say about its data."""

    source_name: str
    tenant_id: str
    plan_tier: str | None = None
    retention_days: int | None = None
    has_legal_hold: bool = False
    time_zone: str | None = None


def read_policy(profile: str | None) -> Policy:
    """The policy of a product profile, of the default one where None is chosen.

    Raises:
        UserError: there is no such profile.
    """
    rows = _rows(_TIERS)
    if profile is None:
        profile = next(row["profile"] for row in rows if row["is_default_profile"] == "true")
    tiers = {
        row["plan_tier"]: Tier(
            days=int(row["retention_days"]), most_days=int(row["max_retention_days"])
        )
        for row in rows
        if row["profile"] == profile
    }
    if not tiers:
        known = ", ".join(sorted({row["profile"] for row in rows}))
        raise UserError(f"AGENTMART_PRODUCT_PROFILE is {profile!r}; use one of {known}")
    return Policy(profile=profile, tiers=tiers)


@cache
def _rows(path: Path) -> Sequence[Mapping[str, str]]:
    with path.open(encoding="utf-8", newline="") as lines:
        return tuple(csv.DictReader(lines))
