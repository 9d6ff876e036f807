"""``goals``: figures beside what they should be, and months beside their budgets (FL-016..036, FL-071,
FL-073, FL-118..122, DI-083).

Belongs here: the fields, order and rounding of this shape. Does not belong here: which goal holds,
when it is met, and what a metric is.
"""

from __future__ import annotations

from orchestration.reporting.datasets.company_steps import exactly
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
from orchestration.reporting.rounding import half_up
from orchestration.reporting.scopes import ScopeKind
from orchestration.reporting.standards import read_standards
from orchestration.reporting.tables import Cell, Table

_GOAL_TYPES = {
    "metric": "VARCHAR",
    "name": "VARCHAR",
    "unit": "VARCHAR",
    "set_by": "VARCHAR",
    "comparison": "VARCHAR",
    "target": "DECIMAL(38,6)",
    "value": "DECIMAL(38,6)",
    "attainment": "DECIMAL(38,4)",
    "status": "VARCHAR",
    "label": "VARCHAR",
}
_BUDGET_TYPES = {
    "month": "DATE",
    "elapsed_days": "BIGINT",
    "days": "BIGINT",
    "budget_usd": "DECIMAL(38,2)",
    "spent_usd": "DECIMAL(38,2)",
    "left_usd": "DECIMAL(38,2)",
    "budget_utilization": "DECIMAL(38,4)",
    "run_rate_usd": "DECIMAL(38,2)",
    "status": "VARCHAR",
}

# The scale of words that a metric is read on: any response time on that of response times.
_SCALES = {
    "message_error_rate": "message_error_rate",
    "avg_response_time_ms": "response_time_ms",
    "p50_response_time_ms": "response_time_ms",
    "p95_response_time_ms": "response_time_ms",
    "p99_response_time_ms": "response_time_ms",
    "avg_tokens_per_message": "tokens_per_message",
}


def _answer(question: Question, figures: Figures) -> Answer:
    goals = [_goal(row) for row in sorted(figures["goals"], key=lambda row: str(row["metric"]))]
    budgets = [
        _budget(row) for row in sorted(figures["budgets"], key=lambda row: row["month_start"])
    ]
    return Answer(
        document={
            "goals": list[Json](goals),
            "budgets": list[Json](budgets),
            "extra": about(question),
        },
        tables=(
            Table.of("goals", _GOAL_TYPES, goals),
            Table.of("budgets", _BUDGET_TYPES, budgets),
        ),
    )


def _goal(row: Row) -> dict[str, Cell]:
    scale = _SCALES.get(row["metric"])
    return {
        "metric": row["metric"],
        "name": row["metric_label"],
        "unit": row["metric_unit"],
        "set_by": row["set_by"],
        "comparison": row["comparison"],
        "target": half_up(row["goal_target"], 6),
        "value": half_up(row["metric_value"], 6),
        "attainment": half_up(row["goal_attainment"], 4),
        "status": row["goal_status"],
        "label": (
            None if scale is None else read_standards().label(scale, exactly(row["metric_value"]))
        ),
    }


def _budget(row: Row) -> dict[str, Cell]:
    return {
        "month": row["month_start"],
        "elapsed_days": row["month_elapsed_days"],
        "days": row["month_days"],
        "budget_usd": half_up(row["month_budget_usd"], 2),
        "spent_usd": half_up(row["month_spent_usd"], 2),
        "left_usd": half_up(row["month_left_usd"], 2),
        "budget_utilization": half_up(row["month_budget_utilization"], 4),
        "run_rate_usd": half_up(row["month_run_rate_usd"], 2),
        "status": row["budget_status"],
    }


GOALS = Dataset(
    name="goals",
    default_period="30d",
    scopes=frozenset(ScopeKind),
    needs=needs("goals", "budgets"),
    answer=_answer,
)
