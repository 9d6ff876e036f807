"""``tenant-dashboard`` (RO-020..RO-054): what a customer's agents did, how well, and what it was worth.

Belongs here: the fields, order, rounding and stated defaults of this shape, and which buckets its
series have. Does not belong here: what counts as resolved, and what a resolved conversation saves.

This shape says 0 where its rows name 0 as the default for "none" (X-08); every other unknown stays
null.
"""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from orchestration.reporting.datasets.dataset import (
    Answer,
    Dataset,
    Figures,
    Need,
    Question,
    about,
    count,
    needs,
    only_row,
)
from orchestration.reporting.documents import Json
from orchestration.reporting.periods import Window
from orchestration.reporting.query import USD, Row
from orchestration.reporting.rounding import half_up, ratio
from orchestration.reporting.scopes import ScopeKind
from orchestration.reporting.standards import read_standards
from orchestration.reporting.tables import Cell, Table

# A window of at most so many whole days is shown by the hour (RO-053).
_DAYS_BY_THE_HOUR = 2

_SUMMARY_TYPES = {
    "period_start": "TIMESTAMPTZ",
    "period_end": "TIMESTAMPTZ",
    "total_conversations": "BIGINT",
    "active_agents": "BIGINT",
    "active_days": "BIGINT",
    "avg_response_time_ms": "DECIMAL(38,1)",
    "p95_response_time_ms": "DECIMAL(38,1)",
    "resolution_rate": "DECIMAL(38,1)",
    "avg_satisfaction": "DECIMAL(38,2)",
    "total_cost_usd": "DECIMAL(38,2)",
    "cost_per_resolution_usd": "DECIMAL(38,2)",
    "estimated_savings_usd": "DECIMAL(38,2)",
}
_SERIES_TYPES = {
    "timestamp": "TIMESTAMPTZ",
    "total_conversations": "DECIMAL(38,2)",
    "resolution_rate": "DECIMAL(38,2)",
}
_INPUT_PLACES = {
    "monthly_call_volume": 2,
    "average_deal_value_usd": 2,
    "answer_rate": 4,
    "receptionist_cost_usd_month": 2,
    "capture_share": 4,
    "conversion_rate": 4,
    "displaced_share": 4,
}


def bucket_of(window: Window) -> str:
    """``hour`` when the window has at most two whole days, else ``day``; an open one is as long as
    it has lasted."""
    as_of_local = window.as_of.astimezone(ZoneInfo(window.time_zone)).replace(tzinfo=None)
    elapsed = min(window.end_local, as_of_local) - window.start_local
    return "hour" if elapsed.days <= _DAYS_BY_THE_HOUR else "day"


def _answer(question: Question, figures: Figures) -> Answer:
    window = question.window
    usage = only_row(figures, "usage_summary")
    outcomes = only_row(figures, "quality_summary")
    value = only_row(figures, "value_summary")
    blocks: dict[str, dict[str, Cell]] = {
        "usage": {
            "total_conversations": count(outcomes, "conversations"),
            "active_agents": count(outcomes, "agents_with_conversations"),
            "active_days": count(outcomes, "conversation_days"),
        },
        "performance": {
            "avg_response_time_ms": half_up(usage["avg_response_time_ms"] or 0, 1),
            "p95_response_time_ms": half_up(usage["p95_response_time_ms"], 1),
        },
        "quality": {
            "resolution_rate": half_up((outcomes["resolution_rate"] or 0) * 100, 1),
            "avg_satisfaction": half_up(outcomes["avg_satisfaction_score"] or 0, 2),
        },
        "business": _business(value),
    }
    series = sorted(figures["series"], key=lambda row: row["start_at"])
    points: list[dict[str, Cell]] = [
        {
            "timestamp": _instant(row),
            "total_conversations": half_up(count(row, "conversations"), 2),
            "resolution_rate": _percent(row, places=2),
        }
        for row in series
    ]
    document: dict[str, Json] = {
        "period": {
            "start": _local_text(window.start_at, window),
            "end": _local_text(window.end_at, window),
        },
        **blocks,
        "series": {
            name: [
                {"timestamp": _local_text(_instant(row), window), "value": point[name]}
                for row, point in zip(series, points, strict=True)
            ]
            for name in ("total_conversations", "resolution_rate")
        },
        "extra": {
            **about(question),
            "bucket": bucket_of(window),
            "usage": {
                "agents_with_responses": count(usage, "active_agents"),
                "agent_messages": count(usage, "agent_messages"),
                "unpriced_usage_count": count(usage, "unpriced_usage_count"),
            },
            "quality": _quality(outcomes),
            "business": {**_platform_value(value), "human_cost_benchmarks": _benchmarks()},
            "business_in_usd": _business(only_row(figures, "value_in_usd")),
            "roi": _roi(figures),
        },
    }
    flat = {key: cell for block in blocks.values() for key, cell in block.items()}
    summary: dict[str, Cell] = {
        "period_start": window.start_at,
        "period_end": window.end_at,
        **flat,
    }
    return Answer(
        document=document,
        tables=(
            Table.of("tenant_dashboard", _SUMMARY_TYPES, [summary]),
            Table.of("series", _SERIES_TYPES, points),
        ),
    )


