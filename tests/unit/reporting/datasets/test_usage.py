"""The usage datasets have the agreed fields, order and rounding."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from orchestration.reporting.datasets.dataset import Figures
from orchestration.reporting.datasets.usage import (
    USAGE_BY_AGENT,
    USAGE_BY_MODEL,
    USAGE_SUMMARY,
    USAGE_TIMELINE,
)
from tests.support.questions import question, shape_of

_SUMMARY = {
    "agent_messages": 1250,
    "completed_count": 1200,
    "errored_count": 50,
    "user_messages": 1300,
    "anonymous_messages": 7,
    "active_users": 40,
    "active_agents": 5,
    "input_tokens": 320_000,
    "output_tokens": 165_000,
    "total_tokens": 485_000,
    "cache_read_tokens": 9,
    "cache_write_tokens": 8,
    "reasoning_tokens": 7,
    "avg_llm_latency_ms": 1849.5,
    "model_count": 3,
    "tokens_per_second": 95.25,
    "avg_message_tokens_per_second": 101.25,
    "cost_usd": Decimal("18.405000000000"),
    "recorded_cost_usd": Decimal("10.000000000000"),
    "unpriced_usage_count": 2,
    "unpriced_tokens": 900,
}


def _agent(agent_id: str, total: int, **other: Any) -> dict[str, Any]:
    return {
        "agent_key": f"native:{agent_id}",
        "agent_id": agent_id,
        "agent_name": agent_id.upper(),
        "agent_type_name": "Support",
        "agent_messages": 3,
        "errored_count": 1,
        "user_messages": 3,
        "sessions": 2,
        "input_tokens": total - 1,
        "output_tokens": 1,
        "total_tokens": total,
        "avg_llm_latency_ms": 10.4,
        "cost_usd": None,
        **other,
    }


def _model(model: str, total: int, provider: str | None = None) -> dict[str, Any]:
    return {
        "model": model,
        "provider": provider,
        "agent_messages": 0,
        "input_tokens": total,
        "output_tokens": 0,
        "total_tokens": total,
        "avg_llm_latency_ms": None,
        "tokens_per_second": None,
        "avg_message_tokens_per_second": None,
        "cost_usd": Decimal("0.125"),
    }


def test_the_summary_has_the_fields_of_its_shape_with_whole_milliseconds() -> None:
    document: Any = USAGE_SUMMARY.answer(question("7d"), {"usage_summary": [_SUMMARY]}).document
    extra = document.pop("extra")
    assert document == {
        "period_days": 7,
        "total_messages": 1250,
        "total_tokens": 485_000,
        "total_input_tokens": 320_000,
        "total_output_tokens": 165_000,
        "active_agents": 5,
        # 1849.5 goes up; rounding half to even would say 1850 too, flooring 1849.
        "avg_response_time_ms": 1850,
    }
    assert list(document) == shape_of("usage-summary")
    assert extra["cost_usd"] == Decimal("18.41")
    assert extra["tokens_per_second"] == Decimal("95.3")
    assert extra["avg_message_tokens_per_second"] == Decimal("101.3")
    assert extra["data_to"] == datetime(2026, 3, 15, tzinfo=UTC)


def test_a_scope_without_data_has_zero_counts_and_unknown_averages() -> None:
    nothing = dict.fromkeys(_SUMMARY)
    document: Any = USAGE_SUMMARY.answer(question("7d"), {"usage_summary": [nothing]}).document
    assert (document["total_messages"], document["total_tokens"]) == (0, 0)
    assert document["avg_response_time_ms"] is None
    assert document["extra"]["cost_usd"] is None


def test_agents_come_by_tokens_and_ties_by_id() -> None:
    figures: Figures = {"usage_by_agent": [_agent("c", 5), _agent("b", 9), _agent("a", 5)]}
    document: Any = USAGE_BY_AGENT.answer(question("7d"), figures).document
    assert [agent["agent_id"] for agent in document] == ["b", "a", "c"]
    assert [key for key in document[0] if key != "extra"] == shape_of("usage-by-agent")
    assert document[0]["message_count"] == 3
    assert document[0]["avg_response_time_ms"] == 10


def test_models_come_by_tokens_and_ties_by_name_and_provider() -> None:
    figures: Figures = {
        "usage_by_model": [_model("m", 5, "z"), _model("m", 5, "a"), _model("m", 5), _model("n", 6)]
    }
    document: Any = USAGE_BY_MODEL.answer(question("7d"), figures).document
    assert [(model["model"], model["extra"]["provider"]) for model in document] == [
        ("n", None),
        ("m", None),
        ("m", "a"),
        ("m", "z"),
    ]
    assert [key for key in document[0] if key != "extra"] == shape_of("usage-by-model")
    assert document[0]["extra"]["cost_usd"] == Decimal("0.13")


def test_the_timeline_has_every_day_zero_filled() -> None:
    figures: Figures = {
        "usage_daily": [
            {
                "date_day": date(2026, 3, 13),
                "agent_messages": 45,
                "total_tokens": 18_500,
                "has_data": True,
            },
            {
                "date_day": date(2026, 3, 14),
                "agent_messages": 0,
                "total_tokens": 0,
                "has_data": False,
            },
        ]
    }
    answer = USAGE_TIMELINE.answer(question("3d"), figures)
    document: Any = answer.document
    assert list(document["labels"]) == [date(2026, 3, 12), date(2026, 3, 13), date(2026, 3, 14)]
    assert document["messages"] == [0, 45, 0]
    assert document["tokens"] == [0, 18_500, 0]
    assert document["extra"]["has_data"] == [False, True, False]
    assert [key for key in document if key != "extra"] == shape_of("usage-timeline")
    assert answer.tables[0].rows[1] == (date(2026, 3, 13), 45, 18_500)


def test_an_open_month_says_so_and_counts_its_whole_length() -> None:
    as_of = datetime(2026, 3, 15, 12, tzinfo=UTC)
    asked = question("month", as_of=as_of)
    document: Any = USAGE_SUMMARY.answer(asked, {"usage_summary": [_SUMMARY]}).document
    assert document["period_days"] == 31
    assert document["extra"]["is_partial"] is True
    assert document["extra"]["data_to"] == as_of
    assert document["extra"]["last_day"] == date(2026, 3, 31)
