"""The command line answers with one line and an exit code."""

import subprocess
import sys
from pathlib import Path

import pytest

from orchestration.cli.main import COMMANDS, main


def _exit_code(arguments: list[str]) -> object:
    with pytest.raises(SystemExit) as leave:
        main(arguments)
    return leave.value.code


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert _exit_code(["--help"]) == 0
    printed = capsys.readouterr().out
    assert all(f"  {name} " in printed for name in COMMANDS)


@pytest.mark.parametrize("name", list(COMMANDS))
def test_every_command_has_help_with_an_example(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _exit_code([name, "--help"]) == 0
    assert f"agentmart {name}" in capsys.readouterr().out.partition("Example:")[2]


def test_an_unknown_command_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert _exit_code(["rnu"]) == 2
    assert "rnu" in capsys.readouterr().err


def test_a_missing_landing_folder_is_named_in_one_line(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    missing = tmp_path / "nowhere"
    assert _exit_code(["run", "--landing", str(missing)]) == 2
    error = capsys.readouterr().err
    assert str(missing) in error
    assert len(error.strip().splitlines()) == 1


def test_help_imports_neither_dagster_nor_dbt_nor_duckdb() -> None:
    code = (
        "import sys; from orchestration.cli.main import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "assert not {'dagster', 'dbt', 'duckdb', 'pandas', 'jinja2'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
