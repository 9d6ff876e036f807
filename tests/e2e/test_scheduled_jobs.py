"""Jobs that build a part of the marts, run as a schedule would run them."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import duckdb

from orchestration.settings import PROJECT_ROOT
from tests.e2e.conftest import DeploymentUnderTest
from tests.support.command_line import command_environment

_LATER = "2026-03-02T06:10:00+00:00"

# One Dagster run of the named job in this process: the models that it built, and what it says of checks.
_RUN_JOB = """
import json, sys
from orchestration.cli.dagster_home import open_instance
from orchestration.definitions import defs
from orchestration.settings import Settings

config = {"as_of": sys.argv[2], "landing": sys.argv[3], "command": "test"}
with open_instance(Settings.load()) as instance:
    result = defs().resolve_job_def(sys.argv[1]).execute_in_process(
        instance=instance,
        raise_on_error=False,
        run_config={
            "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
            "resources": {"deployment": {"config": config}},
        },
    )
built = [event.asset_key.path[-1] for event in result.get_asset_materialization_events()]
failures = [str(one.step_failure_data.error) for one in result.all_events if one.is_step_failure]
found = result.get_asset_check_evaluations()
checks = [one.check_name for one in found if one.passed]
kept = [one.check_name for one in found if "kept" in one.metadata]
print(json.dumps({"built": built, "failures": failures, "passed": checks, "kept": kept}))
"""


def _run(job: str, home: Path) -> dict[str, list[str]]:
    done = subprocess.run(
        [sys.executable, "-c", _RUN_JOB, job, _LATER, str(home / "landing")],
        env=command_environment(home),
        cwd=PROJECT_ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    outcome: dict[str, list[str]] = json.loads(done.stdout.splitlines()[-1])
    return outcome


def _land(home: Path, stream: str, name: str, *rows: Mapping[str, object]) -> None:
    folder = home / "landing" / stream / name
    folder.mkdir()
    (folder / "new.ndjson").write_text("".join(json.dumps(row) + "\n" for row in rows))


def test_health_is_refreshed_alone_and_what_else_came_waits_for_the_next_run(
    own_deployment: DeploymentUnderTest,
) -> None:
    home = own_deployment.home
    sample = {"service": "gateway", "timestamp": "2026-03-02T06:05:00Z", "requests": 7}
    answer = {
        "id": "between-two-hours",
        "event_type": "agent_completed",
        "agent_id": "agt-atlas",
        "publisher_id": "pub-kestrel",
        "tenant_id": "ten-aurora",
        "timestamp": "2026-03-02T06:05:00Z",
        "properties": {},
    }
    _land(home, "health_samples", "new", sample)
    _land(home, "agent_events", "new", answer)
    # An exporter whose files overlap sends the same minute twice.
    _land(home, "health_samples", "overlapping", sample, {**sample, "service": "second"})

    outcome = _run("health_five_minute_job", home)
    assert outcome["failures"] == []
    assert "health_summary" in outcome["built"]
    assert not {"fct_invocations", "usage_summary", "insights"} & set(outcome["built"])
    # What is published anew is tested; what would hold it against older windows says what it said last.
    ran = set(outcome["passed"]) - set(outcome["kept"])
    assert {"health_summary_keeps_its_rules", "marts_are_fresh"} <= ran
    assert "operations_marts_add_up_to_their_facts" in set(outcome["passed"]) & set(outcome["kept"])
    seen = (
        "select (select count(*) from core.fct_health_samples where sampled_at = '2026-03-02 06:05'"
        " and service = 'gateway'),"
        " (select count(*) from core.fct_invocations where event_id = 'between-two-hours'),"
        " (select last_event_at = '2026-03-02 06:05' from meta.freshness where name = 'health_samples'),"
        " (select last_event_at < '2026-03-02 06:05' from meta.freshness where name = 'agent_events')"
    )
    published = home / "published" / "agentmart.duckdb"
    with duckdb.connect(str(published), read_only=True) as mart:
        assert mart.execute(seen).fetchone() == (1, 0, True, True)

    finished = own_deployment("run", "--as-of", _LATER)
    assert finished.exit_code == 0, finished.stderr
    with duckdb.connect(str(published), read_only=True) as mart:
        assert mart.execute(seen).fetchone() == (1, 1, True, False)


def test_what_did_not_pass_its_audit_is_not_published_with_health(
    own_deployment: DeploymentUnderTest,
) -> None:
    """A lake file damaged behind the contract's back: a rating of 9 where 1 to 5 is allowed."""
    home = own_deployment.home
    published = home / "published" / "agentmart.duckdb"
    feedback = {
        "id": "rated-too-well",
        "event_type": "user_feedback",
        "agent_id": "agt-atlas",
        "publisher_id": "pub-kestrel",
        "tenant_id": "ten-aurora",
        "timestamp": "2026-03-02T06:04:00Z",
        "properties": {"rating": 5},
    }
    _land(home, "agent_events", "new", feedback)
    loaded = own_deployment("load", "--as-of", _LATER)
    assert loaded.exit_code == 0, loaded.stderr
    _rate_anew(home, 9)
    own_deployment.run_that_is_refused(says="failed", as_of=_LATER)

    sample = {"service": "gateway", "timestamp": "2026-03-02T06:05:00Z", "requests": 7}
    _land(home, "health_samples", "new", sample)
    assert _run("health_five_minute_job", home)["failures"] == []
    seen = (
        "select (select count(*) from core.fct_health_samples where sampled_at = '2026-03-02 06:05'),"
        " (select max(rating) from core.fct_feedback where event_id = 'rated-too-well'),"
        " (select count(*) from usage.usage_summary)"
    )
    with duckdb.connect(str(published), read_only=True) as mart:
        fresh, rating, windows = mart.execute(seen).fetchone() or ()
    assert (fresh, rating) == (1, None)
    assert windows

    _rate_anew(home, 5)
    finished = own_deployment("run", "--as-of", _LATER)
    assert finished.exit_code == 0, finished.stderr
    with duckdb.connect(str(published), read_only=True) as mart:
        assert mart.execute(seen).fetchone() == (1, 5, windows)


