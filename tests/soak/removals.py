"""The long form of the removals: erased and expired by the commands, killed at any moment, built anew.

Run by `make soak`; pytest does not collect it by itself.
"""

from __future__ import annotations

import json
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from orchestration.retention.removal import has_pending, read_log
from orchestration.settings import PROJECT_ROOT, Settings
from tests.support.command_line import agentmart, command_environment
from tests.support.kills import published_tables
from tests.support.removals import check_lake, places_of, published_rows

KILLS = 10
AS_OF = "2026-03-02T06:00:00Z"
TENANT = "ten-quiet"
_ERASE = ("erase", "--tenant", TENANT, "--apply")
_EXPIRE = ("retention", "--apply", "--as-of", AS_OF)
_DAYS = "select * exclude (has_frozen_part) from usage.platform_days order by event_date"


def _run(home: Path, *arguments: str) -> str:
    done = agentmart(*arguments, home=home)
    assert done.exit_code == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("removals") / "base"
    landing = str(home / "landing")
    _run(home, "generate", "--out", landing, "--events", "1500", "--days", "40", "--until", AS_OF)
    _run(home, "run", "--as-of", AS_OF)
    return home


def _killed(home: Path, *arguments: str, after: float) -> bool:
    """Start a command and kill it after so many seconds; False when it had ended by then."""
    with subprocess.Popen(
        [sys.executable, "-m", "orchestration.cli.main", *arguments],
        env=command_environment(home),
        cwd=PROJECT_ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            process.wait(after)
        except subprocess.TimeoutExpired:
            process.kill()
        exit_code = process.wait()
    assert exit_code in (0, -signal.SIGKILL)
    return exit_code != 0


@pytest.mark.parametrize("command", [_ERASE, _EXPIRE], ids=["erase", "retention"])
def test_a_removal_killed_at_any_moment_ends_as_one_that_is_not(
    command: tuple[str, ...],
    base: Path,
    tmp_path: Path,
    record_property: Callable[[str, object], None],
) -> None:
    whole, home = tmp_path / "whole", tmp_path / "killed"
    shutil.copytree(base, whole, symlinks=True)
    started = time.monotonic()
    _run(whole, *command)
    seconds = time.monotonic() - started
    expected = published_tables(whole)
    assert expected != published_tables(base)
    chance = random.Random("kill removals for long")
    killed = 0
    while killed < KILLS:
        shutil.copytree(base, home, symlinks=True)
        settings = Settings(home=home)
        killed += _killed(home, *command, after=chance.uniform(0, seconds))
        if has_pending(settings) or read_log(settings):
            _run(home, "run", "--as-of", AS_OF)
        else:
            _run(home, *command)
        assert published_tables(home) == expected
        assert len(read_log(settings)) == 1
        check_lake(settings)
        if command is _ERASE:
            assert places_of(home, TENANT) == []
        shutil.rmtree(home)
    record_property("kills", killed)


def test_increments_after_removals_make_the_tables_of_a_full_refresh(
    base: Path, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    shutil.copytree(base, home, symlinks=True)
    settings = Settings(home=home)
    days = published_rows(settings, _DAYS)
    _run(home, *_EXPIRE)
    assert published_rows(settings, _DAYS) == days
    _run(home, *_ERASE)
    assert places_of(home, TENANT) == []
    for path in sorted((base / "landing").rglob("*.ndjson")):
        if TENANT.encode() in path.read_bytes():
            again = home / "landing" / path.relative_to(base / "landing")
            again.with_name(f"again-{path.name}").write_bytes(b"\n" + path.read_bytes())
    late = {
        "llm_call_id": "late",
        "invocation_id": "late",
        "timestamp": "2026-02-20T12:00:00Z",
        "model": "gpt-4o",
    }
    (home / "landing" / "llm_calls" / "late.ndjson").write_text(json.dumps(late))
    _run(home, "run", "--as-of", AS_OF)
    assert places_of(home / "published", TENANT) == []
    increment = published_tables(home)
    (home / "warehouse" / "agentmart.duckdb").unlink()
    _run(home, "run", "--as-of", AS_OF)
    assert published_tables(home) == increment
