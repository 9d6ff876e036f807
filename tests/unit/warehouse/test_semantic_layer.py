"""Every metric of the catalogue that adds up or divides is a semantic metric, or is known not to be one."""

from __future__ import annotations

import csv
from typing import Any

import pytest
import yaml

from orchestration.settings import PROJECT_ROOT
from orchestration.warehouse.semantic_layer import SEMANTIC_MODELS_DIR, SemanticLayer

_ADDITIVE_OR_RATIO = {"count", "sum", "rate", "ratio"}

# Why a metric is answered by table functions alone.
_WITHOUT_A_SUMMARY = (
    "a cell of a breakdown, a month of a cohort or a count of files: no figure of a window's rows"
)
_SUMMARIES = {
    "adoption_summary": "installs and activity are compared with what was before the window",
    "open_invocations": "what is open is so at the end of a window",
}
_METRICS = {
    "user_days": "users are told apart on each local day of the window",
    "judge_coverage": "a conversation is judged by the end of a window, whenever it was created",
    "roi_percent": "the platform's fee is owed for the days of a window",
    "platform_fee_usd": "the platform's fee is owed for the days of a window",
    "platform_cost_usd": "the platform's fee is owed for the days of a window",
    "net_savings_after_fee_usd": "the platform's fee is owed for the days of a window",
    "uptime": "incidents are cut to the window and merged where they overlap",
    "uptime_percent": "incidents are cut to the window and merged where they overlap",
    "uptime_excluding_maintenance": "incidents are cut to the window and merged where they overlap",
    "downtime_minutes": "incidents are cut to the window and merged where they overlap",
    "downtime_s": "incidents are cut to the window and merged where they overlap",
    "unannounced_downtime_s": "incidents are cut to the window and merged where they overlap",
    "incident_count": "an incident counts in every window that it reaches into",
    "capacity_utilisation": "the greatest of the samples",
    "open_tasks": "what is open is so at the end of a window",
    "cancelled_tasks": "stands beside terminal tasks, in none of their figures",
    "task_api_calls": "a task's own count stands in for invocations that say none",
    "task_model_calls": "what was used for a task is its owner's, whichever agent used it",
    "tokens_per_task": "what was used for a task is its owner's, whichever agent used it",
    "task_tokens_per_minute": "what was used for a task is its owner's, whichever agent used it",
    "tasks_per_1k_tokens": "what was used for a task is its owner's, whichever agent used it",
    "cost_per_task_usd": "what was used for a task is its owner's, whichever agent used it",
    "cost_per_completed_task_usd": "what was used for a task is its owner's, whichever agent used it",
}


@pytest.fixture(scope="module")
def catalogue() -> list[dict[str, str]]:
    path = PROJECT_ROOT / "seeds" / "reference" / "metric_catalogue.csv"
    with path.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


@pytest.fixture(scope="module")
def semantic_metrics() -> set[str]:
    document = yaml.safe_load((SEMANTIC_MODELS_DIR / "metrics.yml").read_text(encoding="utf-8"))
    return {metric["name"] for metric in document["metrics"]}


def _has_reason(row: dict[str, str]) -> bool:
    return not row["summary"] or row["summary"] in _SUMMARIES or row["metric_key"] in _METRICS


def test_a_metric_that_adds_up_or_divides_is_semantic_or_has_a_reason(
    catalogue: list[dict[str, str]], semantic_metrics: set[str]
) -> None:
    wanted = [row for row in catalogue if row["aggregation"] in _ADDITIVE_OR_RATIO]
    missing = [
        row["metric_key"]
        for row in wanted
        if row["metric_key"] not in semantic_metrics and not _has_reason(row)
    ]
    assert missing == []
    assert sum(row["metric_key"] in semantic_metrics for row in wanted) > 80, _WITHOUT_A_SUMMARY


def test_no_reason_is_given_for_a_metric_that_is_semantic_or_unknown(
    catalogue: list[dict[str, str]], semantic_metrics: set[str]
) -> None:
    assert _METRICS.keys() & semantic_metrics == set()
    assert _METRICS.keys() - {row["metric_key"] for row in catalogue} == set()
    assert _SUMMARIES.keys() - {row["summary"] for row in catalogue} == set()


