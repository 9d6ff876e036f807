"""What stands beside the figures of ``company``: other windows, targets, usual ranges, parts.

Belongs here: the part under ``extra`` of that dataset. Does not belong here: its own fields, and
which value is good: those are reference data.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from decimal import Decimal

from orchestration.reporting.datasets.company_steps import (
    dearest_first,
    exactly,
    instant,
    known,
    seconds,
    share,
    tokens_per_message,
)
from orchestration.reporting.datasets.dataset import Figures, Need, Question, count, needs, only_row
from orchestration.reporting.documents import Json
from orchestration.reporting.formats import Unit, compare
from orchestration.reporting.periods import Window
from orchestration.reporting.query import USD, Row
from orchestration.reporting.reference import read_reference
from orchestration.reporting.rounding import exact, half_up, ratio
from orchestration.reporting.standards import read_standards

# By the clock before the as-of time.
_UPTIME_WINDOWS = {"24h": timedelta(days=1), "7d": timedelta(days=7), "30d": timedelta(days=30)}
_ERROR_WINDOWS = {
    "5m": timedelta(minutes=5),
    "1h": timedelta(hours=1),
    "24h": timedelta(days=1),
    "7d": timedelta(days=7),
}

# The cards of the overview, and what else is compared with the window before.
_CHANGING = {
    "avg_dau": Unit.AVERAGE,
    "sessions": Unit.COUNT,
    "messages": Unit.COUNT,
    "active_agents": Unit.COUNT,
    "cost_usd": Unit.USD,
    "cost_per_message_usd": Unit.USD,
    "avg_response_time_ms": Unit.MILLISECONDS,
    "message_error_rate": Unit.FRACTION,
}
_TOP = 5


def beside(question: Question, figures: Figures) -> dict[str, Json]:
    """What a team reads beside the figures: against when, against what, in which parts."""
    summary, health = only_row(figures, "usage_summary"), only_row(figures, "health_summary")
    previous, year_ago = only_row(figures, "previous"), only_row(figures, "year_before")
    return {
        "changes": _changes(summary, previous),
        # A year of which nothing is known compares with nothing (FL-041).
        "year_over_year": _changes(summary, year_ago) if count(year_ago, "messages") else None,
        "stickiness": ratio(summary["avg_dau"], summary["mau"], places=4),
        "input_token_share": share(summary["input_tokens"], summary["total_tokens"]),
        "output_token_share": share(summary["output_tokens"], summary["total_tokens"]),
        "context_label": read_standards().label(
            "tokens_per_message", exactly(summary["avg_tokens_per_message"])
        ),
        "agents_with_incoming_messages": count(summary, "agents_with_incoming_messages"),
        "unused_agents": [
            {"agent_id": row["agent_id"], "agent_name": row["agent_name"]}
            for row in sorted(figures["unused_agents"], key=lambda row: row["agent_key"])
        ],
        "agent_context": _agent_context(figures["usage_by_agent"]),
        "top_agents_by_cost": _top_agents(figures["usage_by_agent"], summary),
        "vendors": _vendors(figures["usage_by_model"], summary),
        "hourly": _hourly(figures["usage_hourly"]),
        "weekly_costs": _costs_of(figures["weeks"]),
        "monthly_costs": _costs_of(figures["months"]),
        "benchmarks": _benchmarks(question, summary),
        "targets": _targets(summary, health),
    }


def health_now(figures: Figures, *, summary: Row, health: Row) -> dict[str, Json]:
    """Health by the clock, up to the as-of time (FL-037, FL-068..076), and words for figures."""
    standards = read_standards()
    now, today = only_row(figures, "health_5m"), only_row(figures, "health_today")
    load, capacity = now["avg_rpm"], now["capacity_rpm"]
    return {
        "uptime": {
            name: {
                "uptime_percent": row["uptime_percent"],
                "downtime_minutes": half_up(row["downtime_minutes"], 1),
                "incident_count": row["incident_count"],
            }
            for name in _UPTIME_WINDOWS
            for row in [only_row(figures, f"health_{name}")]
        },
        "error_rate": {
            name: {
                "error_rate": half_up(row["message_error_rate"], 4),
                "messages": count(row, "agent_messages"),
                "label": standards.label("message_error_rate", exactly(row["message_error_rate"])),
            }
            for name in _ERROR_WINDOWS
            for row in [only_row(figures, f"responses_{name}")]
        },
        "response_time_labels": {
            name: standards.label("response_time_ms", exactly(summary[f"{name}_response_time_ms"]))
            for name in ("p50", "p95", "p99")
        },
        "zero_queue_share": half_up(health["zero_queue_share"], 4),
        "current_rpm": half_up(load, 1),
        "current_utilisation": ratio(load, capacity, places=4),
        "headroom_rpm": None
        if None in (load, capacity)
        else half_up(exact(capacity) - exact(load), 1),
        "peak_today_rpm": half_up(today["peak_rpm"], 1),
        "peak_today_at": instant(today["peak_minute_at"]),
    }


def _changes(now: Row, before: Row) -> dict[str, Json]:
    """The cards of the overview against another window (FL-042..045)."""
    reference = read_reference()
    changes: dict[str, Json] = {}
    for column, unit in _CHANGING.items():
        change = compare(
            exactly(now[column]),
            exactly(before[column]),
            unit=unit,
            higher_is_better=reference.polarity(column),
        )
        changes[column] = (
            None
            if change is None
            else {
                "change": half_up(change.absolute, 6),
                "relative_change": half_up(change.relative, 4),
                "direction": change.direction.value,
                "assessment": change.assessment.value,
            }
        )
    return changes


def _agent_context(rows: Sequence[Row]) -> list[Json]:
    standards = read_standards()
    return [
        {
            "agent_id": row["agent_id"],
            "avg_tokens_per_message": tokens_per_message(row),
            "context_label": standards.label(
                "tokens_per_message", exactly(row["avg_tokens_per_message"])
            ),
            "cost_per_message_usd": half_up(row["cost_per_message_usd"], 6),
        }
        for row in dearest_first(rows)
    ]


def _top_agents(rows: Sequence[Row], summary: Row) -> list[Json]:
    """The five dearest and all others, which together are the total (FL-056)."""
    ordered = dearest_first(rows)
    top: list[Json] = [
        {
            "agent_id": row["agent_id"],
            "agent_name": row["agent_name"],
            "total_cost_usd": half_up(row["cost_usd"], 2),
            "cost_share": share(row["cost_usd"], summary["cost_usd"]),
        }
        for row in ordered[:_TOP]
    ]
    if len(ordered) > _TOP:
        rest = sum((known(row["cost_usd"]) for row in ordered[_TOP:]), Decimal(0))
        top.append(
            {
                "agent_id": None,
                "agent_name": "other",
                "total_cost_usd": half_up(rest, 2),
                "cost_share": share(rest, summary["cost_usd"]),
            }
        )
    return top


def _vendors(rows: Sequence[Row], summary: Row) -> list[Json]:
    """By who made the model, whoever bills for it (FL-021)."""
    costs: dict[str, Decimal] = defaultdict(Decimal)
    tokens: dict[str, int] = defaultdict(int)
    for row in rows:
        vendor = row["vendor"] or "unknown"
        costs[vendor] += known(row["cost_usd"])
        tokens[vendor] += count(row, "total_tokens")
    return [
        {
            "vendor": vendor,
            "total_tokens": tokens[vendor],
            "total_cost_usd": half_up(cost, 2),
            "cost_share": share(cost, summary["cost_usd"]),
        }
        for vendor, cost in sorted(costs.items(), key=lambda item: (-item[1], item[0]))
    ]


def _hourly(rows: Sequence[Row]) -> list[Json]:
    return [
        {
            "hour": row["hour_of_day"],
            "messages": count(row, "agent_messages"),
            "avg_response_time_s": seconds(row["avg_response_time_ms"]),
            "p95_response_time_s": seconds(row["p95_response_time_ms"]),
            "error_rate": half_up(row["message_error_rate"], 4),
        }
        for row in sorted(rows, key=lambda row: row["hour_of_day"])
    ]


def _costs_of(buckets: Sequence[Row]) -> list[Json]:
    return [
        {
            "first_day": row["start_local"],
            "total_cost_usd": half_up(row["cost_usd"], 2),
            "is_partial": bool(row["is_partial"]),
        }
        for row in sorted(buckets, key=lambda row: row["start_local"])
    ]


def _benchmarks(question: Question, summary: Row) -> list[Json]:
    """What is usual (FL-010, FL-012, FL-026); an amount compares in the currency it is usual in."""
    compared: list[Json] = []
    for benchmark in read_standards().benchmarks:
        value = exactly(summary[benchmark.metric])
        is_comparable = benchmark.unit != USD or question.currency == USD
        compared.append(
            {
                "metric": benchmark.metric,
                "low": half_up(benchmark.low, 2),
                "high": half_up(benchmark.high, 2),
                "unit": benchmark.unit,
                "applies_to": benchmark.applies_to,
                "value": half_up(value, 6),
                "position": (
                    benchmark.position_of(value) if value is not None and is_comparable else None
                ),
            }
        )
    return compared


def _targets(summary: Row, health: Row) -> list[Json]:
    """What should be (FL-016, FL-018, FL-030, FL-032, FL-034, FL-036)."""
    compared: list[Json] = []
    for target in read_standards().targets:
        value = exactly((summary if target.metric in summary else health)[target.metric])
        compared.append(
            {
                "metric": target.metric,
                "comparison": target.comparison,
                "target": half_up(target.value, 4),
                "unit": target.unit,
                "value": half_up(value, 6),
                "is_met": None if value is None else target.is_met_by(value),
            }
        )
    return compared


def _trailing(length: timedelta) -> Callable[[Window], Window]:
    return lambda window: window.trailing(length)


CONTEXT_NEEDS: Mapping[str, Need] = {
    **needs("usage_hourly", "unused_agents"),
    "year_before": Need(function="usage_summary", window=Window.year_before),
    "weeks": Need(function="token_summary", bucket=lambda _window: "week"),
    "months": Need(function="token_summary", bucket=lambda _window: "month"),
    "health_today": Need(function="health_summary", window=Window.as_of_day),
    **{
        f"health_{name}": Need(function="health_summary", window=_trailing(length))
        for name, length in {"5m": _ERROR_WINDOWS["5m"], **_UPTIME_WINDOWS}.items()
    },
    **{
        f"responses_{name}": Need(function="response_summary", window=_trailing(length))
        for name, length in _ERROR_WINDOWS.items()
    },
}
