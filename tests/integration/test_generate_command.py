"""`agentmart generate`: its options, and what it says when one is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from orchestration.cli.generate import generate
from orchestration.errors import UserError

_SMALL = ["--events", "50", "--days", "1"]


def test_results_go_to_the_folder_and_the_message_to_stderr(tmp_path: Path) -> None:
    out = tmp_path / "landing"
    finished = CliRunner().invoke(generate, ["--out", str(out), *_SMALL])
    assert finished.exit_code == 0
    assert finished.stdout == ""
    assert str(out) in finished.stderr
    assert (out / "_README.txt").exists()


def test_a_time_without_zone_is_utc(tmp_path: Path) -> None:
    out = tmp_path / "landing"
    CliRunner().invoke(generate, ["--out", str(out), *_SMALL, "--until", "2026-01-10T12:00:00"])
    days = sorted(path.name for path in (out / "agent_events").iterdir())
    assert days == ["dt=2026-01-09", "dt=2026-01-10"]


def test_a_time_that_is_none_is_named_with_an_example(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"--until is 'soon'.*2026-03-02T06:00:00Z"):
        CliRunner().invoke(
            generate,
            ["--out", str(tmp_path / "landing"), "--until", "soon"],
            catch_exceptions=False,
        )


def test_help_ends_with_an_example() -> None:
    finished = CliRunner().invoke(generate, ["--help"])
    assert "Example: agentmart generate --out" in finished.stdout
