"""The long form of the recomputation: each landing, that of the autumn too, is asked every question of every
dataset and mart.

Run by `make soak`; pytest does not collect it by itself.
"""

from __future__ import annotations

import pytest

from tests.golden.test_oracle import (
    LANDINGS,
    MORE_LANDINGS,
    Landing,
    home,
    test_a_mart_that_no_export_holds_is_what_the_extracts_say,
    test_a_series_is_what_the_extracts_say,
    test_an_export_is_what_the_extracts_say,
)

__all__ = [
    "home",
    "test_a_mart_that_no_export_holds_is_what_the_extracts_say",
    "test_a_series_is_what_the_extracts_say",
    "test_an_export_is_what_the_extracts_say",
]


@pytest.fixture(
    scope="module",
    params=[*LANDINGS.values(), *MORE_LANDINGS.values()],
    ids=[*LANDINGS, *MORE_LANDINGS],
)
def landing(request: pytest.FixtureRequest) -> Landing:
    assert isinstance(request.param, Landing)
    return request.param


@pytest.fixture(scope="session")
def question_count() -> int:
    """More than there are."""
    return 1000
