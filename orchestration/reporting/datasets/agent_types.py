"""``agent-type-comparison`` (AG-081..091, AG-107).

Belongs here: the fields, order and rounding of this shape. Does not belong here: any figure of an
agent type.
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
)
from orchestration.reporting.documents import Json
from orchestration.reporting.query import Row
from orchestration.reporting.rounding import exact, half_up, whole
from orchestration.reporting.tables import Cell, Table

_TYPES = {
    "agent_type_id": "VARCHAR",
    "name": "VARCHAR",
    "model": "VARCHAR",
    "total_messages": "BIGINT",
    "total_tokens": "BIGINT",
    "avg_response_time_ms": "BIGINT",
    "tokens_per_second": "DECIMAL(38,1)",
    "avg_tokens_per_message": "BIGINT",
    "toxic_rate_percent": "DECIMAL(38,2)",
    "pii_redactions_per_message": "DECIMAL(38,3)",
    "feedback_count": "BIGINT",
    "average_rating": "DECIMAL(38,1)",
    "rating_degrades_at_load": "BIGINT",
}
_PERFORMANCE = (
    "total_messages",
    "total_tokens",
    "avg_response_time_ms",
    "tokens_per_second",
    "avg_tokens_per_message",
)
_COMPLIANCE = ("toxic_rate_percent", "pii_redactions_per_message")
_SATISFACTION = ("feedback_count", "average_rating", "rating_degrades_at_load")


def _answer(question: Question, figures: Figures) -> Answer:
    rows = sorted(
        figures["agent_type_comparison"],
        key=lambda row: (-count(row, "agent_messages"), row["agent_type_id"] or ""),
    )
    records = [_record(row) for row in rows]
    hours = {row["agent_type_key"]: exact(row["agent_hours"]) for row in figures["agent_hours"]}
    agent_types: list[Json] = [
        {
            "agent_type_id": record["agent_type_id"],
            "name": record["name"],
            "model": record["model"],
            "performance": {field: record[field] for field in _PERFORMANCE},
            "compliance": {field: record[field] for field in _COMPLIANCE},
            "satisfaction": {field: record[field] for field in _SATISFACTION},
            "extra": {
                **_extra(row),
                "agent_hours": half_up(hours.get(row["agent_type_key"]), 2),
            },
        }
        for record, row in zip(records, rows, strict=True)
    ]
    return Answer(
        document={
            "period_days": question.window.period_days,
            "agent_types": agent_types,
            "extra": {
                **about(question),
                # Instances may run without being asked anything: the sum is more than of the types listed.
                "agent_hours": half_up(sum(hours.values()), 2) if hours else None,
            },
        },
        tables=(Table.of("agent_type_comparison", _TYPES, records),),
    )


def _record(row: Row) -> dict[str, Cell]:
    toxic_rate = row["toxic_rate"]
    return {
        "agent_type_id": row["agent_type_id"],
        "name": row["agent_type_name"],
        "model": row["primary_model"],
        "total_messages": count(row, "agent_messages"),
        "total_tokens": count(row, "total_tokens"),
        "avg_response_time_ms": whole(row["avg_llm_latency_ms"]),
        "tokens_per_second": half_up(row["tokens_per_second"], 1),
        "avg_tokens_per_message": whole(row["avg_tokens_per_message"]),
        "toxic_rate_percent": None if toxic_rate is None else half_up(exact(toxic_rate) * 100, 2),
        "pii_redactions_per_message": half_up(row["pii_redactions_per_message"], 3),
        "feedback_count": count(row, "feedback_count"),
        "average_rating": half_up(row["avg_rating"], 1),
        "rating_degrades_at_load": row["rating_degrades_at_load"],
    }


def _extra(row: Row) -> dict[str, Json]:
    return {
        "agent_type_name": row["agent_type_name"],
        "agent_type_key": row["agent_type_key"],
        "provider": row["primary_provider"],
        "model_count": count(row, "model_count"),
        "avg_message_tokens_per_second": half_up(row["avg_message_tokens_per_second"], 1),
        "avg_output_tokens_per_message": whole(row["avg_output_tokens_per_message"]),
        "avg_end_to_end_time_ms": whole(row["avg_response_time_ms"]),
        "error_rate": half_up(row["message_error_rate"], 4),
        "cost_usd": half_up(row["cost_usd"], 2),
        "audited_messages": count(row, "audited_messages"),
        "toxic_messages": count(row, "toxic_messages"),
        "pii_redactions": count(row, "pii_redactions"),
    }


AGENT_TYPE_COMPARISON = Dataset(
    name="agent-type-comparison",
    default_period="30d",
    scopes=TENANT_OR_PLATFORM,
    needs=needs("agent_type_comparison", "agent_hours"),
    answer=_answer,
)
