"""A series is its metric's own summary, once per bucket."""

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from orchestration.errors import UserError
from orchestration.reporting.catalogue import metrics_with_series
from orchestration.reporting.datasets.dataset import Question
from orchestration.reporting.datasets.series import SERIES
from orchestration.reporting.periods import parse_period
from orchestration.reporting.tables import to_csv
from tests.support.questions import question


def _asked(
    metric: str, bucket: str = "day", *, period: str = "2026-03", zone: str = "UTC"
) -> Question:
    as_of = datetime(2026, 4, 15, tzinfo=UTC)
    return replace(
        question(period),
        window=parse_period(period, as_of=as_of, time_zone=zone),
        metric=metric,
        bucket=bucket,
    )


def _bucket(day: date, start: datetime, **figures: Any) -> dict[str, Any]:
    return {"start_local": day, "start_at": start, "is_partial": False, **figures}


def _document(asked: Question, *buckets: dict[str, Any]) -> Any:
    return SERIES.answer(asked, {"buckets": buckets}).document


def test_a_metric_is_read_from_its_own_summary_cut_into_the_buckets() -> None:
    asked = _asked("total_conversations", "week")
    need = SERIES.needs_of(asked)["buckets"]
    assert need.function == "quality_summary"
    assert need.bucket is not None
    assert need.bucket(asked.window) == "week"


def test_points_come_in_order_with_two_places_and_unknown_stays_unknown() -> None:
    document = _document(
        _asked("cost_usd"),
        _bucket(date(2026, 3, 2), datetime(2026, 3, 2), cost_usd=None),
        _bucket(date(2026, 3, 1), datetime(2026, 3, 1), cost_usd=Decimal("1.005")),
    )
    assert document["points"] == [
        {"timestamp": "2026-03-01T00:00:00+00:00", "value": Decimal("1.01")},
        {"timestamp": "2026-03-02T00:00:00+00:00", "value": None},
    ]
    assert (document["metric"], document["unit"], document["bucket"]) == ("cost_usd", "USD", "day")
    assert document["extra"]["exact_values"] == [Decimal("1.005000"), None]


def test_a_fraction_is_shown_in_percent_and_kept_as_it_is_beside() -> None:
    row = _bucket(date(2026, 3, 1), datetime(2026, 3, 1), resolution_rate=15 / 16)
    document = _document(_asked("resolution_rate"), row)
    assert (document["points"][0]["value"], document["unit"]) == (Decimal("93.75"), "percent")
    assert document["extra"]["exact_values"] == [Decimal("0.937500")]
    assert document["extra"]["exact_unit"] == "fraction"


@pytest.mark.parametrize(
    ("bucket", "expected"),
    [
        ("day", "2026-03-11T00:00:00-04:00"),
        # Of the whole week and month, though the period cuts them: 9 March is a Monday.
        ("week", "2026-03-09T00:00:00-04:00"),
        ("month", "2026-03-01T00:00:00-05:00"),
    ],
)
def test_a_point_stands_at_the_start_of_its_bucket_on_the_wall_clock(
    bucket: str, expected: str
) -> None:
    asked = _asked("cost_usd", bucket, period="2026-03-11..2026-03-20", zone="America/New_York")
    row = _bucket(date(2026, 3, 11), datetime(2026, 3, 11, 4), cost_usd=Decimal(1))
    assert _document(asked, row)["points"][0]["timestamp"] == expected


def test_the_repeated_hour_of_a_clock_change_has_two_points() -> None:
    asked = _asked("requests", "hour", period="2025-11-02..2025-11-02", zone="America/New_York")
    rows = [
        _bucket(date(2025, 11, 2), datetime(2025, 11, 2, hour), requests=hour) for hour in (5, 6)
    ]
    assert [point["timestamp"] for point in _document(asked, *rows)["points"]] == [
        "2025-11-02T01:00:00-04:00",
        "2025-11-02T01:00:00-05:00",
    ]


def test_what_is_counted_by_day_has_no_series_by_hour() -> None:
    assert SERIES.check is not None
    with pytest.raises(UserError, match=r"dau is counted by day.*--bucket day, week or month"):
        SERIES.check(_asked("dau", "hour"))
    SERIES.check(_asked("dau", "week"))


def test_a_year_is_not_cut_into_hours() -> None:
    assert SERIES.check is not None
    with pytest.raises(UserError, match=r"'2025' has 365 days.*at most 93"):
        SERIES.check(_asked("requests", "hour", period="2025"))


def test_the_csv_has_a_row_per_bucket() -> None:
    row = _bucket(date(2026, 3, 1), datetime(2026, 3, 1), message_error_rate=0.0125)
    table = SERIES.answer(_asked("message_error_rate"), {"buckets": [row]}).tables[0]
    assert to_csv(table) == (
        "timestamp,value,exact_value,is_suppressed\r\n2026-03-01T00:00:00+00:00,1.25,0.0125,false\r\n"
    )


def test_a_bucket_of_too_few_tenants_is_null_and_flagged() -> None:
    withheld = _bucket(date(2026, 3, 1), datetime(2026, 3, 1), cost_usd=None, is_suppressed=True)
    shown = _bucket(date(2026, 3, 2), datetime(2026, 3, 2), cost_usd=Decimal(2))
    document = _document(_asked("cost_usd"), withheld, shown)
    assert [point["value"] for point in document["points"]] == [None, Decimal("2.00")]
    assert document["extra"]["is_suppressed"] == [True, False]


def test_every_metric_but_those_of_parts_has_a_series() -> None:
    metrics = metrics_with_series()
    assert {"agent_messages", "dau", "total_conversations", "resolution_rate", "gross_usd"} <= set(
        metrics
    )
    assert not {"session_share", "drop_from_low", "rows_landed"} & set(metrics)
