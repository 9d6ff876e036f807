"""Alerts in a deployment: what a run says of them, where they are read, and a wrong override."""

from __future__ import annotations

import json
from pathlib import Path

import duckdb

from tests.e2e.conftest import AS_OF, DeploymentUnderTest
from tests.support.command_line import Finished


def _standing(deployment: DeploymentUnderTest) -> list[tuple[str, ...]]:
    with duckdb.connect(str(_published(deployment.home)), read_only=True) as connection:
        return connection.execute(
            "select title, channels from alerts.alerts where state in ('firing', 'no_data') order by 1"
        ).fetchall()


def _published(home: Path) -> Path:
    return (home / "published" / "agentmart.duckdb").resolve()


def _told(home: Path) -> list[dict[str, object]]:
    files = sorted((home / "outbox").glob("alert-*.json"))
    return [json.loads(file.read_bytes()) for file in files]


def test_a_first_run_tells_what_fires_now_and_nothing_of_the_past(
    first_run: tuple[DeploymentUnderTest, Finished],
) -> None:
    deployment, finished = first_run
    with duckdb.connect(str(_published(deployment.home)), read_only=True) as connection:
        states = connection.execute("select state, channels from alerts.alerts").fetchall()
    firing = [channels.split("|") for state, channels in states if state == "firing"]
    assert firing
    assert len(states) > len(firing)
    (line,) = [line for line in finished.stdout.splitlines() if line.startswith("  alerts ")]
    assert f" {len(firing)} fired, 0 ended, 0 held back" in line
    told = _told(deployment.home)
    assert len(told) == sum(len(channels) for channels in firing)
    assert {one["type"] for one in told} == {"alert.firing"}


def test_what_stands_is_in_status_and_in_the_list_with_every_rule(
    deployment: DeploymentUnderTest,
) -> None:
    status, listed = deployment("status").stdout, deployment("alerts", "list").stdout
    standing = _standing(deployment)
    assert standing
    for title, _ in standing:
        assert title in status
        assert title in listed
    for rule in ("daily_cost", "slow_responses", "high_error_rate", "low_daily_users"):
        assert any(
            line.startswith(rule) and " platform " in line for line in listed.splitlines()
        ), rule
    assert "tenant:ten-dalton        inactive" in listed


def test_a_tenant_is_handed_its_own_alerts_alone(
    deployment: DeploymentUnderTest, tmp_path: Path
) -> None:
    target = tmp_path / "aurora.duckdb"
    finished = deployment(
        *("export", "--all", "--scope", "tenant:ten-aurora"),
        *("--format", "duckdb", "--out", str(target)),
    )
    assert finished.exit_code == 0, finished.stderr
    with duckdb.connect(str(target), read_only=True) as connection:
        for table in ("alerts.alerts", "alerts.alert_states", "alerts.alert_transitions"):
            scopes = connection.execute(f"select distinct scope_kind, scope_id from {table}")
            assert scopes.fetchall() == [("tenant", "ten-aurora")], table
        span = "'tenant:ten-aurora', date '2026-01-01', date '2026-04-01'"
        (of_span,) = connection.execute(f"select count(*) from alerts_in_span({span})").fetchall()
        assert of_span == connection.execute("select count(*) from alerts.alerts").fetchone()


def test_a_wrong_override_stops_the_run_before_anything_is_sent(
    own_deployment: DeploymentUnderTest,
) -> None:
    home = own_deployment.home
    published = _published(home)
    published.chmod(0o644)
    with duckdb.connect(str(published)) as connection:
        connection.execute(
            "update core.dim_alert_overrides set channels = 'email|pigeon'"
            " where rule_id = 'daily_cost' and scope_id = 'ten-aurora'"
        )
    before = sorted((home / "outbox").rglob("*"))
    finished = own_deployment("run", "--as-of", AS_OF)
    assert finished.exit_code == 1
    assert (
        "alert_rules, daily_cost for tenant:ten-aurora of native: channels names 'pigeon': use any of"
        " email, slack, teams, pagerduty, "
    ) in finished.stderr
    after = [file for file in (home / "outbox").rglob("*") if "run_failure" not in file.name]
    assert sorted(after) == before


def test_a_test_of_a_rule_goes_through_each_of_its_channels(
    own_deployment: DeploymentUnderTest,
) -> None:
    finished = own_deployment("alerts", "test", "high_error_rate")
    assert finished.exit_code == 0, finished.stderr
    assert "'[TEST] Alert rule high_error_rate' by email: written" in finished.stdout
    assert "'[TEST] Alert rule high_error_rate' by sms: written" in finished.stdout
    unknown = own_deployment("alerts", "test", "everything")
    assert unknown.exit_code == 2
    assert "use one of daily_cost, slow_responses, " in unknown.stderr
