"""The long form of the kill tests: 200 moments of loads, 20 of whole runs.

Run by `make soak`; pytest does not collect it by itself.
"""

from __future__ import annotations

import random
import shutil
import time
from collections.abc import Callable
from pathlib import Path

from orchestration.settings import Settings
from tests.support.command_line import agentmart
from tests.support.kills import (
    SECOND_LOAD,
    kill_run,
    lake_content,
    load_twice,
    load_with_kills,
    published_tables,
    staged_content,
    write_landing,
)

LOADS = 200
RUNS = 20


def test_200_loads_that_are_killed_make_the_lake_of_one_that_is_not(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    whole = Settings(home=tmp_path / "whole", threads=2)
    write_landing(whole)
    started = time.perf_counter()
    load_twice(whole)
    seconds = time.perf_counter() - started
    expected = lake_content(whole.lake)
    chance = random.Random("kill loads for long")
    moments = 0
    trials = 0
    while moments < LOADS:
        trials += 1
        settings = Settings(home=tmp_path / "killed", threads=2)
        write_landing(settings)
        moments += load_with_kills(settings, chance=chance, seconds=seconds).killed
        assert lake_content(settings.lake) == expected
        assert staged_content(settings.lake) == []
        shutil.rmtree(settings.home)
    record_property("trials", trials)
    record_property("kills", moments)


def test_20_runs_that_are_killed_publish_what_one_that_is_not_does(tmp_path: Path) -> None:
    base, whole = tmp_path / "base", tmp_path / "whole"
    arguments = ("--as-of", SECOND_LOAD.isoformat())
    landing = str(base / "landing")
    made = agentmart(
        "generate", "--out", landing, "--events", "600", "--days", "10",
        "--until", SECOND_LOAD.isoformat(), home=base,
    )  # fmt: skip
    assert made.exit_code == 0, made.stderr
    first = agentmart("run", *arguments, home=base)
    assert first.exit_code == 0, first.stderr
    before = published_tables(base)
    write_landing(Settings(home=base))
    shutil.copytree(base, whole, symlinks=True)
    started = time.monotonic()
    assert agentmart("run", *arguments, home=whole).exit_code == 0
    seconds = time.monotonic() - started
    expected, lake = published_tables(whole), lake_content(whole / "lake")
    chance = random.Random("kill runs for long")
    killed = 0
    while killed < RUNS:
        home = tmp_path / "killed"
        shutil.copytree(base, home, symlinks=True)
        moment = chance.uniform(0, seconds)
        if kill_run(home, *arguments, when=lambda now, until=moment: now >= until):  # type: ignore[misc]
            killed += 1
            assert published_tables(home) in (before, expected), f"killed after {moment:.2f} s"
        finished = agentmart("run", *arguments, home=home)
        assert finished.exit_code == 0, f"killed after {moment:.2f} s: {finished.stderr}"
        assert published_tables(home) == expected, f"killed after {moment:.2f} s"
        assert lake_content(home / "lake") == lake, f"killed after {moment:.2f} s"
        shutil.rmtree(home)
