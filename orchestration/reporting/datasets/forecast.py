"""``forecast``: what tokens and cost come to after the period (FL-060..062, AG-102, DI-083).

Belongs here: the fields, order and rounding of this shape. Does not belong here: any projection, and
from how much history one is made.
"""

from __future__ import annotations

from datetime import date

from orchestration.reporting.datasets.dataset import (
    Answer,
    Dataset,
    Figures,
    Question,
    about,
    count,
    needs,
    only_row,
)
from orchestration.reporting.documents import Json
from orchestration.reporting.query import Row
from orchestration.reporting.rounding import half_up, whole
from orchestration.reporting.scopes import ScopeKind
from orchestration.reporting.tables import Cell, Table

_TYPES = {
    "forecast_from": "DATE",
    "history_days": "BIGINT",
    "current_weekly_cost_usd": "DECIMAL(38,2)",
    "projected_monthly_cost_usd": "DECIMAL(38,2)",
    "projected_month_by_days_usd": "DECIMAL(38,2)",
    "week_over_week_change": "DECIMAL(38,4)",
    "current_weekly_tokens": "BIGINT",
    "week_over_week_tokens_change": "DECIMAL(38,4)",
    "avg_daily_tokens": "BIGINT",
    "avg_daily_cost_usd": "DECIMAL(38,2)",
    "coming_month": "DATE",
    "coming_month_days": "BIGINT",
    "projected_tokens": "BIGINT",
    "projected_tokens_low": "BIGINT",
    "projected_tokens_high": "BIGINT",
    "projected_cost_usd": "DECIMAL(38,2)",
    "projected_cost_usd_low": "DECIMAL(38,2)",
    "projected_cost_usd_high": "DECIMAL(38,2)",
    "budget_month": "DATE",
    "elapsed_days": "BIGINT",
    "spent_usd": "DECIMAL(38,2)",
    "run_rate_usd": "DECIMAL(38,2)",
    "budget_usd": "DECIMAL(38,2)",
    "budget_utilization": "DECIMAL(38,4)",
    "projected_budget_utilization": "DECIMAL(38,4)",
}
_DAY_TYPES = {
    "date": "DATE",
    "tokens": "BIGINT",
    "tokens_low": "BIGINT",
    "tokens_high": "BIGINT",
    "cost_usd": "DECIMAL(38,2)",
    "cost_usd_low": "DECIMAL(38,2)",
    "cost_usd_high": "DECIMAL(38,2)",
}


def _answer(question: Question, figures: Figures) -> Answer:
    row = only_row(figures, "usage_forecast")
    days = [_day(one) for one in sorted(figures["usage_forecast_daily"], key=_by_date)]
    start: dict[str, Cell] = {
        "forecast_from": row["forecast_from"],
        "history_days": count(row, "history_days"),
    }
    week, month, budget = _week(row), _coming_month(row), _budget(row)
    document: dict[str, Json] = {
        **start,
        "week": dict[str, Json](week),
        "coming_month": dict[str, Json](month),
        "budget": dict[str, Json](budget),
        "days": list[Json](days),
        "extra": about(question),
    }
    return Answer(
        document=document,
        tables=(
            Table.of("forecast", _TYPES, [{**start, **week, **month, **budget}]),
            Table.of("days", _DAY_TYPES, days),
        ),
    )


def _week(row: Row) -> dict[str, Cell]:
    return {
        "current_weekly_cost_usd": half_up(row["weekly_cost_usd"], 2),
        "projected_monthly_cost_usd": half_up(row["projected_monthly_cost_usd"], 2),
        "projected_month_by_days_usd": half_up(row["projected_month_by_days_cost_usd"], 2),
        "week_over_week_change": half_up(row["weekly_cost_change"], 4),
        "current_weekly_tokens": count(row, "weekly_tokens"),
        "week_over_week_tokens_change": half_up(row["weekly_tokens_change"], 4),
    }


def _coming_month(row: Row) -> dict[str, Cell]:
    return {
        "avg_daily_tokens": whole(row["avg_daily_tokens"]),
        "avg_daily_cost_usd": half_up(row["avg_daily_cost_usd"], 2),
        "coming_month": row["coming_month"],
        "coming_month_days": row["coming_month_days"],
        "projected_tokens": whole(row["coming_month_tokens"]),
        "projected_tokens_low": whole(row["coming_month_tokens_low"]),
        "projected_tokens_high": whole(row["coming_month_tokens_high"]),
        "projected_cost_usd": half_up(row["coming_month_cost_usd"], 2),
        "projected_cost_usd_low": half_up(row["coming_month_cost_usd_low"], 2),
        "projected_cost_usd_high": half_up(row["coming_month_cost_usd_high"], 2),
    }


def _budget(row: Row) -> dict[str, Cell]:
    return {
        "budget_month": row["month_start"],
        "elapsed_days": row["month_elapsed_days"],
        "spent_usd": half_up(row["month_to_date_cost_usd"], 2),
        "run_rate_usd": half_up(row["run_rate_month_cost_usd"], 2),
        "budget_usd": half_up(row["budget_usd"], 2),
        "budget_utilization": half_up(row["budget_utilization"], 4),
        "projected_budget_utilization": half_up(row["projected_budget_utilization"], 4),
    }


def _day(row: Row) -> dict[str, Cell]:
    return {
        "date": row["date_day"],
        "tokens": whole(row["forecast_tokens"]),
        "tokens_low": whole(row["forecast_tokens_low"]),
        "tokens_high": whole(row["forecast_tokens_high"]),
        "cost_usd": half_up(row["forecast_cost_usd"], 2),
        "cost_usd_low": half_up(row["forecast_cost_usd_low"], 2),
        "cost_usd_high": half_up(row["forecast_cost_usd_high"], 2),
    }


def _by_date(row: Row) -> date:
    day: date = row["date_day"]
    return day


FORECAST = Dataset(
    name="forecast",
    default_period="30d",
    scopes=frozenset(ScopeKind),
    needs=needs("usage_forecast", "usage_forecast_daily"),
    answer=_answer,
)
