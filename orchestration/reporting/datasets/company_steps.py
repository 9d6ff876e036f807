"""Steps that every part of ``company`` takes from a stored figure to a shown one.

Belongs here: such steps. Does not belong here: fields of the dataset, and any formula over facts.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal

from orchestration.reporting.query import Row
from orchestration.reporting.rounding import Figure, exact, ratio, whole


def dearest_first(rows: Sequence[Row]) -> list[Row]:
    return sorted(
        rows, key=lambda row: (-known(row["cost_usd"]), row["agent_id"], row["agent_key"])
    )


def exactly(value: Figure) -> Decimal | None:
    return None if value is None else exact(value)


def instant(moment: datetime | None) -> datetime | None:
    return None if moment is None else moment.replace(tzinfo=UTC)


def tokens_per_message(row: Row) -> int | None:
    return whole(row["avg_tokens_per_message"])


def seconds(milliseconds: Figure) -> Decimal | None:
    return ratio(milliseconds, 1000, places=3)


def share(part: Figure, total: Figure) -> Decimal | None:
    return ratio(part, total, places=6)


def known(value: Figure) -> Decimal:
    return Decimal(0) if value is None else exact(value)
