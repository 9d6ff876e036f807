"""The metric catalogue and what is published say the same: each figure has a row, and each row a figure."""

from __future__ import annotations

import csv
from collections.abc import Iterator

import duckdb
import pytest

from orchestration.settings import PROJECT_ROOT
from tests.e2e.conftest import DeploymentUnderTest

_MARTS = ("usage", "quality", "revenue", "compliance", "feedback", "operations", "insights")
_NUMBERS = ("BIGINT", "INTEGER", "HUGEINT", "DOUBLE", "DECIMAL")

# Numbers of the marts that are no metric, and why.
_PLACES = {
    "billed_days",
    "band_order",
    "bin_order",
    "hour_of_day",
    "iso_weekday",
    "min_instances",
    "months_since",
    "day_count",
    "metric_order",
    "window_s",
}
_OBSERVATIONS_BEHIND_A_METRIC = {
    "cell_size",
    "completed_duration_count",
    "health_sample_count",
    "judged_conversations",
    "llm_latency_count",
    "queue_sample_count",
    "request_sample_count",
    "satisfaction_count",
    "session_count",
    "session_message_count",
    "single_message_session_count",
    "timed_llm_latency_ms",
    "timed_output_tokens",
}
_PARTS_OF_A_METRIC = {
    "cohort_tenants",
    "downgraded_tenants",
    "new_tenants",
    "rating_1_count",
    "rating_2_count",
    "rating_3_count",
    "rating_4_count",
    "rating_5_count",
    "reactivated_tenants",
    "retained_or_later_tenants",
    "upgraded_tenants",
}
_WHAT_A_METRIC_IS_COMPARED_WITH = {
    "active_installs_at_start",
    "low_avg_rating",
    "low_feedback_count",
    "mrr_before_usd",
    "previous_active_tenants",
}
_A_TENANTS_OWN_SETTINGS = {
    "answer_rate",
    "average_deal_value_usd",
    "capture_share",
    "conversion_rate",
    "displaced_share",
    "receptionist_cost_usd_month",
}
# What a projection is from and between what it may lie; the projection itself is a metric.
_OF_A_FORECAST = {
    "coming_month_cost_usd_high",
    "coming_month_cost_usd_low",
    "coming_month_days",
    "coming_month_tokens_high",
    "coming_month_tokens_low",
    "days_ahead",
    "forecast_cost_usd_high",
    "forecast_cost_usd_low",
    "forecast_tokens_high",
    "forecast_tokens_low",
    "history_days",
    "month_days",
    "month_elapsed_days",
    "previous_weekly_cost_usd",
    "previous_weekly_tokens",
}
# Two versions beside each other are about any metric; `metric` beside these names it.
_OF_AN_EXPERIMENT = {
    "a_better_metrics",
    "answers_a",
    "answers_b",
    "b_better_metrics",
    "compared_metrics",
    "difference",
    "difference_high",
    "difference_low",
    "mixed_users",
    "observations_a",
    "observations_b",
    "observed_split_a",
    "planned_split_a",
    "run_days",
    "split_chi_square",
    "users_a",
    "users_b",
    "value_a",
    "value_b",
}
# The same before and after a deployment.
_OF_A_DEPLOYMENT = {
    "answers_after",
    "answers_before",
    "better_metrics",
    "compared_days",
    "observations_after",
    "observations_before",
    "value_after",
    "value_before",
    "worse_metrics",
}
# A goal is of any metric too.
_OF_A_GOAL = {"goal_attainment", "goal_target", "metric_value"}
# A day beside what it was to be is of any metric; an hour's burst is of the error rate.
_OF_AN_ANOMALY = {
    "burst_agent_messages",
    "burst_error_rate",
    "burst_errored_count",
    "burst_hour_of_day",
    "burst_score",
    "evaluated_hour_count",
    "expected_value",
    "observation_count",
    "past_day_count",
    "score",
    "score_limit",
    "usual_error_rate",
    "usual_high",
    "usual_low",
}
# One finding is about any metric; `metric` beside these names it.
_OF_A_FINDING = {"baseline", "sample_size", "threshold", "value"}
_NO_METRICS = (
    _PLACES
    | _OBSERVATIONS_BEHIND_A_METRIC
    | _PARTS_OF_A_METRIC
    | _WHAT_A_METRIC_IS_COMPARED_WITH
    | _A_TENANTS_OWN_SETTINGS
    | _OF_A_FINDING
    | _OF_A_FORECAST
    | _OF_AN_EXPERIMENT
    | _OF_A_DEPLOYMENT
    | _OF_A_GOAL
    | _OF_AN_ANOMALY
)


@pytest.fixture(scope="module")
def catalogue() -> list[dict[str, str]]:
    path = PROJECT_ROOT / "seeds" / "reference" / "metric_catalogue.csv"
    with path.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


