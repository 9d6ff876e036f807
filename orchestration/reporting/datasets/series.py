"""``series``: one metric of the catalogue, bucket by bucket (RO-044..049, RO-069).

Belongs here: the shape of a series. Does not belong here: any metric: a bucket is a window like any
other, so a point is what the metric's own summary says of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from orchestration.errors import UserError
from orchestration.reporting.catalogue import Metric, metrics_with_series
from orchestration.reporting.datasets.dataset import (
    Answer,
    Choice,
    Dataset,
    Figures,
    Need,
    Question,
    about,
)
from orchestration.reporting.documents import Json
from orchestration.reporting.query import Row
from orchestration.reporting.rounding import Figure, exact, half_up
from orchestration.reporting.scopes import ScopeKind
from orchestration.reporting.tables import Cell, Table

_BUCKETS = ("hour", "day", "week", "month")
_DEFAULT_BUCKET = "day"

# Counted in whole local days: an hour has no value of its own.
_OF_DAYS = frozenset({"dau", "wau", "mau", "avg_dau", "user_days", "conversation_days"})

# What a span of hours may hold: a quarter of a year, as text about a megabyte.
_MOST_DAYS_OF_HOURS = 93


def _check(question: Question) -> None:
    if question.bucket != "hour":
        return
    if question.metric in _OF_DAYS:
        raise UserError(
            f"{question.metric} is counted by day and has no value for an hour: "
            "use --bucket day, week or month"
        )
    if question.window.period_days > _MOST_DAYS_OF_HOURS:
        raise UserError(
            f"period {question.window.label!r} has {question.window.period_days} days, too many to "
            f"cut into hours: choose at most {_MOST_DAYS_OF_HOURS} days, or --bucket day"
        )


def _needs(question: Question) -> Mapping[str, Need]:
    bucket = question.bucket or _DEFAULT_BUCKET
    return {"buckets": Need(function=_metric(question).function, bucket=lambda _window: bucket)}


def _answer(question: Question, figures: Figures) -> Answer:
    metric, bucket = _metric(question), question.bucket or _DEFAULT_BUCKET
    rows = sorted(figures["buckets"], key=lambda row: row["start_at"])
    is_fraction = metric.unit == "fraction"
    points = [
        {
            "timestamp": _timestamp(row, bucket=bucket, zone=question.window.time_zone),
            "value": _value(row[metric.column], is_fraction=is_fraction),
        }
        for row in rows
    ]
    exact_values = [half_up(row[metric.column], 6) for row in rows]
    suppressed = [bool(row.get("is_suppressed")) for row in rows]
    document: dict[str, Json] = {
        "metric": metric.key,
        "label": metric.label,
        "unit": "percent" if is_fraction else metric.unit,
        "bucket": bucket,
        "points": points,
        "extra": {
            **about(question),
            # A fraction as it is stored, and small amounts that two places would make nothing of.
            "exact_unit": metric.unit,
            "exact_values": exact_values,
            "is_partial_bucket": [bool(row["is_partial"]) for row in rows],
            "is_suppressed": suppressed,
        },
    }
    flat: list[dict[str, Cell]] = [
        {**point, "exact_value": value, "is_suppressed": is_suppressed}
        for point, value, is_suppressed in zip(points, exact_values, suppressed, strict=True)
    ]
    return Answer(
        document=document,
        tables=(
            Table.of(
                "series",
                {
                    "timestamp": "VARCHAR",
                    "value": "DECIMAL(38,2)",
                    "exact_value": "DECIMAL(38,6)",
                    "is_suppressed": "BOOLEAN",
                },
                flat,
            ),
        ),
    )


def _metric(question: Question) -> Metric:
    return metrics_with_series()[question.metric or ""]


def _value(value: Figure, *, is_fraction: bool) -> Decimal | None:
    """Two places; fractions as percentages (RO-047, RO-049)."""
    if value is None:
        return None
    return half_up(exact(value) * 100 if is_fraction else value, 2)


def _timestamp(row: Row, *, bucket: str, zone: str) -> str:
    """The start of the whole bucket on the wall clock of the zone, also where the span cuts it."""
    if bucket == "hour":
        local = row["start_at"].replace(tzinfo=UTC).astimezone(ZoneInfo(zone))
        return str(local.replace(minute=0, second=0, microsecond=0).isoformat())
    first_day: date = row["start_local"]
    if bucket == "week":
        first_day -= timedelta(days=first_day.weekday())
    if bucket == "month":
        first_day = first_day.replace(day=1)
    return datetime.combine(first_day, time.min, tzinfo=ZoneInfo(zone)).isoformat()


SERIES = Dataset(
    name="series",
    default_period="30d",
    scopes=frozenset(ScopeKind),
    needs=_needs,
    answer=_answer,
    metric=Choice(allowed=lambda: tuple(metrics_with_series()), is_required=True),
    bucket=Choice(allowed=lambda: _BUCKETS, default=_DEFAULT_BUCKET),
    check=_check,
)
