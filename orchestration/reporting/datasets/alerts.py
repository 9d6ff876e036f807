"""``alerts``: the alerts that stood in a period, with what they rest on (FL-110..113, AG-105, DI-085).

Belongs here: the fields and order of this shape. Does not belong here: rules, states and texts.
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

_TYPES = {
    "severity": "VARCHAR",
    "title": "VARCHAR",
    "description": "VARCHAR",
    "recommendation": "VARCHAR",
    "alert_id": "VARCHAR",
    "rule_id": "VARCHAR",
    "subject_kind": "VARCHAR",
    "subject_id": "VARCHAR",
    "subject_name": "VARCHAR",
    "metric": "VARCHAR",
    "comparison": "VARCHAR",
    "threshold": "DECIMAL(38,6)",
    "value": "DECIMAL(38,6)",
    "sample_size": "BIGINT",
    "observed_from": "TIMESTAMPTZ",
    "fired_at": "TIMESTAMPTZ",
    "ended_at": "TIMESTAMPTZ",
    "state": "VARCHAR",
}
_SHOWN = ("severity", "title", "description", "recommendation")


def _answer(question: Question, figures: Figures) -> Answer:
    rows = sorted(figures["alerts_in_span"], key=lambda row: (row["fired_at"], row["rule_id"]))
    records = [_record(row) for row in rows]
    listed: list[Json] = [
        {
            **{field: record[field] for field in _SHOWN},
            "extra": {field: value for field, value in record.items() if field not in _SHOWN},
        }
        for record in records
    ]
    return Answer(
        document={"alerts": listed, "extra": about(question)},
        tables=(Table.of("alerts", _TYPES, records),),
    )


def _record(row: Row) -> dict[str, Cell]:
    return {
        **{field: row[field] for field in _SHOWN},
        "alert_id": row["alert_id"],
        "rule_id": row["rule_id"],
        "subject_kind": row["subject_kind"],
        "subject_id": row["subject_id"],
        "subject_name": row["subject_name"],
        "metric": row["metric"],
        "comparison": row["comparison"],
        "threshold": half_up(row["threshold"], 6),
        "value": half_up(row["value"], 6),
        "sample_size": whole(row["sample_size"]),
        "observed_from": _utc(row["observed_from"]),
        "fired_at": _utc(row["fired_at"]),
        "ended_at": _utc(row["ended_at"]),
        "state": row["alert_state"],
    }


def _utc(moment: datetime | None) -> datetime | None:
    return None if moment is None else moment.replace(tzinfo=UTC)


ALERTS = Dataset(
    name="alerts",
    default_period="30d",
    scopes=frozenset(ScopeKind),
    needs=needs("alerts_in_span"),
    answer=_answer,
)
