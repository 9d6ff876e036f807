"""``daily-summary``: one day in five figures, as a webhook would carry it (FL-131).

Belongs here: the payload. Does not belong here: sending it, and how its figures are measured.
"""

from __future__ import annotations

from datetime import date

from orchestration.reporting.datasets.dataset import (
    TENANT_OR_PLATFORM,
    Answer,
    Dataset,
    Figures,
    Question,
    about,
    count,
    needs,
)
from orchestration.reporting.query import Row
from orchestration.reporting.rounding import half_up
from orchestration.reporting.tables import Cell, Table

_EVENT = "analytics.daily_summary"
_TYPES = {
    "date": "DATE",
    "dau": "BIGINT",
    "sessions": "BIGINT",
    "costs": "DECIMAL(38,2)",
    "error_rate": "DECIMAL(38,4)",
}


def _answer(question: Question, figures: Figures) -> Answer:
    """The last day of the period; of a longer one, every day stands beside it."""
    days = [_day(row) for row in sorted(figures["usage_daily"], key=lambda row: row["date_day"])]
    last = days[-1] if days else _not_begun(question.window.first_day)
    return Answer(
        document={
            "event": _EVENT,
            "data": last,
            "extra": {**about(question), "days": days},
        },
        tables=(Table.of("daily_summary", _TYPES, days),),
    )


def _not_begun(day: date) -> dict[str, Cell]:
    """A day of the future: nothing has happened, and no share of nothing is known (X-08)."""
    return {"date": day, "dau": 0, "sessions": 0, "costs": half_up(0, 2), "error_rate": None}


def _day(row: Row) -> dict[str, Cell]:
    return {
        "date": row["date_day"],
        "dau": count(row, "dau"),
        "sessions": count(row, "sessions"),
        "costs": half_up(row["cost_usd"], 2),
        "error_rate": half_up(row["message_error_rate"], 4),
    }


DAILY_SUMMARY = Dataset(
    name="daily-summary",
    default_period="day",
    scopes=TENANT_OR_PLATFORM,
    needs=needs("usage_daily"),
    answer=_answer,
)
