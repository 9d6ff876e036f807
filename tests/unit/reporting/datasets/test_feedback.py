"""The feedback datasets show ratings with one place, by value and by load."""

from decimal import Decimal
from typing import Any

from orchestration.reporting.datasets.dataset import Figures
from orchestration.reporting.datasets.feedback import FEEDBACK_BY_AGENT_TYPE, FEEDBACK_SUMMARY
from tests.support.questions import question, shape_of


def test_every_rating_is_in_the_distribution_even_when_nobody_gave_it() -> None:
    counts = {"rating_1_count": 5, "rating_2_count": 0, "rating_3_count": 28}
    row = {
        "feedback_count": 222,
        # (5 x 1 + 28 x 3 + 89 x 4 + 100 x 5) / 222 = 945 / 222
        "avg_rating": 945 / 222,
        **counts,
        "rating_4_count": 89,
        "rating_5_count": 100,
    }
    before = {**row, "feedback_count": 230, "avg_rating": 4.5}
    answer = FEEDBACK_SUMMARY.answer(
        question("30d"), {"feedback_summary": [row], "feedback_before": [before]}
    )
    document: Any = answer.document
    assert [key for key in document if key != "extra"] == shape_of("feedback-summary")
    assert document["average_rating"] == Decimal("4.3")
    assert document["rating_distribution"] == {"1": 5, "2": 0, "3": 28, "4": 89, "5": 100}
    # 945 / 222 - 4.5 = -0.243...
    assert document["extra"]["previous"] == {
        "total_feedback": 230,
        "total_feedback_change": -8,
        "average_rating": Decimal("4.5"),
        "average_rating_change": Decimal("-0.24"),
    }
    assert answer.tables[0].rows == ((30, 222, Decimal("4.3"), 5, 0, 28, 89, 100),)


def _band(band: str, lowest: int | None, ratings: int, mean: float | None) -> dict[str, Any]:
    edges = {"low": "1-2", "medium": "3-5", "high": "6+"}
    return {
        "agent_type_key": "native:5",
        "load_band": band,
        "instances_range": edges.get(band),
        "min_instances": lowest,
        "feedback_count": ratings,
        "avg_rating": mean,
    }


def test_bands_come_from_few_instances_to_many_and_the_unknown_one_last() -> None:
    figures: Figures = {
        "feedback_by_agent_type": [
            {
                "agent_type_key": "native:5",
                "agent_type_id": "5",
                "agent_type_name": "Customer Support",
                "feedback_count": 160,
                "avg_rating": 4.25,
                "rating_degrades_at_load": 6,
            }
        ],
        "feedback_by_load": [
            _band("unknown", None, 4, 5.0),
            _band("high", 6, 33, 3.75),
            _band("low", 1, 45, 4.5),
            _band("medium", 3, 78, 4.2),
            {**_band("low", 1, 9, 1.0), "agent_type_key": "native:6"},
        ],
        "outcomes_by_load": [
            {
                "agent_type_key": "native:5",
                "load_band": "high",
                "agent_messages": 400,
                "message_error_rate": 0.03125,
                "avg_response_time_ms": 2400.5,
                "avg_llm_latency_ms": 1800.25,
            }
        ],
        "load_correlations": [
            {
                "agent_type_key": "native:5",
                "load_rating_count": 156,
                "load_rating_correlation": -0.41275,
            }
        ],
    }
    answer = FEEDBACK_BY_AGENT_TYPE.answer(question("30d"), figures)
    document: Any = answer.document
    (support,) = document["agent_types"]
    assert [key for key in support if key != "extra"] == shape_of("feedback-by-agent-type")
    assert support["average_rating"] == Decimal("4.3")
    assert support["rating_degrades_at_load"] == 6
    assert support["extra"] == {
        "load_rating_count": 156,
        "load_rating_correlation": Decimal("-0.413"),
    }
    bands = support["rating_by_load"]
    assert bands["high"]["extra"] == {
        "agent_messages": 400,
        "error_rate": Decimal("0.0313"),
        "avg_response_time_ms": 2401,
        "avg_llm_latency_ms": 1800,
    }
    assert bands["low"]["extra"]["agent_messages"] == 0
    assert [
        (name, {key: value for key, value in band.items() if key != "extra"})
        for name, band in bands.items()
    ] == [
        ("low", {"instances_range": "1-2", "avg_rating": Decimal("4.5"), "count": 45}),
        ("medium", {"instances_range": "3-5", "avg_rating": Decimal("4.2"), "count": 78}),
        ("high", {"instances_range": "6+", "avg_rating": Decimal("3.8"), "count": 33}),
        ("unknown", {"instances_range": None, "avg_rating": Decimal("5.0"), "count": 4}),
    ]
    assert [table.name for table in answer.tables] == ["feedback_by_agent_type", "rating_by_load"]
    assert len(answer.tables[1].rows) == 4
