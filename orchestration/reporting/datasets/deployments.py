"""``deployments``: the same weekdays before and after each deployment beside each other (FL-123).

Belongs here: the fields, order and rounding of this shape. Does not belong here: which days are
compared, and any statistics.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from orchestration.reporting.datasets.company_steps import instant
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
from orchestration.reporting.tables import Cell, Table

_DEPLOYMENT_TYPES = {
    "deployment_id": "VARCHAR",
    "agent_id": "VARCHAR",
    "agent_name": "VARCHAR",
    "agent_version": "VARCHAR",
    "deployed_at": "TIMESTAMPTZ",
    "deployed_on": "DATE",
    "note": "VARCHAR",
    "compared_days": "BIGINT",
    "verdict": "VARCHAR",
    "verdict_text": "VARCHAR",
    "answers_before": "BIGINT",
    "answers_after": "BIGINT",
    "is_suppressed": "BOOLEAN",
}
_METRIC_TYPES = {
    "metric": "VARCHAR",
    "observations_before": "BIGINT",
    "observations_after": "BIGINT",
    "value_before": "DECIMAL(38,6)",
    "value_after": "DECIMAL(38,6)",
    "difference": "DECIMAL(38,6)",
    "difference_low": "DECIMAL(38,6)",
    "difference_high": "DECIMAL(38,6)",
    "finding": "VARCHAR",
}


def _answer(question: Question, figures: Figures) -> Answer:
    metrics: dict[str, list[Row]] = defaultdict(list)
    for row in figures["deployment_metrics"]:
        metrics[row["deployment_key"]].append(row)
    rows = sorted(
        figures["deployments"], key=lambda row: (row["deployed_at"], row["deployment_key"])
    )
    deployments: list[Json] = []
    flat: list[dict[str, Cell]] = []
    for row in rows:
        compared = _metrics(metrics[row["deployment_key"]])
        deployments.append({**_deployment(row), "metrics": list[Json](compared)})
        flat += [{"deployment_id": row["deployment_id"], **one} for one in compared]
    return Answer(
        document={"deployments": deployments, "extra": about(question)},
        tables=(
            Table.of("deployments", _DEPLOYMENT_TYPES, [_deployment(row) for row in rows]),
            Table.of("deployment_metrics", {"deployment_id": "VARCHAR", **_METRIC_TYPES}, flat),
        ),
    )


def _deployment(row: Row) -> dict[str, Cell]:
    return {
        "deployment_id": row["deployment_id"],
        "agent_id": row["agent_id"],
        "agent_name": row["agent_name"],
        "agent_version": row["agent_version"],
        "deployed_at": instant(row["deployed_at"]),
        "deployed_on": row["deployed_on"],
        "note": row["note"],
        "compared_days": row["compared_days"],
        "verdict": row["verdict"],
        "verdict_text": row["verdict_text"],
        "answers_before": row["answers_before"],
        "answers_after": row["answers_after"],
        "is_suppressed": row["is_suppressed"],
    }


def _metrics(rows: Sequence[Row]) -> list[dict[str, Cell]]:
    return [
        {
            "metric": row["metric"],
            "observations_before": row["observations_before"],
            "observations_after": row["observations_after"],
            "value_before": half_up(row["value_before"], 6),
            "value_after": half_up(row["value_after"], 6),
            "difference": half_up(row["difference"], 6),
            "difference_low": half_up(row["difference_low"], 6),
            "difference_high": half_up(row["difference_high"], 6),
            "finding": row["finding"],
        }
        for row in sorted(rows, key=lambda row: row["metric_order"])
    ]


DEPLOYMENTS = Dataset(
    name="deployments",
    default_period="30d",
    scopes=frozenset(ScopeKind),
    needs=needs("deployments", "deployment_metrics"),
    answer=_answer,
)
