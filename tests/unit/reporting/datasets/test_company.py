"""The company dataset: its sections, its daily CSV, its forecast."""

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from orchestration.reporting.datasets.company import COMPANY
from orchestration.reporting.datasets.dataset import Answer, Figures
from orchestration.reporting.tables import to_csv
from tests.support.questions import question, shape_of

_SUMMARY: dict[str, Any] = {
    "avg_dau": 12.25,
    "wau": 30,
    "mau": 50,
    "active_users": 40,
    "active_agents": 2,
    "sessions": 20,
    "messages": 90,
    "user_messages": 45,
    "agent_messages": 45,
    "avg_session_duration_s": 512.34,
    "median_session_duration_s": 400,
    "messages_per_session": 4.5,
    "single_message_session_rate": 0.125,
    "avg_response_time_ms": 1850.5,
    "p50_response_time_ms": 1800,
    "p95_response_time_ms": 3200,
    "p99_response_time_ms": 5100,
    "message_error_rate": 2 / 45,
    "cost_usd": Decimal("234.565"),
    "cost_per_message_usd": Decimal("5.2125555555"),
    "cost_per_session_usd": Decimal("11.72825"),
    "cost_per_user_usd": Decimal("5.864125"),
    "input_tokens": 300,
    "output_tokens": 200,
    "total_tokens": 500,
    "avg_tokens_per_message": 500 / 45,
    "agents_with_incoming_messages": 2,
    "unpriced_usage_count": 0,
}
_DAY: dict[str, Any] = {
    "date_day": date(2026, 3, 13),
    "dau": 10,
    "wau": 20,
    "mau": 30,
    "sessions": 5,
    "messages": 16,
    "cost_usd": Decimal("1.005"),
    "cost_per_message_usd": Decimal("0.1256250000"),
    "avg_response_time_ms": 1850.5,
    "message_error_rate": 0.125,
    "has_data": True,
}
# Of a week of 234 after one of 203.478 that ends in March, which has 31 days.
_FORECAST: dict[str, Any] = {
    "weekly_cost_usd": Decimal("234"),
    "projected_monthly_cost_usd": Decimal("1014"),
    "projected_month_by_days_cost_usd": Decimal("1036.285714285714"),
    "weekly_cost_change": 0.15000147435889876,
}
_HEALTH: dict[str, Any] = {
    "uptime": 0.9999,
    "uptime_percent": Decimal("99.99"),
    "uptime_basis": "incidents",
    "downtime_minutes": 2.16,
    "incident_count": 1,
    "request_success_rate": 0.99125,
    "avg_queue_depth": 0.25,
    "p95_queue_depth": 2,
    "max_queue_depth": 9,
    "peak_rpm": 123,
    "peak_minute_at": datetime(2026, 3, 13, 12, 30),
    "capacity_rpm": 500,
    "capacity_utilisation": 0.246,
    "zero_queue_share": 0.75,
}
_RESPONSES = {"agent_messages": 200, "message_error_rate": 0.0125}


def _agent(agent_id: str, cost: str) -> dict[str, Any]:
    return {
        **_SUMMARY,
        "agent_key": f"native:{agent_id}",
        "agent_id": agent_id,
        "agent_name": agent_id,
        "cost_usd": Decimal(cost),
    }


def _model(model: str | None, cost: str | None) -> dict[str, Any]:
    return {
        **_SUMMARY,
        "model": model,
        "provider": "p",
        "vendor": None if model is None else "Maker",
        "tokens_per_second": 10,
        "cost_usd": None if cost is None else Decimal(cost),
    }


def _bin(distribution: str, order: int, label: str) -> dict[str, Any]:
    return {
        "distribution": distribution,
        "bin_order": order,
        "bin_label": label,
        "session_count": order,
        "session_share": 1 / 3,
    }


def _figures(**other: Any) -> Figures:
    return {
        "usage_summary": [_SUMMARY],
        "previous": [dict.fromkeys(_SUMMARY)],
        "forecast": [_FORECAST],
        "usage_daily": [
            {**dict.fromkeys(_DAY), "date_day": date(2026, 3, 14), "has_data": False},
            _DAY,
        ],
        "usage_by_agent": [_agent("cheap", "34.565"), _agent("dear", "200")],
        "usage_by_provider": [
            {"provider": "openai", "total_tokens": 500, "cost_usd": Decimal("234.565")}
        ],
        "usage_by_model": [_model(None, None), _model("m", "234.565")],
        "health_summary": [_HEALTH],
        "session_distribution": [
            _bin("duration", 2, "1-5 min"),
            _bin("messages", 1, "1-2"),
            _bin("duration", 1, "< 1 min"),
        ],
        "usage_hourly": [
            {
                "hour_of_day": hour,
                "agent_messages": 9,
                "avg_response_time_ms": 1850.5,
                "p95_response_time_ms": 3200,
                "message_error_rate": None,
            }
            for hour in (13, 0)
        ],
        "unused_agents": [{"agent_key": "native:idle", "agent_id": "idle", "agent_name": "Idle"}],
        "year_before": [{**_SUMMARY, "messages": 0}],
        "weeks": [
            {"start_local": date(2026, 3, 9), "cost_usd": Decimal("4"), "is_partial": True},
            {"start_local": date(2026, 3, 2), "cost_usd": Decimal("3.005"), "is_partial": False},
        ],
        "months": [],
        "health_5m": [{**_HEALTH, "avg_rpm": 45, "peak_rpm": 61}],
        "health_today": [_HEALTH],
        **{f"health_{name}": [_HEALTH] for name in ("24h", "7d", "30d")},
        **{f"responses_{name}": [_RESPONSES] for name in ("5m", "1h", "24h", "7d")},
        **other,
    }


