"""Insights over the whole way from extracts: what was planted is found, and nobody learns too much.

Belongs here: findings on a built warehouse, and what publishers may see of them. Does not belong
here: each rule at and over its threshold (dbt unit tests beside the model).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from orchestration.generate.extracts import write_extracts
from orchestration.ingest.load import load_landing
from orchestration.settings import Settings
from tests.support.builds import replay_full_build, write_inputs
from tests.support.recordings import recorded_builds

AS_OF = datetime(2026, 3, 2, 6, tzinfo=UTC)

# Long before every window of the reports, among answers of two cents.
DEAR_ANSWER_AT = datetime(2025, 5, 7, 15, 29, 32, tzinfo=UTC)

# Mondays, as the warehouse has them.
WEEK_BEFORE, LAST_WEEK, THIS_WEEK = (
    datetime(2026, 2, 16),
    datetime(2026, 2, 23),
    datetime(2026, 3, 2),
)


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[duckdb.DuckDBPyConnection]:
    """A warehouse built on generated extracts and three tenants with something to find."""
    settings = Settings(home=tmp_path_factory.mktemp("insights") / "home", threads=2)
    write_extracts(out=settings.landing, events=12_000, days=35, seed=7, until=AS_OF)
    _plant_dear_answer(settings.landing)
    _plant_weeks(settings.landing)
    load_landing(settings=settings, landing=settings.landing, as_of=AS_OF)
    write_inputs(settings, published=None, as_of=AS_OF)
    replay_full_build(recorded_builds()[1], settings)
    with duckdb.connect(str(settings.warehouse_file), read_only=True) as connection:
        yield connection


@pytest.mark.parametrize(
    ("rule_id", "scope_kind", "subject_id"),
    [
        ("agent_cost_concentration", "platform", "agt-atlas"),
        ("budget_overrun", "tenant", "turning"),
        ("cost_creep", "tenant", "turning"),
        ("error_rate_improves", "tenant", "healing"),
        ("error_rate_rises", "tenant", "turning"),
        ("errors_under_load", "platform", "gateway"),
        ("low_engagement", "tenant", "ten-brightside"),
        ("low_user_satisfaction", "publisher", "pub-volna"),
        ("most_used_agent", "tenant", "turning-agent"),
        ("slow_agent_response", "platform", "agt-pascal"),
        ("tasks_tried_again", "platform", "platform"),
        ("tool_failing_often", "platform", "crm_lookup"),
    ],
)
def test_what_was_planted_in_the_extracts_is_found(
    warehouse: duckdb.DuckDBPyConnection, rule_id: str, scope_kind: str, subject_id: str
) -> None:
    found = _rows(
        warehouse,
        "select distinct subject_id from insights.insights"
        " where rule_id = ? and scope_kind = ? and state = 'open'",
        rule_id,
        scope_kind,
    )
    assert (subject_id,) in found


def test_the_slow_agent_is_found_with_the_tool_that_slows_it(
    warehouse: duckdb.DuckDBPyConnection,
) -> None:
    [(description,)] = _rows(
        warehouse,
        "select description from insights.insights where rule_id = 'slow_agent_response'"
        " and scope_kind = 'platform' and window_kind = '30d' and state = 'open'",
    )
    assert "Its slowest tool, browser_render, takes" in str(description)


def test_one_dear_answer_of_long_ago_is_found_alone_and_named(
    warehouse: duckdb.DuckDBPyConnection,
) -> None:
    found = _rows(
        warehouse,
        """
        select scope_kind, window_kind, subject_id, title, value, baseline, evidence_start
        from insights.insights
        where rule_id = 'cost_anomaly' and (scope_kind = 'platform' or scope_id = 'planted-tenant')
            and state = 'open'
        order by scope_kind
        """,
    )
    at = DEAR_ANSWER_AT.replace(tzinfo=None)
    title = "One Answer Cost USD 9,990.01"
    [of_platform, of_tenant] = found
    assert of_platform[:5] == ("platform", "history", "the-dear-answer", title, 9990.01)
    assert of_tenant == ("tenant", "history", "the-dear-answer", title, 9990.01, 0.02, at)


def test_a_finding_opens_in_one_week_and_is_resolved_in_the_next(
    warehouse: duckdb.DuckDBPyConnection,
) -> None:
    found = _rows(
        warehouse,
        """
        select scope_id, window_kind, state, first_seen, last_seen
        from insights.insights
        where rule_id = 'high_error_rate' and scope_id in ('turning', 'healing')
            and window_kind in ('7d', 'weekly')
        order by scope_id, window_kind
        """,
    )
    assert found == [
        ("healing", "7d", "resolved", WEEK_BEFORE, LAST_WEEK),
        ("healing", "weekly", "resolved", WEEK_BEFORE, LAST_WEEK),
        ("turning", "7d", "open", LAST_WEEK, THIS_WEEK),
        ("turning", "weekly", "open", LAST_WEEK, THIS_WEEK),
    ]


def test_too_few_answers_are_said_to_be_too_few(warehouse: duckdb.DuckDBPyConnection) -> None:
    found = _rows(
        warehouse,
        "select distinct state, reason from insights.insights"
        " where rule_id = 'high_error_rate' and scope_id = 'few-answers' and window_kind = '7d'",
    )
    reason = "There are 10 observations of the 20 it takes"
    assert found == [("could_not_evaluate", reason)]


def test_a_publishers_findings_name_no_tenant_user_or_message(
    warehouse: duckdb.DuckDBPyConnection,
) -> None:
    findings = [
        " ".join(str(value) for value in row)
        for row in _rows(warehouse, "from insights.insights where scope_kind = 'publisher'")
    ]
    assert findings
    private = _rows(
        warehouse,
        """
        select tenant_id from core.dim_tenants
        union all
        select tenant_name from core.dim_tenants
        union all
        select distinct user_key from core.fct_user_messages where user_key is not null
        union all
        select invocation_id from core.fct_invocations
        """,
    )
    told = {str(name) for (name,) in private for finding in findings if str(name) in finding}
    assert told == set()


def test_no_mart_of_outcomes_has_a_key_of_a_tenant_user_or_conversation(
    warehouse: duckdb.DuckDBPyConnection,
) -> None:
    columns = _rows(
        warehouse,
        """
        select schema_name || '.' || table_name || '.' || column_name
        from duckdb_columns()
        where schema_name in ('quality', 'revenue', 'compliance', 'feedback', 'insights')
            and regexp_matches(
                column_name, '^(tenant|user|conversation|invocation|session)_(key|id)$'
            )
        """,
    )
    assert columns == []


def _plant_dear_answer(landing: Path) -> None:
    """Thirty answers, each an hour after the one before; the last cost 9,990.01 USD."""
    rows = [
        {
            "id": f"answer-{number}" if number else "the-dear-answer",
            "event_type": "agent_completed",
            "agent_id": "planted",
            "publisher_id": "planted",
            "tenant_id": "planted-tenant",
            "timestamp": (DEAR_ANSWER_AT - timedelta(hours=number)).isoformat(),
            "properties": {"cost_usd": "0.02" if number else "9990.01", "input_tokens": 100},
        }
        for number in range(30)
    ]
    path = landing / "agent_events" / "planted.ndjson"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def _plant_weeks(landing: Path) -> None:
    """Two weeks of answers: turning gets ten errors and twice the cost in the last one, healing had
    ten errors in the one before, few-answers has ten. Turning's budget is a dollar."""
    weeks = {
        ("turning", WEEK_BEFORE): (100, 0, "0.01"),
        ("turning", LAST_WEEK): (100, 10, "0.02"),
        ("healing", WEEK_BEFORE): (100, 10, "0.01"),
        ("healing", LAST_WEEK): (100, 0, "0.01"),
        ("few-answers", LAST_WEEK): (10, 1, "0.01"),
    }
    rows = [
        {
            "id": f"{tenant}-{monday:%d}-{number}",
            "event_type": "agent_errored" if number < errors else "agent_completed",
            "agent_id": f"{tenant}-agent",
            "publisher_id": "planted",
            "tenant_id": tenant,
            "timestamp": (monday + timedelta(hours=1 + number)).replace(tzinfo=UTC).isoformat(),
            "properties": {"cost_usd": cost, "input_tokens": 100},
        }
        for (tenant, monday), (answers, errors, cost) in weeks.items()
        for number in range(answers)
    ]
    path = landing / "agent_events" / "weeks.ndjson"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    budget = {
        "scope_kind": "tenant",
        "scope_id": "turning",
        "month": "2026-02",
        "amount_usd": "1",
        "updated_at": "2026-02-01T00:00:00Z",
    }
    (landing / "budgets" / "planted.ndjson").write_text(json.dumps(budget), encoding="utf-8")


def _rows(
    connection: duckdb.DuckDBPyConnection, query: str, *parameters: object
) -> list[tuple[object, ...]]:
    return connection.execute(query, list(parameters)).fetchall()
