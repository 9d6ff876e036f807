"""Experiments are listed from the first started on, each with its metrics in the order of the function."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from orchestration.reporting.datasets.experiments import EXPERIMENTS
from tests.support.questions import question, shape_of


def _experiment(name: str, started: datetime) -> dict[str, Any]:
    return {
        "experiment_key": f"native:{name}",
        "experiment_id": name,
        "agent_id": "a1",
        "agent_name": "Helper",
        "version_a": "1",
        "version_b": "2",
        "started_at": started,
        "ended_at": None,
        "run_days": 9,
        "verdict": "b_better",
        "verdict_text": "2 is better than 1 and at nothing worse.",
        "answers_a": 80,
        "answers_b": 70,
        "users_a": 60,
        "users_b": 50,
        "mixed_users": 0,
        "planned_split_a": 0.5,
        "observed_split_a": 60 / 110,
        "split_by": "user",
        "split_chi_square": 100 / 110,
        "is_split_wrong": False,
        "is_suppressed": False,
    }


def _metric(name: str, metric: str, order: int) -> dict[str, Any]:
    return {
        "experiment_key": f"native:{name}",
        "metric": metric,
        "metric_order": order,
        "observations_a": 80,
        "observations_b": 70,
        "value_a": 0.6,
        "value_b": 0.8,
        "difference": 0.2000000000000001,
        "difference_low": 0.05239,
        "difference_high": None,
        "finding": "b_better",
    }


def test_each_experiment_holds_its_own_metrics() -> None:
    figures = {
        "experiments": [
            _experiment("late", datetime(2026, 3, 2)),
            _experiment("early", datetime(2026, 3, 1)),
        ],
        "experiment_metrics": [
            _metric("late", "message_success_rate", 1),
            _metric("early", "average_rating", 2),
            _metric("early", "message_success_rate", 1),
        ],
    }
    answer = EXPERIMENTS.answer(question("30d"), figures)
    document: Any = answer.document
    assert [key for key in document if key != "extra"] == shape_of("experiments")
    early, late = document["experiments"]
    assert (early["experiment_id"], late["experiment_id"]) == ("early", "late")
    assert early["started_at"] == datetime(2026, 3, 1, tzinfo=UTC)
    # 60 of 110; 5^2 / 55 x 2
    assert (early["observed_split_a"], early["split_chi_square"]) == (
        Decimal("0.5455"),
        Decimal("0.909"),
    )
    assert [one["metric"] for one in early["metrics"]] == ["message_success_rate", "average_rating"]
    assert early["metrics"][0]["difference"] == Decimal("0.200000")
    assert early["metrics"][0]["difference_high"] is None
    assert [len(table.rows) for table in answer.tables] == [2, 3]
    assert answer.tables[1].rows[2][:2] == ("late", "message_success_rate")


def test_a_scope_without_experiments_has_an_empty_list() -> None:
    answer = EXPERIMENTS.answer(question("30d"), {"experiments": [], "experiment_metrics": []})
    document: Any = answer.document
    assert document["experiments"] == []
    assert [table.name for table in answer.tables] == ["experiments", "experiment_metrics"]
