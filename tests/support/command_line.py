"""The `agentmart` command as a person runs it: its own process, an environment of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from orchestration.settings import PROJECT_ROOT


@dataclass(frozen=True)
class Finished:
    """What a command left behind."""

    exit_code: int
    stdout: str
    stderr: str


def agentmart(*arguments: str, home: Path, environ: Mapping[str, str] | None = None) -> Finished:
    """Run one command on the deployment in ``home``; nothing of the developer's settings gets in."""
    done = subprocess.run(
        [sys.executable, "-m", "orchestration.cli.main", *arguments],
        env={**command_environment(home), **(environ or {})},
        cwd=PROJECT_ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    return Finished(done.returncode, done.stdout, done.stderr)


def command_environment(home: Path) -> dict[str, str]:
    """The environment of a command on the deployment in ``home``."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "PYTHONPATH": str(PROJECT_ROOT),
        "AGENTMART_HOME": str(home),
        "AGENTMART_THREADS": "2",
    }
