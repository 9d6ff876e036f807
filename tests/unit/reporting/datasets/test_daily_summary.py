"""A day in five figures: the last of the period, with every day beside it."""

from datetime import date
from decimal import Decimal
from typing import Any

from orchestration.reporting.datasets.daily_summary import DAILY_SUMMARY
from orchestration.reporting.datasets.dataset import Answer
from tests.support.questions import question
from tests.support.shapes import differences

_BUSY: dict[str, Any] = {
    "date_day": date(2026, 3, 14),
    "dau": 1234,
    "sessions": 5678,
    "cost_usd": Decimal("234.555"),
    "message_error_rate": 0.005,
}
_IDLE = {
    "date_day": date(2026, 3, 13),
    "dau": 0,
    "sessions": 0,
    "cost_usd": Decimal(0),
    "message_error_rate": None,
}


def _answer(*days: Any) -> Answer:
    return DAILY_SUMMARY.answer(question("2d"), {"usage_daily": days})


def test_the_payload_has_the_agreed_shape_and_is_the_last_day() -> None:
    document: Any = _answer(_BUSY, _IDLE).document
    assert differences("daily-summary", document) == []
    assert document["data"] == {
        "date": date(2026, 3, 14),
        "dau": 1234,
        "sessions": 5678,
        "costs": Decimal("234.56"),
        "error_rate": Decimal("0.0050"),
    }
    assert [day["date"] for day in document["extra"]["days"]] == [
        date(2026, 3, 13),
        date(2026, 3, 14),
    ]


def test_a_day_without_messages_costs_nothing_and_has_no_error_rate() -> None:
    document: Any = _answer(_IDLE).document
    assert (document["data"]["costs"], document["data"]["error_rate"]) == (Decimal("0.00"), None)


def test_a_period_that_has_not_begun_has_its_first_day_without_anything() -> None:
    document: Any = _answer().document
    assert document["data"] == {
        "date": date(2026, 3, 13),
        "dau": 0,
        "sessions": 0,
        "costs": Decimal("0.00"),
        "error_rate": None,
    }


def test_every_day_is_a_row_of_the_table() -> None:
    assert [row[0] for row in _answer(_BUSY, _IDLE).tables[0].rows] == [
        date(2026, 3, 13),
        date(2026, 3, 14),
    ]