@pytest.fixture(scope="module")
def mart(deployment: DeploymentUnderTest) -> Iterator[duckdb.DuckDBPyConnection]:
    path = str((deployment.home / "published" / "agentmart.duckdb").resolve())
    with duckdb.connect(path, read_only=True) as connection:
        connection.execute("set TimeZone = 'UTC'")
        yield connection


@pytest.fixture(scope="module")
def function_columns(mart: duckdb.DuckDBPyConnection) -> dict[str, dict[str, str]]:
    """The columns of each table function with their types."""
    return {
        name: {
            row[0]: row[1]
            for row in mart.execute(
                f"describe from {name}('platform', date '2026-02-01', date '2026-03-01')"
            ).fetchall()
        }
        for (name,) in mart.execute("select function_name from meta.table_functions").fetchall()
    }


@pytest.fixture(scope="module")
def figures(
    mart: duckdb.DuckDBPyConnection, function_columns: dict[str, dict[str, str]]
) -> dict[str, set[str]]:
    """Every number of a mart or table function, with the places that hold it."""
    found: dict[str, set[str]] = {}
    places = ", ".join(f"'{schema}'" for schema in _MARTS)
    for table, column, kind in mart.execute(
        "select schema_name || '.' || table_name, column_name, data_type from duckdb_columns()"
        f" where schema_name in ({places})"
    ).fetchall():
        if kind.startswith(_NUMBERS):
            found.setdefault(column, set()).add(table)
    for function, columns in function_columns.items():
        for column, kind in columns.items():
            if kind.startswith(_NUMBERS):
                found.setdefault(column, set()).add(f"{function}()")
    return found


def _names(metric: dict[str, str]) -> set[str]:
    return {metric["metric_key"], *metric["aliases"].split()}


def test_every_published_number_is_a_metric_or_known_to_be_none(
    figures: dict[str, set[str]], catalogue: list[dict[str, str]]
) -> None:
    named = {name for metric in catalogue for name in _names(metric)}
    assert len(figures) > 150
    unknown = {name: sorted(places) for name, places in figures.items() if name not in named}
    assert {name: unknown[name] for name in unknown.keys() - _NO_METRICS} == {}


def test_what_is_known_to_be_no_metric_is_published_and_no_metric(
    figures: dict[str, set[str]], catalogue: list[dict[str, str]]
) -> None:
    named = {name for metric in catalogue for name in _names(metric)}
    assert _NO_METRICS - figures.keys() == set()
    assert _NO_METRICS & named == set()


def test_every_metric_of_the_catalogue_is_published(
    figures: dict[str, set[str]], catalogue: list[dict[str, str]]
) -> None:
    unpublished = [
        metric["metric_key"] for metric in catalogue if not _names(metric) & figures.keys()
    ]
    assert unpublished == []


def test_every_series_is_a_number_of_the_table_function_it_names(
    function_columns: dict[str, dict[str, str]], catalogue: list[dict[str, str]]
) -> None:
    with_series = [metric for metric in catalogue if metric["summary"]]
    assert len(with_series) > 100
    wrong = [
        metric["metric_key"]
        for metric in with_series
        if not function_columns.get(metric["summary"], {})
        .get(metric["summary_column"], "")
        .startswith(_NUMBERS)
    ]
    assert wrong == []


def test_a_series_is_the_column_of_its_metric(catalogue: list[dict[str, str]]) -> None:
    """The key, or a name that the catalogue gives it: not another figure under its name. Daily active users
    of a bucket of several days are the mean over its days, which is a metric of its own."""
    wrong = [
        metric["metric_key"]
        for metric in catalogue
        if metric["summary"] and metric["summary_column"] not in _names(metric)
    ]
    assert wrong == ["dau"]


def test_no_name_means_two_metrics(catalogue: list[dict[str, str]]) -> None:
    names = [name for metric in catalogue for name in sorted(_names(metric))]
    assert sorted(names) == sorted(set(names))


def test_every_metric_is_defined_and_measured_in_something(catalogue: list[dict[str, str]]) -> None:
    required = ("label", "category", "definition", "unit", "aggregation")
    assert [
        (metric["metric_key"], field)
        for metric in catalogue
        for field in required
        if not metric[field].strip()
    ] == []


def test_the_published_catalogue_is_the_catalogue(
    mart: duckdb.DuckDBPyConnection, catalogue: list[dict[str, str]]
) -> None:
    published = mart.execute(
        "select metric_key, label, unit from meta.metric_catalogue order by metric_key"
    ).fetchall()
    assert published == sorted(
        (metric["metric_key"], metric["label"], metric["unit"]) for metric in catalogue
    )