def _answer(**other: Any) -> Answer:
    return COMPANY.answer(question("2d"), _figures(**other))


def _document(**other: Any) -> Any:
    return _answer(**other).document


def test_the_document_has_the_agreed_sections() -> None:
    assert [key for key in _document() if key != "extra"] == shape_of("company")


def test_the_csv_has_one_row_per_day_under_the_agreed_header() -> None:
    assert to_csv(_answer().tables[0]) == (
        "date,dau,wau,mau,total_sessions,total_messages,total_cost_usd,cost_per_message_usd,"
        "avg_response_time_s,error_rate\r\n"
        "2026-03-13,10,20,30,5,16,1.01,0.125625,1.851,0.125\r\n"
        "2026-03-14,0,0,0,0,0,,,,\r\n"
    )


def test_days_without_data_are_listed_in_order() -> None:
    empty = [{**_DAY, "date_day": date(2026, 3, day), "has_data": False} for day in (14, 13)]
    extra = _document(usage_daily=empty)["extra"]
    assert extra["days_without_data"] == [date(2026, 3, 13), date(2026, 3, 14)]


def test_each_list_is_a_table_of_its_own() -> None:
    assert [table.name for table in _answer().tables] == [
        "daily",
        "agents",
        "providers",
        "models",
        "session_duration",
        "messages_per_session",
    ]


def test_the_summary_is_rounded_for_reading() -> None:
    summary = _document()["summary"]
    assert summary["avg_dau"] == Decimal("12.3")
    assert summary["total_cost_usd"] == Decimal("234.57")
    assert summary["cost_per_message_usd"] == Decimal("5.212556")
    assert summary["error_rate"] == Decimal("0.0444")
    # 500 tokens over 45 agent messages = 11.1
    assert summary["avg_tokens_per_message"] == 11


def test_agents_and_models_come_by_cost_with_their_exact_share() -> None:
    document = _document()
    # 200 / 234.565 = 0.8526421...
    assert [(agent["agent_id"], agent["cost_share"]) for agent in document["agents"]] == [
        ("dear", Decimal("0.852642")),
        ("cheap", Decimal("0.147358")),
    ]
    assert [(model["model"], model["cost_share"]) for model in document["models"]] == [
        ("m", Decimal("1.000000")),
        ("unknown", None),
    ]


def test_health_is_the_platforms_and_says_so() -> None:
    health = _document()["health"]
    assert health["uptime_percent"] == Decimal("99.99")
    assert health["peak_at"] == datetime(2026, 3, 13, 12, 30, tzinfo=UTC)
    assert health["scope"] == "platform"


def test_the_forecast_is_the_last_week_spread_over_a_month() -> None:
    assert _document()["forecast"] == {
        "current_weekly_cost_usd": Decimal("234.00"),
        "projected_monthly_cost_usd": Decimal("1014.00"),
        "projected_month_by_days_usd": Decimal("1036.29"),
        "week_over_week_change": Decimal("0.1500"),
    }


def test_where_nothing_is_projected_the_week_is_shown_alone() -> None:
    week = {**dict.fromkeys(_FORECAST), "weekly_cost_usd": Decimal("234")}
    assert _document(forecast=[week])["forecast"] == {
        "current_weekly_cost_usd": Decimal("234.00"),
        "projected_monthly_cost_usd": None,
        "projected_month_by_days_usd": None,
        "week_over_week_change": None,
    }


def test_the_distributions_come_in_the_order_of_their_bins() -> None:
    distributions = _document()["distributions"]
    assert [one["bin"] for one in distributions["session_duration"]] == ["< 1 min", "1-5 min"]
    assert distributions["messages_per_session"] == [
        {"bin": "1-2", "sessions": 1, "share": Decimal("0.333333")}
    ]


def test_the_forecast_reads_the_last_seven_complete_days_whatever_the_period() -> None:
    window = question("2026-01").window
    last_week = COMPANY.needs_of(question("2d"))["forecast"].window
    assert last_week is not None
    assert (last_week(window).first_day, last_week(window).last_day) == (
        date(2026, 3, 8),
        date(2026, 3, 14),
    )


def _extra(**other: Any) -> Any:
    return _document(**other)["extra"]


