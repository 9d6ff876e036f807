"""``experiments``: two versions of an agent beside each other, with a plain verdict (FL-124).

Belongs here: the fields, order and rounding of this shape. Does not belong here: who is in which
arm, and any statistics.
"""

from __future__ import annotations

from orchestration.reporting.datasets.company_steps import instant
from orchestration.reporting.datasets.comparisons import Comparisons
from orchestration.reporting.datasets.dataset import Dataset, needs
from orchestration.reporting.query import Row
from orchestration.reporting.rounding import half_up
from orchestration.reporting.scopes import ScopeKind
from orchestration.reporting.tables import Cell

_EXPERIMENT_TYPES = {
    "experiment_id": "VARCHAR",
    "agent_id": "VARCHAR",
    "agent_name": "VARCHAR",
    "version_a": "VARCHAR",
    "version_b": "VARCHAR",
    "started_at": "TIMESTAMPTZ",
    "ended_at": "TIMESTAMPTZ",
    "run_days": "BIGINT",
    "verdict": "VARCHAR",
    "verdict_text": "VARCHAR",
    "answers_a": "BIGINT",
    "answers_b": "BIGINT",
    "users_a": "BIGINT",
    "users_b": "BIGINT",
    "mixed_users": "BIGINT",
    "planned_split_a": "DECIMAL(38,4)",
    "observed_split_a": "DECIMAL(38,4)",
    "split_by": "VARCHAR",
    "split_chi_square": "DECIMAL(38,3)",
    "is_split_wrong": "BOOLEAN",
    "is_suppressed": "BOOLEAN",
}


def _experiment(row: Row) -> dict[str, Cell]:
    return {
        "experiment_id": row["experiment_id"],
        "agent_id": row["agent_id"],
        "agent_name": row["agent_name"],
        "version_a": row["version_a"],
        "version_b": row["version_b"],
        "started_at": instant(row["started_at"]),
        "ended_at": instant(row["ended_at"]),
        "run_days": row["run_days"],
        "verdict": row["verdict"],
        "verdict_text": row["verdict_text"],
        "answers_a": row["answers_a"],
        "answers_b": row["answers_b"],
        "users_a": row["users_a"],
        "users_b": row["users_b"],
        "mixed_users": row["mixed_users"],
        "planned_split_a": half_up(row["planned_split_a"], 4),
        "observed_split_a": half_up(row["observed_split_a"], 4),
        "split_by": row["split_by"],
        "split_chi_square": half_up(row["split_chi_square"], 3),
        "is_split_wrong": row["is_split_wrong"],
        "is_suppressed": row["is_suppressed"],
    }


_COMPARISONS = Comparisons(
    kind="experiment",
    at="started_at",
    arms=("a", "b"),
    types=_EXPERIMENT_TYPES,
    fields=_experiment,
)

EXPERIMENTS = Dataset(
    name="experiments",
    default_period="30d",
    scopes=frozenset(ScopeKind),
    needs=needs("experiments", "experiment_metrics"),
    answer=_COMPARISONS.answer,
)
