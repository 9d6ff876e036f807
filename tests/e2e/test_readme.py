"""Every command of the README works as it stands there."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import pytest

from orchestration.settings import PROJECT_ROOT, Settings
from tests.e2e.conftest import AS_OF, DeploymentUnderTest
from tests.support.published_home import publish_landing

_README = (PROJECT_ROOT / "README.md").read_text(encoding="utf-8")
_BLOCKS = re.findall(r"```sh\n(.*?)```", _README, flags=re.DOTALL)
_COMMANDS = [line for block in _BLOCKS for line in block.splitlines() if line.strip()]
# Each of these is run by what it starts: `make` by the tests themselves, the others by tests beside this.
_RUN_ELSEWHERE = ("make ", "agentmart run", "agentmart quarantine replay", "mkdir ", "cp ")


@pytest.mark.parametrize(
    "command", [one for one in _COMMANDS if not one.startswith(_RUN_ELSEWHERE)]
)
def test_a_command_of_the_readme_works(
    command: str, deployment: DeploymentUnderTest, tmp_path: Path
) -> None:
    tools = Path(sys.executable).parent
    script = tmp_path / "agentmart"
    script.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m orchestration.cli.main "$@"\n')
    script.chmod(0o755)
    (tmp_path / "data").symlink_to(deployment.home)
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=tmp_path,
        env={"PATH": f"{tmp_path}:{tools}:/usr/bin:/bin", "PYTHONPATH": str(PROJECT_ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() or done.stderr.strip()


def test_the_example_of_an_own_extract_loads_as_the_readme_says(
    deployment: DeploymentUnderTest, tmp_path: Path
) -> None:
    own = deployment.copy_to(tmp_path / "home")
    sample = PROJECT_ROOT / "seeds" / "sample" / "aider"
    (own.home / "config").mkdir(exist_ok=True)
    (own.home / "landing" / "aider").mkdir()
    shutil.copy(sample / "sources.yml", own.home / "config")
    shutil.copy(sample / "analytics.jsonl", own.home / "landing" / "aider")
    # The run itself is in test_pipeline.py; here it is what the file comes to.
    settings = Settings(home=own.home, threads=2)
    settings.warehouse_file.unlink()
    publish_landing(settings, as_of=datetime.fromisoformat(AS_OF))
    answer = own(
        "sql", "select distinct source_name from core.fct_invocations order by 1", "--format", "csv"
    )
    assert answer.stdout.splitlines() == ["source_name", "aider", "native"]


def test_the_readme_shows_the_declaration_that_the_sample_ships() -> None:
    shown = re.search(r"```yaml\n(.*?)```", _README, flags=re.DOTALL)
    assert shown is not None
    assert shown.group(1) == (
        PROJECT_ROOT / "seeds" / "sample" / "aider" / "sources.yml"
    ).read_text(encoding="utf-8")


def test_the_readme_names_every_folder_of_the_house() -> None:
    tree = _README.partition("## Where things live")[2]
    for folder in sorted((PROJECT_ROOT / "orchestration").iterdir()):
        if folder.is_dir() and folder.name != "__pycache__":
            assert f"  {folder.name}/" in tree, folder.name
