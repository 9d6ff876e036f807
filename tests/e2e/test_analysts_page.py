"""What the page for analysts says to type works as it stands there."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from orchestration.settings import DBT_PROJECT_DIR, PROJECT_ROOT
from tests.e2e.conftest import DeploymentUnderTest

_PAGE = (PROJECT_ROOT / "dbt_project" / "docs" / "opening_the_marts.md").read_text(encoding="utf-8")
_BLOCKS = re.findall(r"```(sql|python|sh)\n(.*?)```", _PAGE, flags=re.DOTALL)
# A session in DuckDB's own command line: with the file open read-only, or beside a database of one's own.
_SESSION = """
import sys
import duckdb
script = sys.stdin.read()
opened = {} if "attach" in script else {
    "database": "data/published/agentmart.duckdb", "read_only": True
}
with duckdb.connect(**opened) as connection:
    for statement in duckdb.extract_statements(script):
        connection.execute(statement)
        if statement.type == duckdb.StatementType.SELECT:
            print(len(connection.fetchall()), "rows")
"""


@pytest.mark.parametrize(("language", "block"), _BLOCKS)
def test_a_block_of_the_page_works(
    language: str, block: str, deployment: DeploymentUnderTest, tmp_path: Path
) -> None:
    (tmp_path / "data").symlink_to(deployment.home)
    (tmp_path / "dbt_project").symlink_to(DBT_PROJECT_DIR)
    script = tmp_path / "agentmart"
    script.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m orchestration.cli.main "$@"\n')
    script.chmod(0o755)
    tenant = deployment(
        "sql", "select min(tenant_id) as id from core.dim_tenants", "--format", "csv"
    )
    command = {
        "sql": [sys.executable, "-c", _SESSION],
        "python": [sys.executable, "-"],
        "sh": ["bash", "-e", "-s"],
    }[language]
    done = subprocess.run(
        command,
        input=block.replace("tenant:ID", f"tenant:{tenant.stdout.splitlines()[1]}"),
        cwd=tmp_path,
        env={
            "PATH": f"{tmp_path}:{Path(sys.executable).parent}:/usr/bin:/bin",
            "PYTHONPATH": str(PROJECT_ROOT),
            # MetricFlow asks a package registry whether it is the newest; nothing answers here.
            "HTTPS_PROXY": "http://127.0.0.1:9",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() or done.stderr.strip()
    assert " 0 rows" not in f" {done.stdout}"


def test_the_page_shows_each_way_to_open_the_marts() -> None:
    assert {language for language, _ in _BLOCKS} == {"sql", "python", "sh"}
    libraries = ("DBeaver", "ODBC", "pandas", "polars", "MetricFlow")
    for tool in (*libraries, "Excel", "Power BI", "Tableau", "Metabase"):
        assert tool in _PAGE
