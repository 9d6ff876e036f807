"""The long form of the properties of increments: 500 random scenarios of each.

Run by `make soak`; pytest does not collect it by itself.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from tests.support.builds import RecordedBuilds
from tests.support.deliveries import Scenario, scenarios
from tests.support.increments import (
    assert_arrival_does_not_matter,
    assert_increments_equal_full_refresh,
)
from tests.support.recordings import recorded_builds

# Some five groups of rows each, which do not touch one another.
_LONG = settings(
    max_examples=500,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    print_blob=True,
)


@pytest.fixture(scope="module")
def builds() -> RecordedBuilds:
    return recorded_builds()[1]


@_LONG
@given(scenario=scenarios())
def test_increments_make_the_tables_of_one_full_refresh(
    builds: RecordedBuilds, scenario: Scenario
) -> None:
    with tempfile.TemporaryDirectory() as home:
        assert_increments_equal_full_refresh(builds, scenario, Path(home))


@_LONG
@given(scenario=scenarios())
def test_split_order_and_copies_of_rows_do_not_matter(
    builds: RecordedBuilds, scenario: Scenario
) -> None:
    with tempfile.TemporaryDirectory() as home:
        assert_arrival_does_not_matter(builds, scenario, Path(home))
