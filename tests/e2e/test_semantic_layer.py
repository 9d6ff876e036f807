"""MetricFlow and the table functions say the same: both are made from the same definitions of measures."""

from __future__ import annotations

import csv
import datetime as dt
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any, cast

import duckdb
import pytest
import yaml
from dbt_metricflow.cli.dbt_connectors.dbt_config_accessor import dbtArtifacts
from metricflow.engine.metricflow_engine import MetricFlowEngine, MetricFlowQueryRequest
from metricflow.protocols.sql_client import SqlClient, SqlEngine
from metricflow.sql.render.duckdb_renderer import DuckDbSqlPlanRenderer
from metricflow_semantics.model.semantic_manifest_lookup import SemanticManifestLookup

from orchestration.settings import DBT_PROJECT_DIR, PROJECT_ROOT, Settings
from orchestration.warehouse.semantic_layer import (
    SEMANTIC_MODELS_DIR,
    read_definitions,
    write_semantic_layer,
)
from tests.e2e.conftest import DeploymentUnderTest

_FIRST, _LAST = dt.date(2026, 2, 2), dt.date(2026, 2, 22)
_WINDOW = f"date '{_FIRST}', date '{_LAST + dt.timedelta(days=1)}'"

Rows = list[dict[str, Any]]
Ask = Callable[[Sequence[str], Sequence[str]], Rows]


def _catalogue() -> list[dict[str, str]]:
    path = PROJECT_ROOT / "seeds" / "reference" / "metric_catalogue.csv"
    with path.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


# Every worker imports this module, and the file takes a quarter of a second to read.
@cache
def _metrics() -> frozenset[str]:
    document = yaml.safe_load((SEMANTIC_MODELS_DIR / "metrics.yml").read_text(encoding="utf-8"))
    return frozenset(metric["name"] for metric in document["metrics"])


_COLUMNS = {row["metric_key"]: row["summary_column"] for row in _catalogue()}
_ANSWERED: dict[str, list[str]] = {}
for _row in _catalogue():
    if _row["metric_key"] in _metrics() and _row["summary"]:
        _ANSWERED.setdefault(_row["summary"], []).append(_row["metric_key"])


class _Dialect:
    """What MetricFlow must know to write SQL for DuckDB; the test runs it itself, for its exact types."""

    sql_engine_type = SqlEngine.DUCKDB
    sql_plan_renderer = DuckDbSqlPlanRenderer()


@pytest.fixture(scope="module")
def mart(deployment: DeploymentUnderTest) -> Iterator[duckdb.DuckDBPyConnection]:
    path = str((deployment.home / "published" / "agentmart.duckdb").resolve())
    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'")
        connection.execute(f"attach '{path}' as agentmart (read_only)")
        connection.execute("use agentmart")
        yield connection


@pytest.fixture(scope="module")
def ask(mart: duckdb.DuckDBPyConnection) -> Ask:
    """The answer of MetricFlow to metrics, by dimensions, over the window."""
    manifest = dbtArtifacts.build_semantic_manifest_from_dbt_project_root(DBT_PROJECT_DIR)
    engine = MetricFlowEngine(
        semantic_manifest_lookup=SemanticManifestLookup(manifest),
        sql_client=cast(SqlClient, _Dialect()),
    )

    def answer(metrics: Sequence[str], dimensions: Sequence[str]) -> Rows:
        request = MetricFlowQueryRequest.create(
            metric_names=list(metrics),
            group_by_names=list(dimensions),
            time_constraint_start=dt.datetime.combine(_FIRST, dt.time()),
            time_constraint_end=dt.datetime.combine(_LAST, dt.time()),
        )
        return _rows(mart, engine.explain(request).sql_statement.sql)

    return answer


def _rows(mart: duckdb.DuckDBPyConnection, query: str) -> Rows:
    found = mart.execute(query)
    names = [column[0] for column in found.description or ()]
    return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


def _as_published(answered: Any, published: Any) -> Any:
    """A quotient of money is kept to twelve places in the marts, and is a binary number in MetricFlow."""
    if isinstance(answered, float) and isinstance(published, Decimal):
        (kept,) = duckdb.execute(
            "select cast(cast(? as double) as decimal(38, 12))", [answered]
        ).fetchone() or (None,)
        return kept
    return answered


