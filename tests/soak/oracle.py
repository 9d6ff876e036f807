"""The long form of the recomputation: every question of every dataset and mart, asked of each landing.

Run by `make soak`; pytest does not collect it by itself.
"""

from __future__ import annotations

import pytest

from tests.golden.test_oracle import (
    home,
    landing,
    test_a_mart_that_no_export_holds_is_what_the_extracts_say,
    test_a_series_is_what_the_extracts_say,
    test_an_export_is_what_the_extracts_say,
)

__all__ = [
    "home",
    "landing",
    "test_a_mart_that_no_export_holds_is_what_the_extracts_say",
    "test_a_series_is_what_the_extracts_say",
    "test_an_export_is_what_the_extracts_say",
]


@pytest.fixture(scope="session")
def question_count() -> int:
    """More than there are."""
    return 1000
