"""dbt's own unit tests: every model with a window, a longer case, a currency or date arithmetic."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from orchestration.settings import DBT_PROJECT_DIR
from tests.e2e.conftest import DeploymentUnderTest


def test_every_unit_test_of_the_models_passes(
    own_deployment: DeploymentUnderTest, tmp_path: Path
) -> None:
    project = str(DBT_PROJECT_DIR)
    done = subprocess.run(
        [
            str(Path(sys.executable).with_name("dbt")),
            *("test", "--select", "test_type:unit", "--threads", "2"),
            *("--project-dir", project, "--profiles-dir", project),
            *("--target-path", str(tmp_path), "--log-path", str(tmp_path)),
        ],
        env={"PATH": os.environ["PATH"], "AGENTMART_HOME": str(own_deployment.home)},
        capture_output=True,
        text=True,
        check=False,
    )
    results = [
        one
        for one in json.loads((tmp_path / "run_results.json").read_text())["results"]
        if one["unique_id"].startswith("unit_test.")
    ]
    failed = [f"{one['unique_id']}: {one['message']}" for one in results if one["status"] != "pass"]
    assert not failed, "\n".join(failed)
    assert done.returncode == 0, done.stdout
    assert len(results) > 80
