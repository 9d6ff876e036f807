"""A load that is killed at any moment, and started again, makes the lake of one that was not.

Belongs here: the loader alone, a few trials. Does not belong here: builds and publications that
are killed (tests/soak/killed_builds.py), and the long form (tests/soak/kills.py).
"""

from __future__ import annotations

import random
import shutil
import time
from pathlib import Path

import pytest

from orchestration.ingest.lake import staging_folder
from orchestration.settings import Settings
from tests.support.kills import (
    lake_content,
    load_twice,
    load_with_kills,
    staged_content,
    write_landing,
)

TRIALS = 5


def test_a_lake_is_the_same_however_often_its_loads_were_killed(tmp_path: Path) -> None:
    whole = Settings(home=tmp_path / "whole", threads=2)
    write_landing(whole)
    started = time.perf_counter()
    load_twice(whole)
    seconds = time.perf_counter() - started
    expected = lake_content(whole.lake)
    assert len(expected) > 50
    chance = random.Random("kill loads")
    killed = 0
    for number in range(TRIALS):
        settings = Settings(home=tmp_path / f"killed-{number}", threads=2)
        write_landing(settings)
        killed += load_with_kills(settings, chance=chance, seconds=seconds).killed
        assert lake_content(settings.lake) == expected
        assert staged_content(settings.lake) == []
    assert killed >= TRIALS / 2


def test_staging_whose_removal_was_killed_is_removed_by_the_next_load(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def kill_after_one_file(folder: Path, *, ignore_errors: bool) -> None:
        # A folder is emptied in any order.
        min(path for path in folder.iterdir() if path.is_file()).unlink()
        raise KeyboardInterrupt

    def load_and_be_killed() -> None:
        with staging_folder(tmp_path) as staging:
            (staging / "worker-0").mkdir()
            for number in range(2):
                (staging / "worker-0" / f"{number}.parquet").write_bytes(b"large")
            patch.setattr(shutil, "rmtree", kill_after_one_file)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        load_and_be_killed()
    assert "1.parquet" in staged_content(tmp_path)
    with staging_folder(tmp_path):
        pass
    assert staged_content(tmp_path) == []
