"""What Dagster's record of a run says of each thing that was loaded and built.

Belongs here: metadata of materialisations. Does not belong here: how its page shows them (test_web_page.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import dagster as dg
import duckdb
import pytest

from orchestration.settings import Settings
from orchestration.warehouse.inspection import inspect
from orchestration.warehouse.manifest import PUBLISHED_SCHEMAS, read_manifest
from orchestration.warehouse.publishing import open_published
from tests.e2e.conftest import DeploymentUnderTest


@pytest.fixture(scope="module")
def instance(deployment: DeploymentUnderTest) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.from_config(
        str(Settings(home=deployment.home).dagster_home)
    ) as instance:
        yield instance


def _metadata(instance: dg.DagsterInstance, *key: str) -> dict[str, Any]:
    event = instance.get_latest_materialization_event(dg.AssetKey(key))
    assert event is not None
    assert event.asset_materialization is not None
    return {name: one.value for name, one in event.asset_materialization.metadata.items()}


def test_a_stream_says_its_rows_bytes_seconds_dates_and_the_rate_of_refused_rows(
    instance: dg.DagsterInstance, deployment: DeploymentUnderTest
) -> None:
    found = _metadata(instance, "raw", "agent_events")
    with open_published(Settings(home=deployment.home)) as published:
        ((landed, refused),) = published.execute(
            "select rows_landed, rows_quarantined from core.fct_stream_counts"
            " where stream_name = 'agent_events'"
        ).fetchall()
    assert (found["dagster/row_count"], found["quarantined"]) == (landed, refused)
    assert found["quarantine_rate"] == pytest.approx(refused / (landed + refused))
    files = list((deployment.home / "lake" / "raw" / "agent_events").glob("event_date=*/*"))
    assert found["bytes"] == sum(file.stat().st_size for file in files)
    assert found["seconds"] > 0
    days = sorted({file.parent.name.removeprefix("event_date=") for file in files})
    assert found["event_dates"] == f"{days[0]} to {days[-1]} ({len(days)} dates)"


def test_a_fact_says_its_rows_bytes_seconds_and_dates_and_shows_a_few_rows(
    instance: dg.DagsterInstance, deployment: DeploymentUnderTest
) -> None:
    found = _metadata(instance, "core", "fct_invocations")
    with open_published(Settings(home=deployment.home)) as published:
        ((rows,),) = published.execute("select count(*) from core.fct_invocations").fetchall()
    assert found["dagster/row_count"] == rows
    assert found["bytes"] >= 262_144
    assert found["seconds"] > 0
    assert found["event_dates"] == "all"
    header, line, *shown = found["preview"].splitlines()
    assert header.startswith("| invocation_event_key | ")
    assert set(line) <= set("| -")
    assert len([row for row in shown if row.startswith("| ")]) == 3


def test_nothing_is_shown_of_tables_that_no_reader_sees(deployment: DeploymentUnderTest) -> None:
    settings = Settings(home=deployment.home)
    nodes = [
        node
        for node in read_manifest()["nodes"].values()
        if node["resource_type"] in ("model", "seed")
    ]
    inspection = inspect(settings, nodes)
    shown = {name for name, table in inspection.tables.items() if table.preview}
    assert {name.split(".")[0] for name in shown} <= set(PUBLISHED_SCHEMAS)
    with open_published(settings) as published:
        rows = published.execute(
            "select schema_name || '.' || table_name from duckdb_tables()"
        ).fetchall()
    assert shown <= {name for (name,) in rows}
    with duckdb.connect(str(settings.warehouse_file), read_only=True) as candidate:
        for name in ("staging.stg_landed_counts", "core.fct_llm_calls"):
            counted = candidate.execute(f"select count(*) from {name}").fetchall()
            assert [(inspection.tables[name].row_count,)] == counted
