"""What analysts see when a state is published over another: what changed, and how to go back."""

from __future__ import annotations

import json
from datetime import datetime
from decimal import Decimal

import duckdb
import pytest

from orchestration.settings import Settings
from tests.e2e.conftest import AS_OF, DeploymentUnderTest
from tests.support.published_home import publish_landing


@pytest.fixture(scope="module")
def restated(
    deployment: DeploymentUnderTest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[DeploymentUnderTest, str]:
    """A second publication, one late message of 0.25 USD richer, and the message's tenant."""
    own = deployment.copy_to(tmp_path_factory.mktemp("restated") / "home")
    with duckdb.connect(str(own.home / "published" / "agentmart.duckdb"), read_only=True) as mart:
        found = mart.execute(
            "select agents.agent_id, publishers.publisher_id, tenants.tenant_id"
            " from core.fct_invocations as invocations"
            " inner join core.dim_agents as agents using (agent_key)"
            " inner join core.dim_publishers as publishers"
            " on invocations.publisher_key = publishers.publisher_key"
            " inner join core.dim_tenants as tenants using (tenant_key)"
            " order by invocations.event_id limit 1"
        ).fetchone()
    assert found is not None
    agent, publisher, tenant = found
    late = {
        "id": "late-event-1",
        "event_type": "agent_completed",
        "agent_id": agent,
        "publisher_id": publisher,
        "tenant_id": tenant,
        "timestamp": "2026-02-10T12:00:00Z",
        "properties": {"input_tokens": 10, "output_tokens": 5, "cost_usd": "0.25"},
    }
    folder = own.home / "landing" / "agent_events" / "late"
    folder.mkdir()
    (folder / "late.ndjson").write_text(json.dumps(late) + "\n")
    settings = Settings(home=own.home, threads=2)
    settings.warehouse_file.unlink()
    publish_landing(settings, as_of=datetime.fromisoformat(AS_OF))
    return own, tenant


def test_a_late_message_is_a_restatement_of_every_window_that_holds_it_and_of_no_other(
    restated: tuple[DeploymentUnderTest, str],
) -> None:
    deployment, tenant = restated
    with duckdb.connect(
        str(deployment.home / "published" / "agentmart.duckdb"), read_only=True
    ) as mart:
        rows = mart.execute(
            "select scope_kind, scope_id, start_at, end_at, after_value - before_value"
            " from meta.restatements where dataset = 'usage.usage_summary' and metric_key = ?",
            ["agent_messages"],
        ).fetchall()
        spent = mart.execute(
            "select distinct after_value - before_value from meta.restatements"
            " where dataset = 'usage.usage_summary' and metric_key = 'cost_usd'"
        ).fetchall()
        windows = mart.execute(
            "select scope_kind, count(distinct (scope_id, start_at, end_at)) from core.dim_windows"
            " where start_at <= timestamp '2026-02-10 12:00' and end_at > timestamp '2026-02-10 12:00'"
            " and (scope_kind = 'platform' or scope_id = ?) group by all",
            [tenant],
        ).fetchall()
        # A budget is of its whole month, so a window of any week of that month shows it.
        outside = mart.execute(
            "select count(*) from meta.restatements where dataset <> 'operations.budgets'"
            " and (end_at <= timestamp '2026-02-10 12:00' or start_at > timestamp '2026-02-10 12:00')"
        ).fetchone()
        of_month = mart.execute(
            "select distinct after_value - before_value from meta.restatements"
            " where dataset = 'operations.budgets' and metric_key = 'month_spent_usd'"
        ).fetchall()
    assert {row[4] for row in rows} == {Decimal(1)}
    assert spent == [(Decimal("0.25"),)]
    listed = {kind: sum(row[0] == kind for row in rows) for kind, _ in windows}
    assert listed == dict(windows)
    assert {row[1] for row in rows if row[0] == "tenant"} == {tenant}
    assert outside == (0,)
    assert of_month == [(Decimal("0.25"),)]


def test_readers_can_be_taken_back_and_status_says_so(
    restated: tuple[DeploymentUnderTest, str],
) -> None:
    deployment = restated[0]
    newest, oldest = json.loads(deployment("publications", "list", "--format", "json").stdout)
    assert (newest["publication_id"], newest["is_current"]) == (2, True)
    assert (oldest["publication_id"], oldest["is_current"]) == (1, False)
    back = deployment("publications", "rollback")
    assert back.exit_code == 0, back.stderr
    late = deployment(
        "sql",
        "select publication_id, (select count(*) from core.fct_invocations"
        " where event_id = 'late-event-1') as n from meta.publication",
        "--format",
        "json",
    )
    assert json.loads(late.stdout) == [{"publication_id": 1, "n": 0}]
    assert "publication 1, ROLLED BACK" in deployment("status").stdout
    again = deployment("publications", "rollback")
    assert again.exit_code == 2
    assert "publications list" in again.stderr
