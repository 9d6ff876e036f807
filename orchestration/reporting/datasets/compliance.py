"""``compliance-summary`` and ``compliance-by-agent-type`` (AG-047..066).

Belongs here: the fields, order and rounding of these two. Does not belong here: when a message is
toxic, and the threshold for it.
"""

from __future__ import annotations

from orchestration.reporting.datasets.dataset import (
    TENANT_OR_PLATFORM,
    Answer,
    Dataset,
    Figures,
    Question,
    about,
    count,
    needs,
    only_row,
)
from orchestration.reporting.documents import Json
from orchestration.reporting.query import Row
from orchestration.reporting.rounding import Figure, exact, half_up
from orchestration.reporting.tables import Cell, Table


def _percent(rate: Figure) -> Cell:
    """A stored fraction as the percentage of these shapes: two places."""
    return None if rate is None else half_up(exact(rate) * 100, 2)


def _of_audited(row: Row) -> dict[str, Json]:
    """The same rates of the audited messages alone, and how many those are (AG-049)."""
    return {
        "audited_messages": count(row, "audited_messages"),
        "audit_coverage": half_up(row["audit_coverage"], 4),
        "toxic_rate_percent_of_audited": _percent(row["toxic_rate_of_audited"]),
        "pii_rate_percent_of_audited": _percent(row["pii_rate_of_audited"]),
    }


def _summary(question: Question, figures: Figures) -> Answer:
    row = only_row(figures, "compliance_summary")
    by_type = {
        entity["entity_type"]: count(entity, "redaction_count")
        for entity in sorted(
            figures["pii_by_entity"],
            key=lambda entity: (-count(entity, "redaction_count"), entity["entity_type"]),
        )
    }
    fields: dict[str, Cell] = {
        "period_days": question.window.period_days,
        "total_messages": count(row, "total_messages"),
        "toxic_messages": count(row, "toxic_messages"),
        "toxic_rate_percent": _percent(row["toxic_rate"]),
        "pii_redactions_total": count(row, "pii_redactions"),
        "messages_with_pii": count(row, "messages_with_pii"),
        "pii_rate_percent": _percent(row["pii_rate"]),
    }
    document: dict[str, Json] = {
        "period_days": fields["period_days"],
        "total_messages": fields["total_messages"],
        "toxic_messages": fields["toxic_messages"],
        "toxic_rate_percent": fields["toxic_rate_percent"],
        "pii_redactions": {"total": fields["pii_redactions_total"], "by_type": by_type},
        "messages_with_pii": fields["messages_with_pii"],
        "pii_rate_percent": fields["pii_rate_percent"],
        "extra": {
            **about(question),
            **_of_audited(row),
        },
    }
    types = {
        "period_days": "BIGINT",
        "total_messages": "BIGINT",
        "toxic_messages": "BIGINT",
        "toxic_rate_percent": "DECIMAL(38,2)",
        "pii_redactions_total": "BIGINT",
        "messages_with_pii": "BIGINT",
        "pii_rate_percent": "DECIMAL(38,2)",
    }
    entities: list[dict[str, Cell]] = [
        {"entity_type": entity_type, "redaction_count": total}
        for entity_type, total in by_type.items()
    ]
    return Answer(
        document=document,
        tables=(
            Table.of("compliance_summary", types, [fields]),
            Table.of(
                "pii_redactions",
                {"entity_type": "VARCHAR", "redaction_count": "BIGINT"},
                entities,
            ),
        ),
    )


def _by_agent_type(question: Question, figures: Figures) -> Answer:
    rows = sorted(
        figures["compliance_by_agent_type"],
        key=lambda row: (-count(row, "total_messages"), row["agent_type_id"] or ""),
    )
    records: list[dict[str, Cell]] = [
        {
            "agent_type_id": row["agent_type_id"],
            "agent_type_name": row["agent_type_name"],
            "total_messages": count(row, "total_messages"),
            "toxic_messages": count(row, "toxic_messages"),
            "toxic_rate_percent": _percent(row["toxic_rate"]),
            "pii_redactions_total": count(row, "pii_redactions"),
            "pii_per_message": half_up(row["pii_redactions_per_message"], 3),
        }
        for row in rows
    ]
    types = {
        "agent_type_id": "VARCHAR",
        "agent_type_name": "VARCHAR",
        "total_messages": "BIGINT",
        "toxic_messages": "BIGINT",
        "toxic_rate_percent": "DECIMAL(38,2)",
        "pii_redactions_total": "BIGINT",
        "pii_per_message": "DECIMAL(38,3)",
    }
    return Answer(
        document={
            "period_days": question.window.period_days,
            "agent_types": [
                {**record, "extra": _of_audited(row)}
                for record, row in zip(records, rows, strict=True)
            ],
            "extra": about(question),
        },
        tables=(Table.of("compliance_by_agent_type", types, records),),
    )


COMPLIANCE_SUMMARY = Dataset(
    name="compliance-summary",
    default_period="30d",
    scopes=TENANT_OR_PLATFORM,
    needs=needs("compliance_summary", "pii_by_entity"),
    answer=_summary,
)
COMPLIANCE_BY_AGENT_TYPE = Dataset(
    name="compliance-by-agent-type",
    default_period="30d",
    scopes=TENANT_OR_PLATFORM,
    needs=needs("compliance_by_agent_type"),
    answer=_by_agent_type,
)