def _differences(answered: dict[str, Any], published: dict[str, Any]) -> dict[str, Any]:
    return {
        metric: (value, published[_COLUMNS[metric]])
        for metric, value in answered.items()
        if metric in _COLUMNS
        and _as_published(value, published[_COLUMNS[metric]]) != published[_COLUMNS[metric]]
    }


@pytest.mark.parametrize("summary", sorted(_ANSWERED))
def test_metricflow_answers_what_the_table_function_answers(
    summary: str, ask: Ask, mart: duckdb.DuckDBPyConnection
) -> None:
    (answered,) = ask(_ANSWERED[summary], [])
    (published,) = _rows(mart, f"from {summary}('platform', {_WINDOW})")
    assert answered.keys() == set(_ANSWERED[summary])
    assert any(answered.values())
    assert _differences(answered, published) == {}


def test_metricflow_answers_each_tenant_as_its_own_summary_does(
    ask: Ask, mart: duckdb.DuckDBPyConnection
) -> None:
    metrics = _ANSWERED["usage_summary"]
    tenants = ask(metrics, ["tenant__tenant_id", "tenant__source_name"])
    assert len(tenants) > 3
    for answered in tenants:
        scope = f"tenant:{answered['tenant__tenant_id']}"
        source = answered["tenant__source_name"]
        (published,) = _rows(
            mart, f"from usage_summary('{scope}', {_WINDOW}, source := '{source}')"
        )
        assert _differences(answered, published) == {}, scope


@pytest.mark.parametrize(
    ("function", "dimension", "column", "metrics"),
    [
        (
            "usage_daily",
            "metric_time__day",
            "date_day",
            ["agent_messages", "user_messages", "messages", "sessions", "errored_count"],
        ),
        ("usage_daily", "metric_time__day", "date_day", ["total_tokens", "cost_usd"]),
        (
            "usage_daily",
            "metric_time__day",
            "date_day",
            ["message_error_rate", "avg_response_time_ms", "cost_per_message_usd"],
        ),
        (
            "usage_by_agent",
            "agent__agent_id",
            "agent_id",
            ["agent_messages", "sessions", "total_tokens", "cost_usd", "messages_per_session"],
        ),
        (
            "usage_by_model",
            "model__model_name",
            "model",
            ["agent_messages", "input_tokens", "output_tokens", "cost_usd", "tokens_per_second"],
        ),
        (
            "tool_usage",
            "tool_call__tool_name",
            "tool_name",
            ["tool_call_count", "tool_failure_rate"],
        ),
        (
            "compliance_by_agent_type",
            "agent_type__agent_type_id",
            "agent_type_id",
            ["audited_messages", "toxic_messages", "toxic_rate", "pii_redactions"],
        ),
        (
            "feedback_by_agent_type",
            "agent_type__agent_type_id",
            "agent_type_id",
            ["rating_count", "average_rating"],
        ),
    ],
)
def test_metricflow_answers_each_row_of_a_breakdown(
    function: str,
    dimension: str,
    column: str,
    metrics: list[str],
    ask: Ask,
    mart: duckdb.DuckDBPyConnection,
) -> None:
    published = {row[column]: row for row in _rows(mart, f"from {function}('platform', {_WINDOW})")}
    answered = {
        (key.date() if isinstance(key := row.pop(dimension), dt.datetime) else key): row
        for row in ask(metrics, [dimension])
    }
    assert len(answered) > 2
    for key, row in answered.items():
        assert _differences(row, published[key]) == {}, key
    assert answered.keys() == published.keys()


def test_the_semantic_layer_is_what_the_definitions_say_now(
    deployment: DeploymentUnderTest, tmp_path: Path
) -> None:
    settings = Settings.from_environment({"AGENTMART_HOME": str(deployment.home)})
    write_semantic_layer(read_definitions(settings), tmp_path)
    for written in tmp_path.iterdir():
        committed = (SEMANTIC_MODELS_DIR / written.name).read_text(encoding="utf-8")
        assert written.read_text(encoding="utf-8") == committed, (
            "run `python -m orchestration.warehouse.semantic_layer`"
        )