def _business(value: Row) -> dict[str, Cell]:
    return {
        "total_cost_usd": half_up(value["total_cost_usd"], 2),
        "cost_per_resolution_usd": half_up(value["cost_per_resolution_usd"], 2),
        # May be negative: what the agents did not save is not hidden (RO-043).
        "estimated_savings_usd": half_up(value["net_savings_usd"], 2),
    }


def _platform_value(value: Row) -> dict[str, Json]:
    """Gross saving, the platform's own cost with its fee, and the return on it (RO-026, RO-060)."""
    return {
        "gross_savings": half_up(value["gross_savings_usd"], 2),
        "platform_fee": half_up(value["platform_fee_usd"], 2),
        "platform_cost": half_up(value["platform_cost_usd"], 2),
        "net_savings": half_up(value["net_savings_after_fee_usd"], 2),
        "roi_percent": half_up(value["roi_percent"], 1),
    }


def _benchmarks() -> list[Json]:
    """What a person usually costs, in US dollars, beside the figure taken (RO-057..059)."""
    return [
        {
            "use_case": cost.use_case,
            "default_usd": cost.default_usd,
            "low_usd": cost.low_usd,
            "high_usd": cost.high_usd,
        }
        for cost in read_standards().human_costs
    ]


def _quality(outcomes: Row) -> dict[str, Json]:
    return {
        "completed_conversations": count(outcomes, "completed_conversations"),
        "resolved_conversations": count(outcomes, "resolved_conversations"),
        "escalated_conversations": count(outcomes, "escalated_conversations"),
        "abandoned_conversations": count(outcomes, "abandoned_conversations"),
        "escalation_rate": half_up(outcomes["escalation_rate"], 4),
        "abandonment_rate": half_up(outcomes["abandonment_rate"], 4),
        "satisfaction_response_rate": half_up(outcomes["satisfaction_response_rate"], 4),
        "judge_coverage": half_up(outcomes["judge_coverage"], 4),
        "judge_scores": {
            dimension: half_up(outcomes[f"avg_{dimension}_score"], 2)
            for dimension in ("accuracy", "helpfulness", "tone", "completeness", "overall")
        },
    }


def _roi(figures: Figures) -> dict[str, Json] | None:
    """The calculator of answered calls, by month (RO-008..016); its inputs are the tenant's own."""
    rows = figures["roi_summary"]
    if not rows:
        return None
    row = rows[0]
    return {
        "inputs": {
            **{name: half_up(row[name], places) for name, places in _INPUT_PLACES.items()},
            "is_call_volume_counted": bool(row["is_call_volume_counted"]),
        },
        "missed_calls": half_up(row["missed_calls"], 2),
        "captured_calls": half_up(row["captured_calls"], 2),
        "won_calls": half_up(row["won_calls"], 2),
        "recovered_revenue_per_month": half_up(row["recovered_revenue_usd"], 2),
        "operating_cost_saved_per_month": half_up(row["operating_cost_saved_usd"], 2),
        "platform_cost_per_month": half_up(row["monthly_platform_cost_usd"], 2),
        "net_monthly_value": half_up(row["net_monthly_value_usd"], 2),
        "roi_percent": half_up(row["net_monthly_value_percent"], 1),
    }


def _percent(row: Row, *, places: int) -> Decimal | None:
    """Resolved of completed conversations in percent; null without any (RO-047)."""
    completed = row["completed_conversations"]
    return ratio(row["resolved_conversations"], completed, places=places, times=100)


def _instant(row: Row) -> datetime:
    start: datetime = row["start_at"]
    return start.replace(tzinfo=UTC)


def _local_text(instant: datetime, window: Window) -> str:
    """ISO 8601 with the offset that the window's zone had then."""
    return instant.astimezone(ZoneInfo(window.time_zone)).isoformat()


TENANT_DASHBOARD = Dataset(
    name="tenant-dashboard",
    default_period="30d",
    scopes=frozenset({ScopeKind.TENANT}),
    needs={
        **needs("usage_summary", "quality_summary", "value_summary", "roi_summary"),
        "series": Need(function="quality_summary", bucket=bucket_of),
        "value_in_usd": Need(function="value_summary", currency=USD),
    },
    answer=_answer,
)
