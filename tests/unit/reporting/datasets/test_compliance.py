"""The compliance datasets show rates as percentages with two places."""

from decimal import Decimal
from typing import Any

from orchestration.reporting.datasets.compliance import (
    COMPLIANCE_BY_AGENT_TYPE,
    COMPLIANCE_SUMMARY,
)
from orchestration.reporting.datasets.dataset import Figures
from tests.support.questions import question, shape_of

_FIGURES = {
    "total_messages": 1250,
    "audited_messages": 1000,
    "audit_coverage": 0.8,
    "toxic_messages": 3,
    "toxic_rate": 3 / 1250,
    "toxic_rate_of_audited": 3 / 1000,
    "pii_rate_of_audited": 89 / 1000,
    "pii_redactions": 147,
    "messages_with_pii": 89,
    "pii_rate": 89 / 1250,
    "pii_redactions_per_message": 147 / 1250,
}


def test_the_summary_nests_redactions_by_type_most_first() -> None:
    figures: Figures = {
        "compliance_summary": [_FIGURES],
        "pii_by_entity": [
            {"entity_type": "PERSON", "redaction_count": 28},
            {"entity_type": "EMAIL_ADDRESS", "redaction_count": 62},
            {"entity_type": "CREDIT_CARD", "redaction_count": 28},
            {"entity_type": "PHONE_NUMBER", "redaction_count": 29},
        ],
    }
    document: Any = COMPLIANCE_SUMMARY.answer(question("30d"), figures).document
    assert [key for key in document if key != "extra"] == shape_of("compliance-summary")
    assert document["toxic_rate_percent"] == Decimal("0.24")
    assert document["pii_rate_percent"] == Decimal("7.12")
    assert document["pii_redactions"]["total"] == 147
    assert list(document["pii_redactions"]["by_type"].items()) == [
        ("EMAIL_ADDRESS", 62),
        ("PHONE_NUMBER", 29),
        ("CREDIT_CARD", 28),
        ("PERSON", 28),
    ]
    extra = document["extra"]
    assert (extra["audited_messages"], extra["audit_coverage"]) == (1000, Decimal("0.8000"))


def test_the_same_rates_of_audited_messages_alone_stand_beside() -> None:
    figures: Figures = {"compliance_summary": [_FIGURES], "pii_by_entity": []}
    extra: Any = COMPLIANCE_SUMMARY.answer(question("30d"), figures).document
    # 3 and 89 of 1,000 audited, where the shape itself has 0.24 and 7.12 of 1,250.
    assert extra["extra"]["toxic_rate_percent_of_audited"] == Decimal("0.30")
    assert extra["extra"]["pii_rate_percent_of_audited"] == Decimal("8.90")


def test_agent_types_come_by_messages_and_ties_by_id() -> None:
    def row(type_id: str, messages: int) -> dict[str, Any]:
        return {
            **_FIGURES,
            "agent_type_id": type_id,
            "agent_type_name": type_id,
            "total_messages": messages,
        }

    figures: Figures = {
        "compliance_by_agent_type": [row("b", 1), row("c", 9), row("a", 1)],
    }
    document: Any = COMPLIANCE_BY_AGENT_TYPE.answer(question("30d"), figures).document
    assert [one["agent_type_id"] for one in document["agent_types"]] == ["c", "a", "b"]
    first = document["agent_types"][0]
    assert [key for key in first if key != "extra"] == shape_of("compliance-by-agent-type")
    assert first["extra"]["toxic_rate_percent_of_audited"] == Decimal("0.30")
    assert document["agent_types"][0]["pii_per_message"] == Decimal("0.118")


def test_without_messages_the_rates_are_unknown() -> None:
    nothing = dict.fromkeys(_FIGURES)
    figures: Figures = {"compliance_summary": [nothing], "pii_by_entity": []}
    document: Any = COMPLIANCE_SUMMARY.answer(question("30d"), figures).document
    assert document["toxic_rate_percent"] is None
    assert document["pii_redactions"] == {"total": 0, "by_type": {}}
