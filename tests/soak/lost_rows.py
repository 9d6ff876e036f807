"""A lost row stops a run: nothing is published, and `agentmart status` says which count does not hold.

Run by `make soak`; pytest does not collect it by itself. The counts are tested in
tests/integration/test_conservation.py, and a run that a failed audit stops in tests/e2e/test_pipeline.py.
"""

from __future__ import annotations

import duckdb

from tests.e2e.conftest import DeploymentUnderTest


def test_a_row_lost_from_the_lake_stops_the_run_with_nothing_published(
    own_deployment: DeploymentUnderTest,
) -> None:
    lake = own_deployment.home / "lake" / "raw" / "charges"
    path = min(lake.glob("event_date=*/*.parquet"))
    rows = f"read_parquet('{path}', hive_partitioning = false)"
    with duckdb.connect() as connection:
        ((count,),) = connection.execute(f"select count(*) from {rows}").fetchall()
        target = path.with_suffix(".changed")
        connection.execute(f"copy (from {rows} limit {count - 1}) to '{target}' (format parquet)")
    target.replace(path)
    # A new file, so that the run has something to build.
    publishers = own_deployment.home / "landing" / "publishers" / "new.ndjson"
    publishers.write_text(
        '{"publisher_id": "p-new", "publisher_name": "New", "updated_at": "2026-03-01T00:00:00Z"}\n'
    )
    # On a Sunday every file of the lake is counted.
    status = own_deployment.run_that_is_refused(
        says="fct_file_counts_keeps_its_rules", as_of="2026-03-08T06:00:00Z"
    )
    assert "the lake holds the rows that landed" in status.stdout
