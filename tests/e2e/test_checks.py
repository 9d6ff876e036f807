"""The checks of a build, each broken on purpose, and what readers learn of them.

Belongs here: freshness, volume, quarantine rate and marts that add up. Does not belong here: conservation of
rows (tests/integration/test_conservation.py), and how a bound is computed (the model's unit test).
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import duckdb
import pytest

from orchestration.settings import Settings
from orchestration.warehouse.broken_rules import name_broken_rules
from orchestration.warehouse.manifest import read_run_results
from orchestration.warehouse.publishing import open_published
from tests.e2e.conftest import DeploymentUnderTest

_MEASURED = "fct_measured_checks"


class Candidate:
    """A copy of the candidate that a test may break, and the SQL that dbt compiled for its checks.

    dbt takes 5 s to run a test, the engine a hundredth of one, so the SQL is sent without dbt.
    """

    def __init__(self, settings: Settings, results: Mapping[str, Any]) -> None:
        self._settings = settings
        self._results = {one["unique_id"].split(".")[2]: one for one in results["results"]}

    def change(self, *statements: str) -> None:
        with duckdb.connect(str(self._settings.warehouse_file)) as connection:
            connection.execute("set TimeZone = 'UTC'")
            for statement in statements:
                connection.execute(statement)

    def measure(self, *statements: str) -> None:
        """Change what the checks measure, and measure it again."""
        model = self._results[_MEASURED]
        self.change(
            *statements,
            f"create or replace table {model['relation_name']} as {model['compiled_code']}",
        )

    def complaint(self, check: str) -> str | None:
        """What a run would say of a check; None when it passes."""
        result = self._results[check]
        with duckdb.connect(str(self._settings.warehouse_file), read_only=True) as connection:
            connection.execute("set TimeZone = 'UTC'")
            rows = connection.execute(result["compiled_code"]).fetchall()
        if not rows:
            return None
        worded = name_broken_rules({"results": [{**result, "status": "fail"}]}, self._settings)
        return str(worded["results"][0]["message"])


@pytest.fixture
def candidate(deployment: DeploymentUnderTest, tmp_path: Path) -> Candidate:
    built = Settings(home=deployment.home)
    own = Settings(home=tmp_path / "home")
    own.warehouse.mkdir(parents=True)
    shutil.copy2(built.warehouse_file, own.warehouse_file)
    return Candidate(own, read_run_results(built.dbt_target))


def test_an_extract_that_did_not_come_makes_its_marts_late(candidate: Candidate) -> None:
    assert candidate.complaint("marts_are_fresh") is None
    candidate.measure(
        "create table late_loads as from staging.stg_loads",
        "update late_loads set max_event_at = timestamp '2026-03-01 06:00:00'"
        " where stream_name in ('health_samples', 'incidents')",
        "create or replace view staging.stg_loads as from late_loads",
    )
    assert candidate.complaint("marts_are_fresh") == (
        "not kept: operations has 24.000, not at most 0.500 h (1 rows, such as operations)"
    )


@pytest.mark.parametrize(
    ("change", "rows"),
    [
        ("delete from intermediate.int_rows_counted where {day}", "0"),
        (
            "update intermediate.int_rows_counted set staged_rows = 100 * staged_rows where {day}",
            "",
        ),
    ],
)
def test_a_day_with_far_too_few_or_too_many_rows_is_told_of(
    candidate: Candidate, change: str, rows: str
) -> None:
    assert candidate.complaint("days_hold_their_usual_rows") is None
    day = "stream_name = 'instance_samples' and event_date = date '2026-03-01'"
    candidate.measure(change.format(day=day))
    complaint = candidate.complaint("days_hold_their_usual_rows")
    assert complaint is not None
    assert complaint.startswith(f"not kept: instance_samples has {rows}")
    assert " on 2026-03-01, not " in complaint
    assert complaint.endswith(" rows (1 rows, such as native.instance_samples)")
    # A warning: nothing says that the day has to stop a publication.
    assert candidate.complaint("days_hold_enough_rows_to_publish") is None


@pytest.mark.parametrize(
    ("share", "warns", "stops"),
    [(0.04, False, False), (0.2, True, False), (0.6, True, True)],
)
def test_refused_rows_are_told_of_and_most_of_them_stop_the_publication(
    candidate: Candidate, share: float, warns: bool, stops: bool
) -> None:
    candidate.measure(
        "create table refused_loads as from staging.stg_loads",
        "delete from refused_loads where stream_name = 'llm_calls'",
        "insert into refused_loads by name (select * replace ("
        f" 2000 as rows_landed, 2000 * {share} / (1 - {share}) as rows_quarantined,"
        " 'llm_calls' as stream_name) from staging.stg_loads limit 1)",
        "create or replace view staging.stg_loads as from refused_loads",
    )
    warning = candidate.complaint("few_rows_are_refused")
    failure = candidate.complaint("most_rows_keep_the_contract")
    assert (warning is not None, failure is not None) == (warns, stops)
    if stops:
        assert failure is not None
        assert "llm_calls has 0.600, not at most 0.500 fraction" in failure


@pytest.mark.parametrize(
    ("check", "change", "complaint"),
    [
        (
            "usage_marts_add_up_to_their_facts",
            "update usage.usage_by_model set cost_usd = cost_usd + 0.000001"
            " where scope_kind = 'tenant' and window_kind = '30d' and cost_usd > 0",
            "usage_by_model adds up to fct_llm_calls: cost_usd",
        ),
        (
            "usage_marts_add_up_to_their_facts",
            "insert into usage.usage_daily from usage.usage_daily",
            "usage_daily adds up to fct_invocations: agent_messages; completed_count",
        ),
        (
            "quality_marts_add_up_to_their_facts",
            "delete from quality.tool_usage where scope_kind = 'platform'",
            "tool_usage adds up to fct_tool_calls: attempt_count; ",
        ),
        (
            "revenue_marts_add_up_to_their_facts",
            "update revenue.revenue_daily set net_usd = -net_usd",
            "revenue_daily adds up to fct_charges: net_usd",
        ),
        (
            "compliance_marts_add_up_to_their_facts",
            "update compliance.compliance_by_agent_type set pii_redactions = 0",
            "compliance_by_agent_type adds up to fct_audits: pii_redactions",
        ),
        (
            "feedback_marts_add_up_to_their_facts",
            "delete from feedback.feedback_by_load where feedback_count = ("
            "select max(feedback_count) from feedback.feedback_by_load)",
            "feedback_by_load adds up to fct_feedback: feedback_count",
        ),
        (
            "operations_marts_add_up_to_their_facts",
            "delete from core.fct_health_samples where requests > 0 and event_date = date '2026-02-27'",
            "health_summary adds up to fct_health_samples: requests",
        ),
    ],
)
def test_a_mart_that_does_not_add_up_to_its_facts_is_found(
    candidate: Candidate, check: str, change: str, complaint: str
) -> None:
    assert candidate.complaint(check) is None
    candidate.change(change)
    assert complaint in str(candidate.complaint(check))


def test_readers_find_every_check_with_its_value_and_bound(deployment: DeploymentUnderTest) -> None:
    results = read_run_results(Settings(home=deployment.home).dbt_target)["results"]
    tests = {one["unique_id"].split(".")[2] for one in results if "test." in one["unique_id"]}
    with open_published(Settings(home=deployment.home)) as connection:
        found = connection.execute(
            "select check_name, subject, run_id, severity, status, is_passed, value::double,"
            " lowest::double, highest::double, message from meta.audits"
        ).fetchall()
    measured = {"freshness", "volume", "quarantine_rate"}
    assert {row[0] for row in found} == tests | measured
    by_name = {row[:2]: row[2:] for row in found if row[3] == "warn" or row[0] not in measured}
    run, *rest = by_name["freshness", "operations"]
    assert run == 1
    # The last sample of health is five minutes before the run's time.
    assert rest == ["warn", "pass", True, pytest.approx(5 / 60, abs=1e-6), None, 0.5, "h"]
    assert by_name["few_rows_are_refused", _MEASURED][1:4] == ("warn", "pass", True)
    assert by_name["usage_marts_add_up_to_their_facts", None][1:] == (
        "error", "pass", True, 0, None, 0, None
    )  # fmt: skip
    day = by_name["volume", "native.health_samples"]
    assert day[1:3] == ("warn", "pass")
    assert (day[4], day[7]) == (576, "rows of 2026-03-01")
