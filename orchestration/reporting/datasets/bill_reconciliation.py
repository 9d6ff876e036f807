"""``bill-reconciliation``: what providers billed beside what usage was estimated to cost (FL-128).

Belongs here: the fields, order and rounding of this shape. Does not belong here: which usage a bill
is held against, and what its difference is made of.
"""

from __future__ import annotations

from orchestration.reporting.datasets.dataset import (
    Answer,
    Dataset,
    Figures,
    Question,
    about,
    needs,
)
from orchestration.reporting.documents import Json
from orchestration.reporting.query import Row
from orchestration.reporting.rounding import half_up
from orchestration.reporting.scopes import ScopeKind
from orchestration.reporting.tables import Cell, Table

_MONEY = "DECIMAL(38,2)"
_TYPES = {
    "month": "DATE",
    "provider": "VARCHAR",
    "status": "VARCHAR",
    "billed_days": "BIGINT",
    "billed_usd": _MONEY,
    "estimated_usd": _MONEY,
    "difference_usd": _MONEY,
    "difference_rate": "DECIMAL(38,4)",
}
_REASON_TYPES = {
    "unpriced_usd": _MONEY,
    "cache_usd": _MONEY,
    "missing_calls_usd": _MONEY,
    "unexplained_usd": _MONEY,
    "unpriced_tokens": "BIGINT",
}


def _answer(question: Question, figures: Figures) -> Answer:
    rows = sorted(
        figures["bill_reconciliation"], key=lambda row: (row["month_start"], row["provider"])
    )
    listed: list[Json] = [
        {**_compared(row), "reasons": dict[str, Json](_reasons(row))} for row in rows
    ]
    return Answer(
        document={"months": listed, "extra": about(question)},
        tables=(
            Table.of(
                "bill_reconciliation",
                {**_TYPES, **_REASON_TYPES},
                [{**_compared(row), **_reasons(row)} for row in rows],
            ),
        ),
    )


def _compared(row: Row) -> dict[str, Cell]:
    return {
        "month": row["month_start"],
        "provider": row["provider"],
        "status": row["status"],
        "billed_days": row["billed_days"],
        "billed_usd": half_up(row["billed_cost_usd"], 2),
        "estimated_usd": half_up(row["estimated_cost_usd"], 2),
        "difference_usd": half_up(row["bill_difference_usd"], 2),
        "difference_rate": half_up(row["bill_difference_rate"], 4),
    }


def _reasons(row: Row) -> dict[str, Cell]:
    return {
        "unpriced_usd": half_up(row["unpriced_difference_usd"], 2),
        "cache_usd": half_up(row["cache_difference_usd"], 2),
        "missing_calls_usd": half_up(row["missing_calls_difference_usd"], 2),
        "unexplained_usd": half_up(row["unexplained_difference_usd"], 2),
        "unpriced_tokens": row["unpriced_tokens"],
    }


BILL_RECONCILIATION = Dataset(
    name="bill-reconciliation",
    default_period="30d",
    scopes=frozenset({ScopeKind.PLATFORM}),
    needs=needs("bill_reconciliation"),
    answer=_answer,
)
