"""A run killed while it builds, and while it publishes: readers notice nothing, the next mends all.

Belongs here: `agentmart run` as a process. Does not belong here: loads that are killed
(tests/integration/test_ingest_killed.py), and random moments (tests/soak/kills.py).
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.e2e.conftest import AS_OF, DeploymentUnderTest
from tests.support.kills import kill_run, lake_content, published_tables


def _deliver_late(home: Path) -> None:
    calls = [
        {
            "llm_call_id": f"late-{number}",
            "invocation_id": f"late-{number}",
            "timestamp": f"2026-02-{number:02d}T12:00:00Z",
            "model": "gpt-4o",
            "input_tokens": 100,
        }
        for number in range(1, 20)
    ]
    lines = "".join(json.dumps(call) + "\n" for call in calls)
    (home / "landing" / "llm_calls" / "late.ndjson").write_text(lines)


@pytest.fixture(scope="module")
def expected(
    deployment: DeploymentUnderTest, tmp_path_factory: pytest.TempPathFactory
) -> DeploymentUnderTest:
    """A deployment whose run on the late rows nobody killed."""
    whole = deployment.copy_to(tmp_path_factory.mktemp("whole") / "home")
    _deliver_late(whole.home)
    finished = whole("run", "--as-of", AS_OF)
    assert finished.exit_code == 0, finished.stderr
    return whole


def test_runs_killed_in_the_build_and_in_publishing_leave_what_one_whole_run_makes(
    own_deployment: DeploymentUnderTest, expected: DeploymentUnderTest
) -> None:
    home = own_deployment.home
    before = published_tables(home)
    _deliver_late(home)
    write_ahead_log = home / "warehouse" / "agentmart.duckdb.wal"
    assert kill_run(home, "--as-of", AS_OF, when=lambda _: write_ahead_log.exists())
    assert published_tables(home) == before
    versions = home / "published" / "versions"
    assert kill_run(home, "--as-of", AS_OF, when=lambda _: any(versions.glob(".*.unfinished")))
    assert published_tables(home) == before
    finished = own_deployment("run", "--as-of", AS_OF)
    assert finished.exit_code == 0, finished.stderr
    assert published_tables(home) == published_tables(expected.home) != before
    assert lake_content(home / "lake") == lake_content(expected.home / "lake")
    assert list(versions.glob(".*")) == []
