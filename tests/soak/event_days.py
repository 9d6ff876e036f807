"""Event days that were damaged in the warehouse file are built again by a range on the command line.

Belongs here: `agentmart run --from --to` as a process, also while another has the warehouse. Does not belong
here: which days a range reaches (tests/integration/test_event_days_built_again.py), and a backfill in
Dagster's page (tests/soak/backfill.py).
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from orchestration.settings import PROJECT_ROOT, Settings
from orchestration.warehouse.lock import exclusive_lock
from tests.e2e.conftest import AS_OF, DeploymentUnderTest
from tests.support.command_line import command_environment
from tests.support.damage import damage_days
from tests.support.kills import published_tables

_MOST_SECONDS = 600


def _run_behind_us(home: Path, *arguments: str, said: Path) -> int:
    """Run while this process has the warehouse, until the run says that it waits; then let it go on."""
    lock = Settings(home=home).lock_file
    with said.open("w") as stderr:
        with exclusive_lock(lock, on_wait=lambda _: None):
            since = datetime.fromtimestamp(int(lock.stat().st_mtime), tz=UTC)
            waits = (
                f"warehouse is in use by process {os.getpid()} since {since:%Y-%m-%d %H:%M:%S} UTC"
            )
            process = subprocess.Popen(
                [sys.executable, "-m", "orchestration.cli.main", "run", *arguments],
                env=command_environment(home),
                cwd=PROJECT_ROOT,
                stdout=subprocess.DEVNULL,
                stderr=stderr,
            )
            until = time.monotonic() + _MOST_SECONDS
            while waits not in said.read_text():
                if process.poll() is not None or time.monotonic() > until:
                    process.kill()
                    process.wait()
                    raise AssertionError(said.read_text())
                time.sleep(0.1)
        return process.wait(_MOST_SECONDS)


def test_a_damaged_range_is_published_as_it_was_once_the_warehouse_is_free(
    own_deployment: DeploymentUnderTest, tmp_path: Path
) -> None:
    home, said = own_deployment.home, tmp_path / "said.txt"
    before = published_tables(home)
    first, end = "2026-02-10", "2026-02-13"
    damage_days(home, first=first, end=end)

    exit_code = _run_behind_us(home, "--as-of", AS_OF, "--from", first, "--to", end, said=said)

    assert exit_code == 0, said.read_text()
    assert published_tables(home) == before


def test_a_range_before_all_data_is_refused_with_the_first_day(
    own_deployment: DeploymentUnderTest,
) -> None:
    before = published_tables(own_deployment.home)

    refused = own_deployment("run", "--as-of", AS_OF, "--from", "2025-02-10", "--to", "2025-02-13")

    assert refused.exit_code == 2
    assert "--from 2025-02-10 --to 2025-02-13 ends before all data" in refused.stderr
    assert published_tables(own_deployment.home) == before
