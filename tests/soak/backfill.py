"""A backfill of event days as somebody asks for it in Dagster's page: its server, its daemon, one run.

Run by `make soak`; pytest does not collect it by itself.
"""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from tests.support.command_line import agentmart
from tests.support.damage import damage_days
from tests.support.kills import published_tables
from tests.support.web_page import served_ui

_AS_OF = "2026-03-02T06:00:00Z"
_DAYS = ("2026-02-24", "2026-02-25", "2026-02-26")
_MOST_SECONDS = 1800
# What was damaged and what is made of it, but for what looks from the time of the run.
_MADE_OF_DAYS = (
    "core.fct_invocations",
    "core.fct_llm_calls",
    "core.fct_tasks",
    "usage.platform_days",
    "usage.tenant_days",
)

_LAUNCH = """
mutation($asked: LaunchBackfillParams!) {
  launchPartitionBackfill(backfillParams: $asked) {
    ... on LaunchBackfillSuccess { backfillId }
    ... on PythonError { message }
  }
}
"""
_STATE = """
query($id: String!) {
  partitionBackfillOrError(backfillId: $id) {
    ... on PartitionBackfill { status runs(limit: 10) { status } }
  }
}
"""


def _ask(address: str, query: str, variables: dict[str, Any]) -> Any:
    """The answer of the page, which may be busy."""
    body = json.dumps({"query": query, "variables": variables}).encode()
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(f"{address}/graphql", data=body, headers=headers)
    until = time.monotonic() + _MOST_SECONDS
    while True:
        try:
            with urllib.request.urlopen(request, timeout=60) as response:
                return json.loads(response.read())["data"]
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            assert time.monotonic() < until
            time.sleep(2)


def test_a_backfill_of_three_damaged_days_is_one_run_and_publishes_what_was_there_before(
    tmp_path: Path,
) -> None:
    landing = str(tmp_path / "landing")
    made = agentmart(
        "generate", "--out", landing, "--events", "600", "--days", "10", "--until", _AS_OF,
        home=tmp_path,
    )  # fmt: skip
    assert made.exit_code == 0, made.stderr
    first = agentmart("run", home=tmp_path)
    assert first.exit_code == 0, first.stderr
    before = published_tables(tmp_path)
    damage_days(tmp_path, first=_DAYS[0], end="2026-02-27")

    log = tmp_path.with_name(f"{tmp_path.name}.log")
    with served_ui(tmp_path, log=log, most_seconds=_MOST_SECONDS) as address:
        asked = {"assetSelection": [{"path": ["core", "event_days"]}], "partitionNames": _DAYS}
        launched = _ask(address, _LAUNCH, {"asked": asked})["launchPartitionBackfill"]
        until = time.monotonic() + _MOST_SECONDS
        while True:
            state = _ask(address, _STATE, {"id": launched["backfillId"]})[
                "partitionBackfillOrError"
            ]
            if state["status"] not in ("REQUESTED", "CANCELING"):
                break
            assert time.monotonic() < until, state
            time.sleep(2)

    assert state["runs"] == [{"status": "SUCCESS"}]
    after = published_tables(tmp_path)
    assert {table: after[table] for table in _MADE_OF_DAYS} == {
        table: before[table] for table in _MADE_OF_DAYS
    }