def test_the_cards_say_how_they_changed_and_whether_that_is_welcome() -> None:
    before = {**_SUMMARY, "cost_usd": Decimal("200"), "sessions": 25, "avg_dau": 12.25}
    changes = _extra(previous=[before])["changes"]
    assert changes["cost_usd"] == {
        "change": Decimal("34.565000"),
        # 34.565 / 200 = 0.172825
        "relative_change": Decimal("0.1728"),
        "direction": "up",
        "assessment": "worsening",
    }
    assert (changes["sessions"]["direction"], changes["sessions"]["assessment"]) == (
        "down",
        "worsening",
    )
    assert changes["avg_dau"]["assessment"] == "stable"


def test_a_year_of_which_nothing_is_known_compares_with_nothing() -> None:
    assert _extra()["year_over_year"] is None
    known = _extra(year_before=[{**_SUMMARY, "sessions": 10}])["year_over_year"]
    assert known["sessions"]["relative_change"] == Decimal("1.0000")


def test_the_dearest_five_and_the_others_are_the_total() -> None:
    agents = [_agent(f"a{cost}", str(cost)) for cost in (10, 20, 30, 40, 50, 60, 24)]
    top = _extra(usage_by_agent=agents, usage_summary=[{**_SUMMARY, "cost_usd": Decimal(234)}])[
        "top_agents_by_cost"
    ]
    assert [one["agent_id"] for one in top] == ["a60", "a50", "a40", "a30", "a24", None]
    # 20 + 10
    assert top[-1]["total_cost_usd"] == Decimal("30.00")
    assert sum(one["total_cost_usd"] for one in top) == Decimal(234)


def test_costs_are_also_by_who_made_the_model() -> None:
    assert [(one["vendor"], one["total_cost_usd"]) for one in _extra()["vendors"]] == [
        ("Maker", Decimal("234.57")),
        ("unknown", Decimal("0.00")),
    ]


def test_hours_and_weeks_come_in_order() -> None:
    extra = _extra()
    assert [(one["hour"], one["avg_response_time_s"]) for one in extra["hourly"]] == [
        (0, Decimal("1.851")),
        (13, Decimal("1.851")),
    ]
    assert [one["total_cost_usd"] for one in extra["weekly_costs"]] == [
        Decimal("3.01"),
        Decimal("4.00"),
    ]


def test_agents_that_nobody_wrote_to_and_the_size_of_context_are_named() -> None:
    extra = _extra()
    assert extra["unused_agents"] == [{"agent_id": "idle", "agent_name": "Idle"}]
    # 500 / 45 tokens a message, far under 200.
    assert extra["context_label"] == "low context"
    # 12.25 / 50
    assert extra["stickiness"] == Decimal("0.2450")
    assert extra["input_token_share"] == Decimal("0.600000")


def test_figures_are_held_against_what_is_usual_and_what_should_be() -> None:
    extra = _extra()
    usual = {one["metric"]: one["position"] for one in extra["benchmarks"]}
    assert usual == {
        "avg_session_duration_s": "within",
        "messages_per_session": "within",
        "cost_per_message_usd": "above",
    }
    met = {one["metric"]: one["is_met"] for one in extra["targets"]}
    assert met == {
        "avg_response_time_ms": True,
        "message_error_rate": False,
        "uptime": True,
        "request_success_rate": True,
        "p95_response_time_ms": True,
        "zero_queue_share": True,
    }


def test_an_amount_in_another_currency_is_not_held_against_what_is_usual_in_dollars() -> None:
    asked = replace(question("2d"), currency="EUR")
    document: Any = COMPANY.answer(asked, _figures()).document
    usual = {one["metric"]: one["position"] for one in document["extra"]["benchmarks"]}
    assert usual["cost_per_message_usd"] is None
    assert usual["messages_per_session"] == "within"


def test_health_by_the_clock_stands_beside_that_of_the_period() -> None:
    now = _document()["health"]["extra"]
    assert (now["current_rpm"], now["headroom_rpm"]) == (Decimal("45.0"), Decimal("455.0"))
    assert now["current_utilisation"] == Decimal("0.0900")
    assert now["error_rate"]["5m"] == {
        "error_rate": Decimal("0.0125"),
        "messages": 200,
        "label": "acceptable",
    }
    assert now["uptime"]["30d"]["uptime_percent"] == Decimal("99.99")
    # 1.8 s, 3.2 s and 5.1 s.
    assert now["response_time_labels"] == {"p50": "fast", "p95": "good", "p99": "acceptable"}


def test_health_by_the_clock_reads_up_to_the_as_of_time() -> None:
    needs = COMPANY.needs_of(question("2d"))
    last_hour = needs["responses_1h"].window
    assert last_hour is not None
    window = last_hour(question("2026-01").window)
    assert (window.start_at, window.end_at) == (
        datetime(2026, 3, 14, 23, tzinfo=UTC),
        datetime(2026, 3, 15, tzinfo=UTC),
    )
