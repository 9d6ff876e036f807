"""Back-test of the forecast by day: from one day after another, only what was known then, against what came.

Belongs here: the naive and the drift forecast, the score, the table. Does not belong here: the forecast
itself, which is the published table function.

    python -m tests.benchmarks.forecast.backtest HOME [--scopes 5] [--every 5]
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from orchestration.reporting.periods import Window, parse_period
from orchestration.reporting.query import Published, read_published
from orchestration.reporting.scopes import Scope, resolve_scope
from orchestration.settings import Settings

_HORIZON = 14


@dataclass(frozen=True, kw_only=True)
class Forecast:
    """What was forecast for a number of days from one day on; None where there is no range."""

    values: Sequence[float]
    lows: Sequence[float]
    highs: Sequence[float]


@dataclass(frozen=True, kw_only=True)
class Score:
    """Mean absolute errors over all days of all origins, and the share of days within the range."""

    origins: int
    ours: float
    naive: float
    drift: float
    coverage: float


def naive_forecast(history: Sequence[float], days: int) -> list[float]:
    """Every day as the last one."""
    return [history[-1]] * days


def drift_forecast(history: Sequence[float], days: int) -> list[float]:
    """On along the line from the first day to the last."""
    step = (history[-1] - history[0]) / (len(history) - 1)
    return [history[-1] + step * ahead for ahead in range(1, days + 1)]


def score(history: Sequence[float], forecasts: Sequence[tuple[int, Forecast]]) -> Score:
    """Compare forecasts, each with the number of days that were known to it, with what came."""
    errors: dict[str, list[float]] = {"ours": [], "naive": [], "drift": []}
    held: list[bool] = []
    for known, forecast in forecasts:
        came = history[known : known + len(forecast.values)]
        before = history[:known]
        others = {
            "ours": forecast.values,
            "naive": naive_forecast(before, len(came)),
            "drift": drift_forecast(before, len(came)),
        }
        for name, values in others.items():
            errors[name] += [abs(one - other) for one, other in zip(came, values, strict=True)]
        held += [
            low <= one <= high
            for one, low, high in zip(came, forecast.lows, forecast.highs, strict=True)
        ]
    means = {name: sum(values) / len(values) for name, values in errors.items()}
    return Score(
        origins=len(forecasts),
        coverage=sum(held) / len(held),
        **means,
    )


def back_test(published: Published, scope: Scope, *, every: int) -> Score | None:
    """Forecast from every so many days of a scope's history; None without enough of it."""
    end = published.as_of().date()
    days = _tokens_by_day(published, scope, end=end)
    forecasts = [
        (known, forecast)
        for known in range(_HORIZON, len(days) - _HORIZON + 1, every)
        if (forecast := _forecast(published, scope, start=end - timedelta(days=len(days) - known)))
        is not None
    ]
    return score(days, forecasts) if forecasts else None


def _tokens_by_day(published: Published, scope: Scope, *, end: date) -> list[float]:
    """Tokens by day from the first usage on, to the day before ``end``."""
    window = _window(f"2020-01-01..{end - timedelta(days=1)}", as_of=end)
    rows = published.function("usage_daily", scope=scope, window=window)
    days = {row["date_day"]: float(row["total_tokens"] or 0) for row in rows}
    used = [day for day, tokens in days.items() if tokens]
    if not used:
        return []
    return [days[day] for day in sorted(days) if day >= min(used)]


def _forecast(published: Published, scope: Scope, *, start: date) -> Forecast | None:
    rows = published.function(
        "usage_forecast_daily", scope=scope, window=_window("30d", as_of=start)
    )
    if not rows:
        return None
    ordered = sorted(rows, key=lambda row: row["days_ahead"])
    return Forecast(
        values=[row["forecast_tokens"] for row in ordered],
        lows=[row["forecast_tokens_low"] for row in ordered],
        highs=[row["forecast_tokens_high"] for row in ordered],
    )


def _window(period: str, *, as_of: date) -> Window:
    moment = datetime(as_of.year, as_of.month, as_of.day, tzinfo=UTC)
    return parse_period(period, as_of=moment, time_zone="UTC")


def table_of(scores: Sequence[tuple[str, Score]]) -> Iterator[str]:
    """The results as lines of Markdown."""
    yield "| scope | origins | error | of naive | of drift | held by the 80 % range |"
    yield "| --- | ---: | ---: | ---: | ---: | ---: |"
    for name, one in scores:
        yield (
            f"| {name} | {one.origins} | {one.ours:,.0f} | {one.ours / one.naive:.2f} |"
            f" {one.ours / one.drift:.2f} | {one.coverage:.1%} |"
        )


def main() -> None:
    """Print the table for the platform and the tenants that use most."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("home", type=Path)
    parser.add_argument("--scopes", type=int, default=5, help="tenants beside the platform")
    parser.add_argument("--every", type=int, default=5, help="days between two origins")
    options = parser.parse_args()
    with read_published(Settings(home=options.home)) as published:
        tenants = published.rows(
            "select tenant_id from core.fct_llm_calls inner join core.dim_tenants using (tenant_key)"
            " group by tenant_id order by sum(total_tokens) desc, tenant_id limit $most",
            {"most": options.scopes},
        )
        names = ["platform", *(f"tenant:{row['tenant_id']}" for row in tenants)]
        scores = [
            (name, found)
            for name in names
            if (found := back_test(published, resolve_scope(published, name), every=options.every))
            is not None
        ]
    sys.stdout.write("\n".join(table_of(scores)) + "\n")


if __name__ == "__main__":
    main()
