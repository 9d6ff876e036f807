"""The tenant dashboard: its zeros and nulls, the buckets of its series, what it was worth."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from orchestration.reporting.datasets.dataset import Figures, Question
from orchestration.reporting.datasets.tenant_dashboard import TENANT_DASHBOARD, bucket_of
from orchestration.reporting.documents import to_json
from orchestration.reporting.periods import parse_period
from orchestration.reporting.tables import to_csv
from tests.support.questions import question, shape_of

_USAGE: dict[str, Any] = {
    "active_agents": 6,
    "agent_messages": 9000,
    "unpriced_usage_count": 0,
    "avg_response_time_ms": 1850.45,
    "p95_response_time_ms": 4210.04,
}
_OUTCOMES: dict[str, Any] = {
    "conversations": 2400,
    "agents_with_conversations": 5,
    "conversation_days": 30,
    "completed_conversations": 2400,
    "resolved_conversations": 2256,
    "escalated_conversations": 144,
    "abandoned_conversations": 0,
    "resolution_rate": 0.94,
    "escalation_rate": 0.06,
    "abandonment_rate": 0.0,
    "avg_satisfaction_score": 4.305,
    "satisfaction_response_rate": 0.25,
    "judge_coverage": 0.5,
    "avg_accuracy_score": 4.0,
    "avg_helpfulness_score": 4.5,
    "avg_tone_score": None,
    "avg_completeness_score": None,
    "avg_overall_score": 4.25,
}
# EX-27: 2,256 resolved x 8.50 = 19,176 avoided, for 1,176 of cost.
_VALUE: dict[str, Any] = {
    "gross_savings_usd": Decimal(19176),
    "total_cost_usd": Decimal(1176),
    "net_savings_usd": Decimal(18000),
    "cost_per_resolution_usd": Decimal("0.521276595745"),
    "platform_fee_usd": Decimal(324),
    "platform_cost_usd": Decimal(1500),
    "net_savings_after_fee_usd": Decimal(17676),
    "roi_percent": 1178.4,
}
_ROI: dict[str, Any] = {
    "monthly_call_volume": Decimal(2000),
    "is_call_volume_counted": False,
    "average_deal_value_usd": Decimal(500),
    "answer_rate": Decimal("0.75"),
    "receptionist_cost_usd_month": Decimal(3000),
    "capture_share": Decimal(1),
    "conversion_rate": Decimal("0.1"),
    "displaced_share": Decimal("0.5"),
    "missed_calls": Decimal(500),
    "captured_calls": Decimal(500),
    "won_calls": Decimal(50),
    "recovered_revenue_usd": Decimal(25000),
    "operating_cost_saved_usd": Decimal(1500),
    "monthly_platform_cost_usd": Decimal(1500),
    "net_monthly_value_usd": Decimal(25000),
    "net_monthly_value_percent": 1666.6666666666667,
}


def _point(day: int, conversations: int, completed: int, resolved: int) -> dict[str, Any]:
    return {
        "start_at": datetime(2026, 3, day),
        "conversations": conversations,
        "completed_conversations": completed,
        "resolved_conversations": resolved,
    }


def _figures(**other: Any) -> Figures:
    return {
        "usage_summary": [_USAGE],
        "quality_summary": [_OUTCOMES],
        "value_summary": [_VALUE],
        "value_in_usd": [_VALUE],
        "roi_summary": [_ROI],
        # Not in order, as a query without an order may give them.
        "series": [_point(14, 80, 16, 15), _point(13, 0, 0, 0)],
        **other,
    }


def _document(figures: Figures, asked: Question | None = None) -> Any:
    return TENANT_DASHBOARD.answer(asked or question("2d"), figures).document


def test_the_blocks_have_the_rounding_of_their_rows() -> None:
    document = _document(_figures())
    assert [key for key in document if key != "extra"] == shape_of("tenant-dashboard")
    assert document["usage"] == {
        "total_conversations": 2400,
        "active_agents": 5,
        "active_days": 30,
    }
    assert document["performance"] == {
        "avg_response_time_ms": Decimal("1850.5"),
        "p95_response_time_ms": Decimal("4210.0"),
    }
    assert document["quality"] == {
        "resolution_rate": Decimal("94.0"),
        "avg_satisfaction": Decimal("4.31"),
    }


def test_ex_27_2400_conversations_at_94_percent_save_18000() -> None:
    assert _document(_figures())["business"] == {
        "total_cost_usd": Decimal("1176.00"),
        "cost_per_resolution_usd": Decimal("0.52"),
        "estimated_savings_usd": Decimal("18000.00"),
    }


def test_the_document_has_the_shape_that_is_promised() -> None:
    document = json.loads(to_json(_document(_figures())))
    assert document["period"] == {
        "start": "2026-03-13T00:00:00+00:00",
        "end": "2026-03-15T00:00:00+00:00",
    }
    assert {key: list(document[key]) for key in shape_of("tenant-dashboard")} == {
        "period": ["start", "end"],
        "usage": ["total_conversations", "active_agents", "active_days"],
        "performance": ["avg_response_time_ms", "p95_response_time_ms"],
        "quality": ["resolution_rate", "avg_satisfaction"],
        "business": ["total_cost_usd", "cost_per_resolution_usd", "estimated_savings_usd"],
        "series": ["total_conversations", "resolution_rate"],
    }


def test_the_series_count_empty_buckets_as_zero_and_know_no_rate_in_them() -> None:
    series = json.loads(to_json(_document(_figures())["series"]))
    assert series == {
        "total_conversations": [
            {"timestamp": "2026-03-13T00:00:00+00:00", "value": 0.0},
            {"timestamp": "2026-03-14T00:00:00+00:00", "value": 80.0},
        ],
        "resolution_rate": [
            {"timestamp": "2026-03-13T00:00:00+00:00", "value": None},
            {"timestamp": "2026-03-14T00:00:00+00:00", "value": 93.75},
        ],
    }


def test_times_carry_the_offset_of_their_own_instant() -> None:
    """New York's clocks went forward on 8 March 2026."""
    asked = question("2d")
    window = parse_period(
        "2026-03-08..2026-03-08",
        as_of=datetime(2026, 3, 15, tzinfo=UTC),
        time_zone="America/New_York",
    )
    points = [{**_point(8, 1, 1, 1), "start_at": datetime(2026, 3, 8, 5)}]
    document = _document(_figures(series=points), replace(asked, window=window))
    assert document["period"] == {
        "start": "2026-03-08T00:00:00-05:00",
        "end": "2026-03-09T00:00:00-04:00",
    }
    assert document["series"]["resolution_rate"] == [
        {"timestamp": "2026-03-08T00:00:00-05:00", "value": Decimal("100.00")}
    ]


