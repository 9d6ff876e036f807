"""A deployment that has run once on generated extracts, shared by the tests that only read it."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.command_line import Finished, agentmart

AS_OF = "2026-03-02T06:00:00Z"


@dataclass(frozen=True)
class DeploymentUnderTest:
    """A state folder and the command line on it."""

    home: Path

    def __call__(self, *arguments: str, **environ: str) -> Finished:
        return agentmart(*arguments, home=self.home, environ=environ)

    def copy_to(self, home: Path) -> DeploymentUnderTest:
        shutil.copytree(self.home, home, symlinks=True)
        return DeploymentUnderTest(home)


@pytest.fixture(scope="session")
def first_run(tmp_path_factory: pytest.TempPathFactory) -> tuple[DeploymentUnderTest, Finished]:
    """Forty days of 6,000 generated events, loaded, built and published once."""
    deployment = DeploymentUnderTest(tmp_path_factory.mktemp("deployment") / "home")
    made = deployment(
        "generate",
        "--out",
        str(deployment.home / "landing"),
        "--events",
        "6000",
        "--days",
        "40",
        "--until",
        AS_OF,
    )
    assert made.exit_code == 0, made.stderr
    finished = deployment("run", "--as-of", AS_OF)
    assert finished.exit_code == 0, finished.stdout + finished.stderr
    return deployment, finished


@pytest.fixture(scope="session")
def deployment(first_run: tuple[DeploymentUnderTest, Finished]) -> DeploymentUnderTest:
    return first_run[0]


@pytest.fixture
def own_deployment(deployment: DeploymentUnderTest, tmp_path: Path) -> DeploymentUnderTest:
    """A copy that the test may change."""
    return deployment.copy_to(tmp_path / "home")
