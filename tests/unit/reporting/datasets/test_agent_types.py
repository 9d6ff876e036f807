"""The comparison of agent types has the agreed shape and rounds for reading."""

from decimal import Decimal
from typing import Any

from orchestration.reporting.datasets.agent_types import AGENT_TYPE_COMPARISON
from tests.support.questions import question
from tests.support.shapes import differences

# AG-084..091: 850 messages of 325,000 tokens, of them 115,000 made; 2 toxic, 112 redactions.
_SUPPORT: dict[str, Any] = {
    "agent_type_key": "native:5",
    "agent_type_id": "5",
    "agent_type_name": "Customer Support",
    "primary_model": "claude-sonnet-4",
    "primary_provider": "anthropic",
    "model_count": 2,
    "agent_messages": 850,
    "total_tokens": 325_000,
    "avg_llm_latency_ms": 1719.5,
    "avg_response_time_ms": 2400.25,
    "message_error_rate": 0.0125,
    # 115,000 tokens in 850 x 1.72 s
    "tokens_per_second": 115_000 / (850 * 1.72),
    "avg_message_tokens_per_second": 80.25,
    "avg_tokens_per_message": 325_000 / 850,
    "avg_output_tokens_per_message": 115_000 / 850,
    "cost_usd": Decimal("12.345"),
    "audited_messages": 800,
    "toxic_messages": 2,
    "toxic_rate": 2 / 850,
    "pii_redactions": 112,
    "pii_redactions_per_message": 112 / 850,
    "feedback_count": 156,
    "avg_rating": 655.5 / 156,
    "rating_degrades_at_load": 6,
}
_QUIET = {
    **dict.fromkeys(_SUPPORT),
    "agent_type_key": None,
    "agent_messages": 0,
    "feedback_count": 1,
    "avg_rating": 5.0,
}


def _document() -> Any:
    figures = {
        "agent_type_comparison": [_QUIET, _SUPPORT],
        "agent_hours": [
            {"agent_type_key": "native:5", "agent_hours": 12.345},
            {"agent_type_key": "native:9", "agent_hours": 0.5},
        ],
    }
    return AGENT_TYPE_COMPARISON.answer(question("30d"), figures).document


def test_the_document_has_the_agreed_shape() -> None:
    assert differences("agent-type-comparison", _document()) == []


def test_the_figures_are_those_that_can_be_recomputed() -> None:
    support = _document()["agent_types"][0]
    assert support["performance"] == {
        "total_messages": 850,
        "total_tokens": 325_000,
        "avg_response_time_ms": 1720,
        # Not the 95.5 of the published example, which no formula gives (EX-12).
        "tokens_per_second": Decimal("78.7"),
        "avg_tokens_per_message": 382,
    }
    assert support["compliance"] == {
        "toxic_rate_percent": Decimal("0.24"),
        "pii_redactions_per_message": Decimal("0.132"),
    }
    # 655.5 / 156 = 4.2, not 4.3 (EX-10).
    assert support["satisfaction"] == {
        "feedback_count": 156,
        "average_rating": Decimal("4.2"),
        "rating_degrades_at_load": 6,
    }


def test_what_the_shape_has_no_place_for_stands_beside() -> None:
    extra = _document()["agent_types"][0]["extra"]
    assert extra["agent_type_name"] == "Customer Support"
    assert (extra["model_count"], extra["avg_output_tokens_per_message"]) == (2, 135)
    assert extra["cost_usd"] == Decimal("12.35")
    assert extra["avg_message_tokens_per_second"] == Decimal("80.3")


def test_hours_of_instances_stand_beside_their_type_and_in_sum() -> None:
    document = _document()
    assert [one["extra"]["agent_hours"] for one in document["agent_types"]] == [
        Decimal("12.35"),
        None,
    ]
    # A type whose instances ran without a message has hours and no place in the list.
    assert document["extra"]["agent_hours"] == Decimal("12.85")


def test_a_type_without_messages_has_zeros_and_unknown_quotients() -> None:
    quiet = _document()["agent_types"][1]
    assert quiet["performance"] == {
        "total_messages": 0,
        "total_tokens": 0,
        "avg_response_time_ms": None,
        "tokens_per_second": None,
        "avg_tokens_per_message": None,
    }
    assert set(quiet["compliance"].values()) == {None}
