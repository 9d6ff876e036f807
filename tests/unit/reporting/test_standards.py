"""Words, targets and usual ranges decide at their edges as the reference data say."""

from decimal import Decimal

import pytest

from orchestration.reporting.standards import read_standards


@pytest.mark.parametrize(
    ("scale", "value", "word"),
    [
        ("message_error_rate", "0.003", "excellent"),
        ("message_error_rate", "0.005", "good"),
        ("message_error_rate", "0.007", "good"),
        ("message_error_rate", "0.012", "acceptable"),
        ("message_error_rate", "0.02", "critical"),
        ("response_time_ms", "1800", "fast"),
        ("response_time_ms", "3200", "good"),
        ("response_time_ms", "5100", "acceptable"),
        ("response_time_ms", "8000", "slow"),
        ("tokens_per_message", "612", "high context"),
        ("tokens_per_message", "445", "medium context"),
        ("tokens_per_message", "123", "low context"),
    ],
)
def test_a_label_holds_from_its_lower_bound_to_below_its_upper(
    scale: str, value: str, word: str
) -> None:
    assert read_standards().label(scale, Decimal(value)) == word


def test_an_unknown_value_has_no_label() -> None:
    assert read_standards().label("message_error_rate", None) is None


def test_a_target_is_strict() -> None:
    targets = {target.metric: target for target in read_standards().targets}
    response_time = targets["avg_response_time_ms"]
    assert response_time.is_met_by(Decimal("2999.9"))
    assert not response_time.is_met_by(Decimal(3000))
    assert not targets["uptime"].is_met_by(Decimal("0.999"))


def test_a_usual_range_includes_both_ends() -> None:
    benchmarks = {one.metric: one for one in read_standards().benchmarks}
    messages = benchmarks["messages_per_session"]
    assert [messages.position_of(Decimal(value)) for value in ("2.9", "3", "8", "8.1")] == [
        "below",
        "within",
        "within",
        "above",
    ]
