"""The forecast shows what is known of the past, and leaves open what too little history supports."""

from datetime import date
from decimal import Decimal
from typing import Any

from orchestration.reporting.datasets.forecast import FORECAST
from tests.support.questions import question, shape_of

_ROW: dict[str, Any] = {
    "forecast_from": date(2026, 3, 15),
    "history_days": 40,
    "weekly_cost_usd": Decimal("234.005000000000"),
    "projected_monthly_cost_usd": Decimal("1014.021666666667"),
    "projected_month_by_days_cost_usd": Decimal("1036.307857142857"),
    "weekly_cost_change": 0.17004999,
    "weekly_tokens": 11_000,
    "weekly_tokens_change": -0.5,
    "avg_daily_tokens": 1533.5,
    "avg_daily_cost_usd": Decimal("30.125000000000"),
    "coming_month": date(2026, 4, 1),
    "coming_month_days": 30,
    "coming_month_tokens": 46_005.0,
    "coming_month_tokens_low": 36_000.4,
    "coming_month_tokens_high": 56_009.6,
    "coming_month_cost_usd": Decimal("903.750000000000"),
    "coming_month_cost_usd_low": Decimal("800.004000000000"),
    "coming_month_cost_usd_high": Decimal("1007.496000000000"),
    "month_start": date(2026, 3, 1),
    "month_elapsed_days": 14,
    "month_to_date_cost_usd": Decimal("420.000000000000"),
    "run_rate_month_cost_usd": Decimal("930.000000000000"),
    "budget_usd": None,
    "budget_utilization": None,
    "projected_budget_utilization": None,
}


def _day(day: int) -> dict[str, Any]:
    return {
        "date_day": date(2026, 3, day),
        "forecast_tokens": 1000.5,
        "forecast_tokens_low": 0.0,
        "forecast_tokens_high": 2000.4,
        "forecast_cost_usd": None,
        "forecast_cost_usd_low": None,
        "forecast_cost_usd_high": None,
    }


def test_figures_are_rounded_half_up_once_and_days_come_in_order() -> None:
    figures = {"usage_forecast": [_ROW], "usage_forecast_daily": [_day(16), _day(15)]}
    answer = FORECAST.answer(question("30d"), figures)
    document: Any = answer.document
    assert [key for key in document if key != "extra"] == shape_of("forecast")
    assert document["week"]["current_weekly_cost_usd"] == Decimal("234.01")
    assert document["week"]["week_over_week_change"] == Decimal("0.1700")
    assert document["coming_month"]["avg_daily_tokens"] == 1534
    assert document["coming_month"]["projected_tokens_high"] == 56_010
    assert document["coming_month"]["projected_cost_usd_low"] == Decimal("800.00")
    assert document["budget"]["run_rate_usd"] == Decimal("930.00")
    assert [day["date"] for day in document["days"]] == [date(2026, 3, 15), date(2026, 3, 16)]
    assert document["days"][0]["tokens"] == 1001
    main, days = answer.tables
    assert (main.name, days.name, len(main.rows), len(days.rows)) == ("forecast", "days", 1, 2)


def test_what_is_not_known_stays_open() -> None:
    unknown = {
        name: None
        for name in _ROW
        if name.startswith(("projected", "coming_month_tokens", "coming_month_cost", "run_rate"))
    }
    figures = {"usage_forecast": [{**_ROW, **unknown}], "usage_forecast_daily": []}
    document: Any = FORECAST.answer(question("30d"), figures).document
    assert document["week"]["projected_monthly_cost_usd"] is None
    assert document["coming_month"]["projected_tokens"] is None
    assert (document["budget"]["run_rate_usd"], document["budget"]["budget_usd"]) == (None, None)
    assert document["days"] == []
