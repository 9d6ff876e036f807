"""``deployments``: the same weekdays before and after each deployment beside each other (FL-123).

Belongs here: the fields, order and rounding of this shape. Does not belong here: which days are
compared, and any statistics.
"""

from __future__ import annotations

from orchestration.reporting.datasets.company_steps import instant
from orchestration.reporting.datasets.comparisons import Comparisons
from orchestration.reporting.datasets.dataset import Dataset, needs
from orchestration.reporting.query import Row
from orchestration.reporting.scopes import ScopeKind
from orchestration.reporting.tables import Cell

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


_COMPARISONS = Comparisons(
    kind="deployment",
    at="deployed_at",
    arms=("before", "after"),
    types=_DEPLOYMENT_TYPES,
    fields=_deployment,
)

DEPLOYMENTS = Dataset(
    name="deployments",
    default_period="30d",
    scopes=frozenset(ScopeKind),
    needs=needs("deployments", "deployment_metrics"),
    answer=_COMPARISONS.answer,
)