def _row(key: str, column: str = "") -> dict[str, str]:
    return {
        "metric_key": key,
        "label": key.title(),
        "definition": f"What {key} is",
        "unit": "calls",
        "category": "quality",
        "summary_column": column or key,
    }


def _layer(measures: dict[str, Any], catalogue: list[dict[str, str]], **more: Any) -> SemanticLayer:
    fact = {"key": "tool_call_key", "time": "called_at", "measures": measures}
    more = {"where": None, "quotients": {}, "totals": {}} | more
    fact["where"] = more.pop("where")
    return SemanticLayer({"facts": {"fct_tool_calls": fact}, **more}, catalogue)


def _measures(layer: SemanticLayer) -> dict[str, tuple[str, str]]:
    return {one["name"]: (one["agg"], one["expr"]) for one in layer.models()[0]["measures"]}


@pytest.mark.parametrize(
    ("measure", "written"),
    [
        ({"count": "*"}, ("count", "1")),
        ({"count": "load_ms"}, ("count", "load_ms")),
        ({"count": "*", "where": "a or b"}, ("count", "case when (a or b) then 1 end")),
        ({"distinct": "agent_key"}, ("count_distinct", "agent_key")),
        ({"sum": "tokens", "where": "a"}, ("sum", "case when (a) then tokens end")),
    ],
)
def test_a_measure_adds_up_the_rows_that_it_is_of(
    measure: dict[str, str], written: tuple[str, str]
) -> None:
    assert _measures(_layer({"figure": measure}, [])) == {"figure": written}


def test_the_condition_of_a_fact_holds_for_each_of_its_measures() -> None:
    layer = _layer({"figure": {"sum": "tokens", "where": "a or b"}}, [], where="c or d")
    assert _measures(layer)["figure"] == ("sum", "case when (c or d) and (a or b) then tokens end")


def test_a_mean_is_a_sum_divided_by_a_count() -> None:
    layer = _layer({"avg_ms": {"average": "ms"}}, [_row("mean_ms", "avg_ms")])
    assert _measures(layer) == {"avg_ms_sum": ("sum", "ms"), "avg_ms_count": ("count", "ms")}
    kinds = {metric["name"]: metric["type_params"] for metric in layer.metrics()}
    assert kinds["mean_ms"] == {"numerator": "avg_ms_sum", "denominator": "avg_ms_count"}


def test_a_ratio_with_a_factor_has_a_dividend_of_its_own() -> None:
    measures = {
        "tokens": {"sum": "tokens", "where": "a"},
        "ms": {"sum": "ms", "where": "b"},
        "per_second": {"ratio": ["tokens", "ms"], "times": 1000},
    }
    layer = _layer(measures, [_row("per_second")])
    expected = ("sum", "case when (a) then tokens * 1000 end")
    assert _measures(layer)["per_second_dividend"] == expected
    assert {metric["name"] for metric in layer.metrics()} == {
        "per_second",
        "per_second_dividend",
        "ms",
    }


def test_what_is_counted_is_zero_where_nothing_is_and_money_is_unknown() -> None:
    measures = {"calls": {"count": "*"}, "cost": {"sum": "cost", "type": "decimal(38, 12)"}}
    layer = _layer(measures, [_row("calls"), _row("cost")])
    assert [metric["type_params"]["measure"] for metric in layer.metrics()] == [
        {"name": "calls", "fill_nulls_with": 0},
        {"name": "cost"},
    ]


def test_a_total_names_its_parts_by_their_keys_in_the_catalogue() -> None:
    measures = {"a_column": {"count": "*"}, "b_column": {"count": "*"}}
    total = {"left": {"plus": ["a_column"], "minus": ["b_column"]}}
    layer = _layer(measures, [_row("first", "a_column"), _row("left")], totals=total)
    (metric,) = [metric for metric in layer.metrics() if metric["name"] == "left"]
    assert metric["type"] == "derived"
    assert metric["type_params"] == {
        "expr": "first - b_column",
        "metrics": [{"name": "first"}, {"name": "b_column"}],
    }