@pytest.mark.parametrize(
    ("period", "bucket"),
    [("1d", "hour"), ("2d", "hour"), ("3d", "day"), ("day", "hour"), ("month", "day")],
)
def test_two_whole_days_are_shown_by_the_hour_and_more_by_the_day(period: str, bucket: str) -> None:
    moment = datetime(2026, 3, 15, 12, tzinfo=UTC)
    assert bucket_of(parse_period(period, as_of=moment, time_zone="UTC")) == bucket


def test_an_open_window_is_as_long_as_it_has_lasted() -> None:
    """Two days and 23 hours are two whole days (RO-053)."""
    nearly = datetime(2026, 3, 3, 23, tzinfo=UTC)
    shown = [
        bucket_of(parse_period("month", as_of=moment, time_zone="UTC"))
        for moment in (nearly, nearly + timedelta(hours=1))
    ]
    assert shown == ["hour", "day"]


def test_a_tenant_without_anything_has_the_zeros_its_rows_name_and_no_others() -> None:
    document = _document(
        _figures(
            usage_summary=[dict.fromkeys(_USAGE)],
            quality_summary=[dict.fromkeys(_OUTCOMES)],
            value_summary=[dict.fromkeys(_VALUE)],
            value_in_usd=[dict.fromkeys(_VALUE)],
            roi_summary=[],
            series=[],
        )
    )
    assert document["usage"] == {"total_conversations": 0, "active_agents": 0, "active_days": 0}
    assert document["performance"] == {"avg_response_time_ms": 0, "p95_response_time_ms": None}
    assert document["quality"] == {"resolution_rate": 0, "avg_satisfaction": 0}
    assert set(document["business"].values()) == {None}
    assert document["series"] == {"total_conversations": [], "resolution_rate": []}
    assert document["extra"]["roi"] is None


