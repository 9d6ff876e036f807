"""``feedback-summary`` and ``feedback-by-agent-type`` (AG-067..080, AG-107).

Belongs here: the fields, order and rounding of these two. Does not belong here: what load a rating
was given at, and when a rating degrades with it.
"""

from __future__ import annotations

from collections import defaultdict

from orchestration.reporting.datasets.dataset import (
    TENANT_OR_PLATFORM,
    Answer,
    Dataset,
    Figures,
    Need,
    Question,
    about,
    count,
    needs,
    only_row,
)
from orchestration.reporting.documents import Json
from orchestration.reporting.periods import Window
from orchestration.reporting.query import Row
from orchestration.reporting.rounding import exact, half_up, whole
from orchestration.reporting.tables import Cell, Table

_RATINGS = (1, 2, 3, 4, 5)


def _summary(question: Question, figures: Figures) -> Answer:
    row = only_row(figures, "feedback_summary")
    distribution = {str(rating): count(row, f"rating_{rating}_count") for rating in _RATINGS}
    fields: dict[str, Cell] = {
        "period_days": question.window.period_days,
        "total_feedback": count(row, "feedback_count"),
        "average_rating": half_up(row["avg_rating"], 1),
    }
    flat: dict[str, Cell] = {
        **fields,
        **{f"rating_{rating}": total for rating, total in distribution.items()},
    }
    types = {
        "period_days": "BIGINT",
        "total_feedback": "BIGINT",
        "average_rating": "DECIMAL(38,1)",
        **{f"rating_{rating}": "BIGINT" for rating in _RATINGS},
    }
    return Answer(
        document={
            **fields,
            "rating_distribution": distribution,
            "extra": {
                **about(question),
                "previous": _before(row, only_row(figures, "feedback_before")),
            },
        },
        tables=(Table.of("feedback_summary", types, [flat]),),
    )


def _before(now: Row, before: Row) -> dict[str, Cell]:
    """The period before, and what changed since: now less before (AG-007)."""
    averages = (now["avg_rating"], before["avg_rating"])
    change = None if None in averages else exact(averages[0]) - exact(averages[1])
    return {
        "total_feedback": count(before, "feedback_count"),
        "total_feedback_change": count(now, "feedback_count") - count(before, "feedback_count"),
        "average_rating": half_up(before["avg_rating"], 1),
        "average_rating_change": half_up(change, 2),
    }


def _by_agent_type(question: Question, figures: Figures) -> Answer:
    bands: dict[str, list[Row]] = defaultdict(list)
    for band in figures["feedback_by_load"]:
        bands[band["agent_type_key"]].append(band)
    outcomes = {
        (row["agent_type_key"], row["load_band"]): row for row in figures["outcomes_by_load"]
    }
    correlations = {row["agent_type_key"]: row for row in figures["load_correlations"]}
    rows = sorted(
        figures["feedback_by_agent_type"],
        key=lambda row: (-count(row, "feedback_count"), row["agent_type_id"] or ""),
    )
    records: list[dict[str, Cell]] = [
        {
            "agent_type_id": row["agent_type_id"],
            "agent_type_name": row["agent_type_name"],
            "total_feedback": count(row, "feedback_count"),
            "average_rating": half_up(row["avg_rating"], 1),
            "rating_degrades_at_load": row["rating_degrades_at_load"],
        }
        for row in rows
    ]
    agent_types: list[Json] = []
    flat_bands: list[dict[str, Cell]] = []
    for row, record in zip(rows, records, strict=True):
        by_load: dict[str, Json] = {}
        for band in sorted(bands[row["agent_type_key"]], key=_band_order):
            cell: dict[str, Cell] = {
                "instances_range": band["instances_range"],
                "avg_rating": half_up(band["avg_rating"], 1),
                "count": count(band, "feedback_count"),
            }
            outcome = outcomes.get((row["agent_type_key"], band["load_band"]))
            by_load[band["load_band"]] = {**cell, "extra": _outcome(outcome)}
            flat_bands.append(
                {
                    "agent_type_id": row["agent_type_id"],
                    "load_band": band["load_band"],
                    **cell,
                }
            )
        agent_types.append(
            {
                "agent_type_id": record["agent_type_id"],
                "agent_type_name": record["agent_type_name"],
                "total_feedback": record["total_feedback"],
                "average_rating": record["average_rating"],
                "rating_by_load": by_load,
                "rating_degrades_at_load": record["rating_degrades_at_load"],
                "extra": _correlation(correlations.get(row["agent_type_key"])),
            }
        )
    return Answer(
        document={
            "period_days": question.window.period_days,
            "agent_types": agent_types,
            "extra": about(question),
        },
        tables=(
            Table.of(
                "feedback_by_agent_type",
                {
                    "agent_type_id": "VARCHAR",
                    "agent_type_name": "VARCHAR",
                    "total_feedback": "BIGINT",
                    "average_rating": "DECIMAL(38,1)",
                    "rating_degrades_at_load": "BIGINT",
                },
                records,
            ),
            Table.of(
                "rating_by_load",
                {
                    "agent_type_id": "VARCHAR",
                    "load_band": "VARCHAR",
                    "instances_range": "VARCHAR",
                    "avg_rating": "DECIMAL(38,1)",
                    "count": "BIGINT",
                },
                flat_bands,
            ),
        ),
    )


def _outcome(row: Row | None) -> dict[str, Cell]:
    """What else changes with load (AG-080); a type without messages has no row."""
    return {
        "agent_messages": 0 if row is None else count(row, "agent_messages"),
        "error_rate": None if row is None else half_up(row["message_error_rate"], 4),
        "avg_response_time_ms": None if row is None else whole(row["avg_response_time_ms"]),
        "avg_llm_latency_ms": None if row is None else whole(row["avg_llm_latency_ms"]),
    }


def _correlation(row: Row | None) -> dict[str, Cell]:
    """How ratings rank with load, over those whose load is known."""
    return {
        "load_rating_count": 0 if row is None else count(row, "load_rating_count"),
        "load_rating_correlation": (
            None if row is None else half_up(row["load_rating_correlation"], 3)
        ),
    }


def _band_order(band: Row) -> tuple[bool, int]:
    """From few running instances to many; the unknown band, which has no lower edge, last."""
    lowest = band["min_instances"]
    return (lowest is None, lowest or 0)


FEEDBACK_SUMMARY = Dataset(
    name="feedback-summary",
    default_period="30d",
    scopes=TENANT_OR_PLATFORM,
    needs={
        **needs("feedback_summary"),
        "feedback_before": Need(function="feedback_summary", window=Window.previous),
    },
    answer=_summary,
)
FEEDBACK_BY_AGENT_TYPE = Dataset(
    name="feedback-by-agent-type",
    default_period="30d",
    scopes=TENANT_OR_PLATFORM,
    needs=needs(
        "feedback_by_agent_type", "feedback_by_load", "outcomes_by_load", "load_correlations"
    ),
    answer=_by_agent_type,
)
