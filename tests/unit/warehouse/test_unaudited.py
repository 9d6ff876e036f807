"""Which models no audit has passed follows from how builds ended."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestration.settings import Settings
from orchestration.warehouse.unaudited import (
    Unaudited,
    note_models_begun,
    note_models_passed,
    note_models_refused,
    note_passed_published,
    read_unaudited,
)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    settings = Settings(home=tmp_path)
    settings.run_inputs.mkdir(parents=True)
    return settings


def _begin(settings: Settings, *models: str, is_full_refresh: bool = False) -> None:
    note_models_begun(settings, models, is_full_refresh=is_full_refresh)


def test_a_build_that_passes_leaves_nothing_behind(settings: Settings) -> None:
    assert read_unaudited(settings) == Unaudited()
    _begin(settings, "facts", "marts")
    assert read_unaudited(settings).models == {"facts", "marts"}
    note_models_passed(settings)
    assert read_unaudited(settings) == Unaudited(passed=frozenset({"facts", "marts"}))
    note_passed_published(settings)
    assert read_unaudited(settings) == Unaudited()


@pytest.mark.parametrize("is_killed", [True, False])
def test_what_a_build_left_stays_until_a_build_makes_it_again(
    settings: Settings, is_killed: bool
) -> None:
    _begin(settings, "facts", "marts", "health")
    if not is_killed:
        note_models_refused(settings)
    _begin(settings, "health")
    note_models_passed(settings)
    left = Unaudited(refused=frozenset({"facts", "marts"}), passed=frozenset({"health"}))
    assert read_unaudited(settings) == left
    note_passed_published(settings)
    _begin(settings, "facts")
    note_models_passed(settings)
    assert read_unaudited(settings).models == {"marts"}


def test_a_full_refresh_forgets_models_that_the_code_has_no_more(settings: Settings) -> None:
    _begin(settings, "renamed since")
    _begin(settings, "facts", is_full_refresh=True)
    note_models_passed(settings)
    assert not read_unaudited(settings).models


def test_a_publication_that_failed_after_a_build_that_passed_hands_nothing_on(
    settings: Settings,
) -> None:
    """What was made of it since may not have passed, so it is published with what is made next."""
    _begin(settings, "marts")
    note_models_passed(settings)
    _begin(settings, "health")
    note_models_passed(settings)
    assert read_unaudited(settings) == Unaudited(passed=frozenset({"health"}))