def test_nothing_resolved_shows_its_loss_and_no_cost_per_resolution() -> None:
    value = {
        **_VALUE,
        "gross_savings_usd": Decimal(0),
        "total_cost_usd": Decimal("2.005"),
        "net_savings_usd": Decimal("-2.005"),
        "cost_per_resolution_usd": None,
    }
    assert _document(_figures(value_summary=[value]))["business"] == {
        "total_cost_usd": Decimal("2.01"),
        "cost_per_resolution_usd": None,
        "estimated_savings_usd": Decimal("-2.01"),
    }


def test_the_return_counts_the_platform_fee() -> None:
    business = _document(_figures())["extra"]["business"]
    assert {name: business[name] for name in business if name != "human_cost_benchmarks"} == {
        "gross_savings": Decimal("19176.00"),
        "platform_fee": Decimal("324.00"),
        "platform_cost": Decimal("1500.00"),
        "net_savings": Decimal("17676.00"),
        "roi_percent": Decimal("1178.4"),
    }


def test_the_usual_cost_of_a_person_is_shown_with_its_range() -> None:
    shown = _document(_figures())["extra"]["business"]["human_cost_benchmarks"]
    assert [tuple(one.values()) for one in shown] == [
        ("support", Decimal("8.50"), Decimal("8.00"), Decimal("12.00")),
        ("sales", Decimal("25.00"), Decimal("25.00"), Decimal("50.00")),
        ("it_helpdesk", Decimal("15.00"), Decimal("15.00"), Decimal("20.00")),
        ("unset", Decimal("8.50"), Decimal("8.00"), Decimal("12.00")),
    ]


def test_the_calculator_shows_its_inputs_and_what_follows_from_them() -> None:
    roi = _document(_figures())["extra"]["roi"]
    assert roi["inputs"]["answer_rate"] == Decimal("0.7500")
    assert roi["inputs"]["is_call_volume_counted"] is False
    outcomes = {key: value for key, value in roi.items() if key != "inputs"}
    assert outcomes == {
        "missed_calls": 500,
        "captured_calls": 500,
        "won_calls": 50,
        "recovered_revenue_per_month": 25000,
        "operating_cost_saved_per_month": 1500,
        "platform_cost_per_month": 1500,
        "net_monthly_value": 25000,
        "roi_percent": Decimal("1666.7"),
    }


def test_us_dollars_stand_beside_another_currency() -> None:
    in_euros = {**_VALUE, "total_cost_usd": Decimal(1000)}
    document = _document(
        _figures(value_summary=[in_euros]), replace(question("2d"), currency="EUR")
    )
    assert document["extra"]["currency"] == "EUR"
    assert document["business"]["total_cost_usd"] == 1000
    assert document["extra"]["business_in_usd"]["total_cost_usd"] == 1176


def test_csv_has_the_figures_in_one_row_and_the_series_in_a_table_of_its_own() -> None:
    summary, series = TENANT_DASHBOARD.answer(question("2d"), _figures()).tables
    header, row = to_csv(summary).splitlines()
    assert header.startswith("period_start,period_end,total_conversations,active_agents")
    assert row == (
        "2026-03-13T00:00:00Z,2026-03-15T00:00:00Z,2400,5,30,1850.5,4210.0,94.0,4.31,1176.0,0.52,"
        "18000.0"
    )
    assert to_csv(series).splitlines() == [
        "timestamp,total_conversations,resolution_rate",
        "2026-03-13T00:00:00Z,0.0,",
        "2026-03-14T00:00:00Z,80.0,93.75",
    ]
