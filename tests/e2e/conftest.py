"""A deployment that has run once on generated extracts, shared by the tests that only read it."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

import pytest

from orchestration.warehouse.lock import exclusive_lock
from tests.support.command_line import Finished, agentmart

AS_OF = "2026-03-02T06:00:00Z"


@dataclass(frozen=True)
class DeploymentUnderTest:
    """A state folder and the command line on it."""

    home: Path

    def __call__(self, *arguments: str, **environ: str) -> Finished:
        return agentmart(*arguments, home=self.home, environ=environ)

    def run_that_is_refused(self, *, says: str, as_of: str = AS_OF) -> Finished:
        """A run that a failed audit stops, saying so; the status after it. Readers keep what they have."""
        current = self.home / "published" / "current"
        before = current.readlink()
        finished = self("run", "--as-of", as_of)
        assert finished.exit_code == 1
        assert says in finished.stderr
        assert current.readlink() == before
        status = self("status")
        assert "FAILED, readers still see the publication above" in status.stdout
        return status

    def copy_to(self, home: Path) -> DeploymentUnderTest:
        shutil.copytree(self.home, home, symlinks=True)
        return DeploymentUnderTest(home)


@pytest.fixture(scope="session")
def first_run(
    tmp_path_factory: pytest.TempPathFactory, worker_id: str
) -> tuple[DeploymentUnderTest, Finished]:
    """Forty days of 6,000 generated events, loaded, built and published once for all workers."""
    base = tmp_path_factory.getbasetemp()
    shared = (base if worker_id == "master" else base.parent) / "deployment"
    shared.mkdir(exist_ok=True)
    deployment, printed = DeploymentUnderTest(shared / "home"), shared / "run.json"
    with exclusive_lock(shared / "deployment.lock", on_wait=lambda _: None):
        if not printed.exists():
            printed.write_text(json.dumps(asdict(_run_once(deployment))))
    return deployment, Finished(**json.loads(printed.read_text()))


def _run_once(deployment: DeploymentUnderTest) -> Finished:
    landing = str(deployment.home / "landing")
    size = ("--events", "6000", "--days", "40", "--until", AS_OF)
    made = deployment("generate", "--out", landing, *size)
    assert made.exit_code == 0, made.stderr
    finished = deployment("run", "--as-of", AS_OF)
    assert finished.exit_code == 0, finished.stdout + finished.stderr
    return finished


@pytest.fixture(scope="session")
def deployment(first_run: tuple[DeploymentUnderTest, Finished]) -> DeploymentUnderTest:
    return first_run[0]


@pytest.fixture
def own_deployment(deployment: DeploymentUnderTest, tmp_path: Path) -> DeploymentUnderTest:
    """A copy that the test may change."""
    return deployment.copy_to(tmp_path / "home")
