"""``insights``: the findings that stand, were resolved, or could not be evaluated (MP-048..054).

Belongs here: the fields and order of this shape. Does not belong here: rules, thresholds and texts.
"""

from __future__ import annotations

from datetime import UTC, datetime

from orchestration.reporting.datasets.dataset import (
    Answer,
    Dataset,
    Figures,
    Question,
    about,
    needs,
)
from orchestration.reporting.documents import Json
from orchestration.reporting.query import Row
from orchestration.reporting.rounding import half_up, whole
from orchestration.reporting.scopes import ScopeKind
from orchestration.reporting.tables import Cell, Table

_SEVERITIES = ("critical", "warning", "info")

_TYPES = {
    "severity": "VARCHAR",
    "category": "VARCHAR",
    "title": "VARCHAR",
    "description": "VARCHAR",
    "recommendation": "VARCHAR",
    "insight_id": "VARCHAR",
    "rule_id": "VARCHAR",
    "subject_kind": "VARCHAR",
    "subject_id": "VARCHAR",
    "subject_name": "VARCHAR",
    "metric": "VARCHAR",
    "basis": "VARCHAR",
    "value": "DECIMAL(38,6)",
    "threshold": "DECIMAL(38,6)",
    "baseline": "DECIMAL(38,6)",
    "direction": "VARCHAR",
    "assessment": "VARCHAR",
    "sample_size": "BIGINT",
    "window": "VARCHAR",
    "evidence_start": "TIMESTAMPTZ",
    "evidence_end": "TIMESTAMPTZ",
    "first_seen": "TIMESTAMPTZ",
    "last_seen": "TIMESTAMPTZ",
    "state": "VARCHAR",
    "reason": "VARCHAR",
}
_SHOWN = ("severity", "category", "title", "description", "recommendation")


def _answer(question: Question, figures: Figures) -> Answer:
    records = [_record(row) for row in sorted(figures["insights"], key=_gravest_first)]
    return Answer(
        document={
            "insights": _in_state(records, "open"),
            "extra": {
                **about(question),
                "resolved": _in_state(records, "resolved"),
                "could_not_evaluate": _in_state(records, "could_not_evaluate"),
            },
        },
        tables=(Table.of("insights", _TYPES, records),),
    )


def _in_state(records: list[dict[str, Cell]], state: str) -> list[Json]:
    return [
        {
            **{field: record[field] for field in _SHOWN},
            "extra": {field: value for field, value in record.items() if field not in _SHOWN},
        }
        for record in records
        if record["state"] == state
    ]


def _record(row: Row) -> dict[str, Cell]:
    return {
        **{field: row[field] for field in _SHOWN},
        "insight_id": row["insight_id"],
        "rule_id": row["rule_id"],
        "subject_kind": row["subject_kind"],
        "subject_id": row["subject_id"],
        "subject_name": row["subject_name"],
        "metric": row["metric"],
        "basis": row["basis"],
        "value": half_up(row["value"], 6),
        "threshold": half_up(row["threshold"], 6),
        "baseline": half_up(row["baseline"], 6),
        "direction": row["direction"],
        "assessment": row["assessment"],
        "sample_size": whole(row["sample_size"]),
        "window": row["found_in"],
        "evidence_start": _utc(row["evidence_start"]),
        "evidence_end": _utc(row["evidence_end"]),
        "first_seen": _utc(row["first_seen"]),
        "last_seen": _utc(row["last_seen"]),
        "state": row["state"],
        "reason": row["reason"],
    }


def _utc(moment: datetime | None) -> datetime | None:
    """The published database holds UTC without a zone; what was never found was never seen."""
    return None if moment is None else moment.replace(tzinfo=UTC)


def _gravest_first(row: Row) -> tuple[int, str, str, str]:
    severity = row["severity"]
    rank = _SEVERITIES.index(severity) if severity in _SEVERITIES else len(_SEVERITIES)
    return (rank, row["rule_id"], row["subject_id"] or "", row["found_in"])


INSIGHTS = Dataset(
    name="insights",
    default_period="30d",
    scopes=frozenset(ScopeKind),
    needs=needs("insights"),
    answer=_answer,
)
