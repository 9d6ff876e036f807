"""A build that may not be published says why in one line, and what to do where somebody can."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from orchestration.settings import Settings
from orchestration.state.store import Audit
from orchestration.warehouse.build import failure_of


def _audit(name: str, status: str, message: str | None = None) -> Audit:
    return Audit(check_name=name, model_name=None, status=status, failures=None, message=message)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path, memory_gb=3)


def test_passed_and_warning_audits_are_no_failure(settings: Settings) -> None:
    assert failure_of([_audit("a", "pass"), _audit("b", "warn", "12 rows")], settings) is None


def test_refused_audits_are_counted_and_named(settings: Settings) -> None:
    audits = [_audit("a", "fail"), _audit("b", "pass"), _audit("c", "error", "no such column")]
    found = failure_of(audits, settings)
    assert found == "2 models or tests failed (a, c); the published state stays as it is"


def test_a_query_that_needs_more_memory_names_the_model_and_the_setting(
    settings: Settings,
) -> None:
    with (
        duckdb.connect(config={"memory_limit": "10MB", "temp_directory": ""}) as connection,
        pytest.raises(duckdb.Error) as error,
    ):
        connection.execute(
            "create table wide as select range, md5(range::text) from range(2000000)"
        )
    found = failure_of(
        [_audit("usage_summary", "error", f"Runtime Error\n  {error.value}")], settings
    )
    assert found is not None
    assert found.startswith("Building stopped at usage_summary: it takes more than the 3 GB")
    assert "AGENTMART_MEMORY_GB" in found
    assert len(found.splitlines()) == 1
