"""The generic test `keeps_rules` on rows that keep every rule, and on rows that break each of them.

Belongs here: what it finds and how a failure is worded. Does not belong here: the rules of our models.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from dbt.adapters.duckdb.connections import DuckDBConnectionManager
from dbt.cli.main import dbtRunner

from orchestration.settings import DBT_PROJECT_DIR, Settings
from orchestration.warehouse.broken_rules import name_broken_rules

_AGENTS = "agent_key\na1\na2\n"
_GOOD = """
call_key,part,origin,score,started,ended,agent_key
c1,1,call,0,1,2,a1
c1,2,task,1,1,1,a2
c2,,call,,1,,
exempt,1,call,0,1,2,a9
"""
# Each row but the first breaks the rule it is named after; the last breaks two at once.
_BAD = """
call_key,part,origin,score,started,ended,agent_key
fine,1,call,0,1,2,a1
repeated,1,call,0,1,2,a1
repeated,1,call,0,1,2,a1
,1,call,0,1,2,a1
startless,1,call,0,,2,a1
origin,1,other,0,1,2,a1
low,1,call,-1,1,2,a1
high,1,call,2,1,2,a1
late,1,call,0,3,2,a1
stranger,1,call,0,1,2,a9
two,1,other,0,3,2,a1
"""
_RULES: Mapping[str, Any] = {
    "key": ["call_key", "part"],
    "nullable_key_columns": ["part"],
    "not_null": ["started"],
    "accepted_values": {"origin": ["call", "task"]},
    "ranges": [{"columns": ["score"], "min": 0, "max": 1}],
    "expressions": {"a call ends after it starts": "ended >= started"},
    "references": {"agent_key": {"to": "ref('agents')", "where": "call_key <> 'exempt'"}},
}


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Mapping[str, Any]]:
    """The results of the tests by name, worded as a run words them."""
    project = tmp_path_factory.mktemp("project")
    for folder in ("data_tests/generic", "macros/project", "macros/cross_db"):
        shutil.copytree(DBT_PROJECT_DIR / folder, project / folder)
    (project / "macros/project/create_raw_views.sql").unlink()
    (project / "macros/project/generate_schema_name.sql").unlink()
    (project / "seeds").mkdir()
    seeds = {"agents": _AGENTS, "good_calls": _GOOD, "bad_calls": _BAD}
    for name, rows in seeds.items():
        (project / "seeds" / f"{name}.csv").write_text(rows.lstrip(), encoding="utf-8")
    described = [_seed(name, _RULES) for name in ("good_calls", "bad_calls")]
    _write(project / "seeds/_seeds.yml", {"version": 2, "seeds": described})
    _write(
        project / "dbt_project.yml",
        {
            "name": "rules",
            "profile": "rules",
            "config-version": 2,
            "test-paths": ["data_tests"],
            "flags": {
                "send_anonymous_usage_stats": False,
                "require_generic_test_arguments_property": True,
            },
        },
    )
    settings = Settings(home=project)
    settings.warehouse.mkdir()
    target = {"type": "duckdb", "path": str(settings.warehouse_file), "threads": 1}
    _write(project / "profiles.yml", {"rules": {"target": "duckdb", "outputs": {"duckdb": target}}})
    arguments = ["--project-dir", str(project), "--profiles-dir", str(project)]
    outcome = dbtRunner().invoke(
        ["build", *arguments, "--log-level", "none", "--log-path", str(project / "logs")]
    )
    DuckDBConnectionManager.close_all_connections()  # type: ignore[no-untyped-call]
    assert outcome.exception is None
    raw = json.loads((project / "target/run_results.json").read_text(encoding="utf-8"))
    return {
        result["unique_id"].split(".")[2]: result
        for result in name_broken_rules(raw, settings)["results"]
    }


def _seed(name: str, rules: Mapping[str, Any]) -> dict[str, Any]:
    test = {"name": f"{name}_keeps_its_rules", "arguments": dict(rules)}
    return {
        "name": name,
        "config": {"column_types": {"call_key": "varchar", "part": "integer"}},
        "data_tests": [{"keeps_rules": test}],
    }


def _write(path: Path, content: Mapping[str, Any]) -> None:
    path.write_text(yaml.safe_dump(dict(content)), encoding="utf-8")


def test_rows_that_keep_every_rule_pass_and_unknown_values_break_none(
    results: Mapping[str, Mapping[str, Any]],
) -> None:
    result = results["good_calls_keeps_its_rules"]
    assert (result["status"], result["failures"]) == ("pass", 0)


@pytest.mark.parametrize(
    ("rules", "rows", "example"),
    [
        ("call_key, part unique", 2, "repeated / 1"),
        ("call_key not null", 1, "NULL / 1"),
        ("started is not null", 1, "startless / 1"),
        ("origin is one of its accepted values", 1, "origin / 1"),
        ("score is at least 0", 1, "low / 1"),
        ("score is at most 1", 1, "high / 1"),
        ("a call ends after it starts", 1, "late / 1"),
        ("agent_key is in agents", 1, "stranger / 1"),
        ("origin is one of its accepted values; a call ends after it starts", 1, "two / 1"),
    ],
)
def test_each_broken_rule_is_named_with_its_rows_and_one_key(
    results: Mapping[str, Mapping[str, Any]], rules: str, rows: int, example: str
) -> None:
    message = results["bad_calls_keeps_its_rules"]["message"]
    assert f"not kept: {rules} ({rows} rows, such as {example})" in message


def test_the_failures_of_a_test_are_its_rows(results: Mapping[str, Mapping[str, Any]]) -> None:
    result = results["bad_calls_keeps_its_rules"]
    assert (result["status"], result["failures"]) == ("fail", 10)
