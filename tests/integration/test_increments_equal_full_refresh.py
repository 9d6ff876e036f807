"""Any split, order, duplication or delay of the same extracts gives the tables of one full refresh.

Belongs here: random deliveries, from the landing folder to facts and marts. Does not belong here:
what each closure of pending dates is for, on fixed rows (test_facts_incremental.py), and the long
form (tests/soak/increments.py).
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings

from orchestration.settings import Settings
from orchestration.warehouse.manifest import read_manifest
from tests.support.builds import RecordedBuilds, digests, tables_above_staging
from tests.support.deliveries import Scenario, scenarios
from tests.support.increments import (
    assert_arrival_does_not_matter,
    assert_increments_equal_full_refresh,
    replay,
)
from tests.support.recordings import recorded_builds

_QUICK = settings(
    max_examples=2,
    derandomize=True,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture(scope="module")
def recording() -> tuple[Settings, RecordedBuilds]:
    return recorded_builds()


def test_a_replayed_build_makes_what_dbt_made(
    recording: tuple[Settings, RecordedBuilds], tmp_path: Path
) -> None:
    home, builds = recording
    replayed = replay(builds, tmp_path)
    with duckdb.connect(str(home.warehouse_file), read_only=True) as made:
        tables = tables_above_staging(made)
        assert len(tables) > 60
        assert tables_above_staging(replayed.connection) == tables
        assert digests(replayed.connection, tables) == digests(made, tables)
    replayed.close()


def test_nothing_above_core_outlives_a_build() -> None:
    """What lets the properties below build marts only after the last delivery."""
    nodes = [
        node
        for node in read_manifest()["nodes"].values()
        if node["resource_type"] == "model"
        and node["config"]["materialized"] == "incremental"
        and node["schema"] not in ("staging", "intermediate", "core")
    ]
    assert nodes == []


@_QUICK
@given(scenario=scenarios())
def test_increments_make_the_tables_of_one_full_refresh(
    recording: tuple[Settings, RecordedBuilds], scenario: Scenario
) -> None:
    with tempfile.TemporaryDirectory() as home:
        assert_increments_equal_full_refresh(recording[1], scenario, Path(home))


@_QUICK
@given(scenario=scenarios())
def test_split_order_and_copies_of_rows_do_not_matter(
    recording: tuple[Settings, RecordedBuilds], scenario: Scenario
) -> None:
    with tempfile.TemporaryDirectory() as home:
        assert_arrival_does_not_matter(recording[1], scenario, Path(home))