def _rate_anew(home: Path, rating: int) -> None:
    with duckdb.connect() as connection:
        for path in (home / "lake" / "raw" / "agent_events").rglob("*.parquet"):
            rows = f"read_parquet('{path}', hive_partitioning = false)"
            found = connection.execute(
                f"select count(*) from {rows} where id = 'rated-too-well'"
            ).fetchone()
            if found and found[0]:
                changed = path.with_suffix(".changed")
                connection.execute(
                    f"copy (select * replace ({rating}::bigint as rating) from {rows})"
                    f" to '{changed}' (format parquet)"
                )
                changed.replace(path)


def test_the_hourly_job_starts_a_deployment_that_has_run_nothing_yet(
    deployment: DeploymentUnderTest, tmp_path: Path
) -> None:
    """Insights are not selected, and readers get every table all the same."""
    home = tmp_path / "home"
    shutil.copytree(deployment.home / "landing", home / "landing")
    outcome = _run("usage_and_revenue_hourly_job", home)
    assert outcome["failures"] == []
    tables = "select schema || '.' || name from (show all tables) order by all"
    with (
        duckdb.connect(str(home / "published" / "agentmart.duckdb"), read_only=True) as mart,
        duckdb.connect(
            str(deployment.home / "published" / "agentmart.duckdb"), read_only=True
        ) as whole,
    ):
        assert mart.execute(tables).fetchall() == whole.execute(tables).fetchall()
        found = mart.execute("select count(*) from insights.insights").fetchone()
    assert found is not None
    assert found[0]
    finished = DeploymentUnderTest(home)("run", "--as-of", _LATER)
    assert (finished.exit_code, "nothing is new" in finished.stdout) == (0, True), finished.stderr
