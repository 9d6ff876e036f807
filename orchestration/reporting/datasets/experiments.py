"""``experiments``: two versions of an agent beside each other, with a plain verdict (FL-124).

Belongs here: the fields, order and rounding of this shape. Does not belong here: who is in which
arm, and any statistics.
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
_METRIC_TYPES = {
    "metric": "VARCHAR",
    "observations_a": "BIGINT",
    "observations_b": "BIGINT",
    "value_a": "DECIMAL(38,6)",
    "value_b": "DECIMAL(38,6)",
    "difference": "DECIMAL(38,6)",
    "difference_low": "DECIMAL(38,6)",
    "difference_high": "DECIMAL(38,6)",
    "finding": "VARCHAR",
}


def _answer(question: Question, figures: Figures) -> Answer:
    metrics: dict[str, list[Row]] = defaultdict(list)
    for row in figures["experiment_metrics"]:
        metrics[row["experiment_key"]].append(row)
    rows = sorted(
        figures["experiments"], key=lambda row: (row["started_at"], row["experiment_key"])
    )
    experiments: list[Json] = []
    flat: list[dict[str, Cell]] = []
    for row in rows:
        compared = _metrics(metrics[row["experiment_key"]])
        experiments.append({**_experiment(row), "metrics": list[Json](compared)})
        flat += [{"experiment_id": row["experiment_id"], **one} for one in compared]
    return Answer(
        document={"experiments": experiments, "extra": about(question)},
        tables=(
            Table.of("experiments", _EXPERIMENT_TYPES, [_experiment(row) for row in rows]),
            Table.of("experiment_metrics", {"experiment_id": "VARCHAR", **_METRIC_TYPES}, flat),
        ),
    )


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


def _metrics(rows: Sequence[Row]) -> list[dict[str, Cell]]:
    return [
        {
            "metric": row["metric"],
            "observations_a": row["observations_a"],
            "observations_b": row["observations_b"],
            "value_a": half_up(row["value_a"], 6),
            "value_b": half_up(row["value_b"], 6),
            "difference": half_up(row["difference"], 6),
            "difference_low": half_up(row["difference_low"], 6),
            "difference_high": half_up(row["difference_high"], 6),
            "finding": row["finding"],
        }
        for row in sorted(rows, key=lambda row: row["metric_order"])
    ]


EXPERIMENTS = Dataset(
    name="experiments",
    default_period="30d",
    scopes=frozenset(ScopeKind),
    needs=needs("experiments", "experiment_metrics"),
    answer=_answer,
)
