"""The findings come gravest first, each with what it rests on."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from orchestration.reporting.datasets.insights import INSIGHTS
from tests.support.questions import question


def _finding(
    rule: str, severity: str, *, found_in: str = "30d", state: str = "open"
) -> dict[str, Any]:
    was_found = state != "could_not_evaluate"
    return {
        "insight_id": f"{rule}-{found_in}",
        "rule_id": rule,
        "found_in": found_in,
        "subject_kind": "agent",
        "subject_id": "a1",
        "subject_name": "Helper",
        "severity": severity,
        "category": "quality",
        "title": f"Title of {rule}",
        "description": "What was found.",
        "recommendation": "What to do.",
        "metric": "message_error_rate",
        "basis": "change",
        "value": 0.0612345678,
        "threshold": Decimal("0.05"),
        "baseline": None,
        "direction": "up",
        "assessment": "worsening",
        "sample_size": 90,
        "evidence_start": datetime(2026, 2, 13),
        "evidence_end": datetime(2026, 3, 15),
        "first_seen": datetime(2026, 1, 12) if was_found else None,
        "last_seen": datetime(2026, 3, 15) if was_found else None,
        "state": state,
        "reason": None if was_found else "There are 3 observations of the 20 it takes",
    }


def _listed(*findings: dict[str, Any]) -> Any:
    document: Any = INSIGHTS.answer(question("30d"), {"insights": findings}).document
    return document["insights"]


def test_findings_have_the_fields_of_the_dashboards_and_their_evidence_beside() -> None:
    (finding,) = _listed(_finding("high_error_rate", "critical"))
    assert [key for key in finding if key != "extra"] == [
        "severity",
        "category",
        "title",
        "description",
        "recommendation",
    ]
    assert finding["extra"]["value"] == Decimal("0.061235")
    assert finding["extra"]["evidence_start"] == datetime(2026, 2, 13, tzinfo=UTC)


def test_the_gravest_come_first_then_by_rule_and_window() -> None:
    findings = [
        _finding("b", "info"),
        _finding("z", "critical"),
        _finding("a", "warning"),
        _finding("a", "warning", found_in="7d"),
    ]
    assert [one["extra"]["insight_id"] for one in _listed(*findings)] == [
        "z-30d",
        "a-30d",
        "a-7d",
        "b-30d",
    ]


def test_what_was_resolved_and_what_could_not_be_evaluated_stand_apart() -> None:
    findings = [
        _finding("gone", "warning", state="resolved"),
        _finding("small", "critical", state="could_not_evaluate"),
        _finding("here", "info"),
    ]
    answer = INSIGHTS.answer(question("30d"), {"insights": findings})
    document: Any = answer.document
    assert [one["extra"]["rule_id"] for one in document["insights"]] == ["here"]
    [gone] = document["extra"]["resolved"]
    assert gone["extra"]["first_seen"] == datetime(2026, 1, 12, tzinfo=UTC)
    [small] = document["extra"]["could_not_evaluate"]
    assert small["extra"]["reason"] == "There are 3 observations of the 20 it takes"
    assert small["extra"]["first_seen"] is None
    assert [row[-2] for row in answer.tables[0].rows] == [
        "could_not_evaluate",
        "resolved",
        "open",
    ]


def test_nothing_found_is_an_empty_list() -> None:
    assert _listed() == []
