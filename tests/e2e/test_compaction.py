"""Compacting a deployment's lake changes no published table and makes nothing pending."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb

from orchestration.settings import Settings
from tests.e2e.conftest import AS_OF, DeploymentUnderTest
from tests.support.published_home import publish_landing


def _published_rows(deployment: DeploymentUnderTest) -> dict[str, tuple[Any, ...]]:
    """The number of rows and a digest of each published table; of the deployment's history, none."""
    file = deployment.home / "published" / "agentmart.duckdb"
    with duckdb.connect(str(file), read_only=True) as mart:
        tables = mart.execute(
            "select schema_name || '.' || table_name from duckdb_tables() "
            "where schema_name <> 'meta' order by all"
        ).fetchall()
        return {
            table: mart.execute(
                f"select count(*), sum(hash(one)::hugeint) from {table} as one"
            ).fetchall()[0]
            for (table,) in tables
        }


def _lake_files(home: Path) -> int:
    return len(list((home / "lake" / "raw").glob("*/event_date=*/*.parquet")))


def test_a_compacted_lake_builds_the_same_tables_and_nothing_is_pending(
    own_deployment: DeploymentUnderTest,
) -> None:
    before, files = _published_rows(own_deployment), _lake_files(own_deployment.home)
    for _ in range(2):
        compacted = own_deployment("compact", "--most-files", "1")
        assert compacted.exit_code == 0, compacted.stderr
    assert _lake_files(own_deployment.home) < files

    again = own_deployment("run", "--as-of", AS_OF)
    assert "nothing new" in again.stdout.splitlines()[0]

    settings = Settings(home=own_deployment.home, threads=2)
    settings.warehouse_file.unlink()
    publish_landing(settings, as_of=datetime.fromisoformat(AS_OF))
    assert _published_rows(own_deployment) == before
