"""Whole runs on a disk that fills up: one line says so, readers keep what they had, a rerun mends all.

Belongs here: building, publishing and reports. Does not belong here: loads
(tests/integration/test_disk_full.py).
"""

from __future__ import annotations

import json
from pathlib import Path

import duckdb
import pytest

from orchestration.disk_space import is_out_of_space
from orchestration.settings import Settings
from orchestration.warehouse import publishing
from orchestration.warehouse.manifest import published_tables as tables_to_publish
from orchestration.warehouse.manifest import read_manifest
from tests.e2e.conftest import AS_OF, DeploymentUnderTest
from tests.support.disk import COMPILE_NOTHING, files_up_to
from tests.support.kills import published_tables
from tests.support.landing import VALID_ROWS

# Enough for the lake and the stores of a small deployment, not for its warehouse file.
_WAREHOUSE_DOES_NOT_FIT = 6_000_000
# Enough for the shared memory of a store that is read (32,768 bytes), not for a report.
_REPORT_DOES_NOT_FIT = 33_000


def _complaint(stderr: str) -> str:
    [line] = [one for one in stderr.splitlines() if one.startswith("agentmart: ")]
    return line


def test_a_build_onto_a_full_disk_says_so_and_the_next_run_publishes(tmp_path: Path) -> None:
    deployment = DeploymentUnderTest(tmp_path / "home")
    for stream, row in VALID_ROWS.items():
        folder = deployment.home / "landing" / stream
        folder.mkdir(parents=True)
        (folder / "rows.ndjson").write_text(json.dumps(row) + "\n")
    with files_up_to(_WAREHOUSE_DOES_NOT_FIT):
        filled = deployment("run", "--as-of", AS_OF, **COMPILE_NOTHING)
    assert filled.exit_code == 1
    complaint = _complaint(filled.stderr)
    assert str(deployment.home) in complaint
    assert "full" in complaint
    assert "run again" in complaint
    assert not (deployment.home / "published" / "current").exists()
    finished = deployment("run", "--as-of", AS_OF)
    assert finished.exit_code == 0, finished.stderr
    assert published_tables(deployment.home)["core.fct_charges"][0] == 1


def test_a_publication_onto_a_full_disk_leaves_the_one_before(
    own_deployment: DeploymentUnderTest,
) -> None:
    settings = Settings(home=own_deployment.home)
    before = published_tables(settings.home)
    current = (settings.published / "current").readlink()
    tables = tables_to_publish(read_manifest())
    with files_up_to(1_000_000), pytest.raises((duckdb.Error, OSError)) as failure:
        publishing.publish(
            settings, publication_id=2, tables=tables, run_id=1, runs=[], checks=[], cause="data"
        )
    assert is_out_of_space(failure.value, home=settings.home)
    assert (settings.published / "current").readlink() == current
    assert published_tables(settings.home) == before
    publishing.publish(
        settings, publication_id=2, tables=tables, run_id=1, runs=[], checks=[], cause="data"
    )
    assert (settings.published / "current").readlink() != current
    assert published_tables(settings.home) == before


def test_a_report_onto_a_full_disk_says_so_and_leaves_no_half_file(
    own_deployment: DeploymentUnderTest,
) -> None:
    out = own_deployment.home / "made"
    arguments = ("report", "weekly", "--as-of", AS_OF, "--format", "json", "--out", str(out))
    with files_up_to(_REPORT_DOES_NOT_FIT):
        filled = own_deployment(*arguments, **COMPILE_NOTHING)
    assert filled.exit_code == 1
    assert "full" in _complaint(filled.stderr)
    assert [path for path in out.rglob("*") if path.is_file()] == []
    finished = own_deployment(*arguments)
    assert finished.exit_code == 0, finished.stderr
    [made] = [path for path in out.rglob("*") if path.is_file()]
    assert made.stat().st_size > _REPORT_DOES_NOT_FIT
