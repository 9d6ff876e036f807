"""A deployment that DuckDB has built, built once more on a Spark cluster of this machine, and compared.

Says how many models were built, how many data tests passed, and which tables hold the same rows as on DuckDB:
numbers and texts exactly, binary numbers to nine digits.

Belongs here: that build and comparison. Does not belong here: how the cluster is started
(tests/support/spark_cluster), and the dialect (dbt_project/macros/cross_db).
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import duckdb

from orchestration.settings import DBT_PROJECT_DIR, DEFAULT_TARGET, Settings
from orchestration.warehouse.engines import engine_of
from tests.support.ducklake import rows_that_differ
from tests.support.spark_cluster import spark_cluster


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("home", type=Path, help="a state folder that `agentmart run` has published")
    parser.add_argument("--select", nargs="*", default=[], help="models, as dbt selects them")
    arguments = parser.parse_args()
    settings = Settings(home=arguments.home.resolve(), target="spark")
    with tempfile.TemporaryDirectory(prefix="agentmart-spark-") as scratch:
        began = time.monotonic()
        with spark_cluster(Path(scratch) / "cluster") as cluster:
            settings = replace(settings, spark_remote=cluster.remote)
            up = time.monotonic()
            results = _build(settings, Path(scratch) / "target", select=arguments.select)
            done = time.monotonic()
    click.echo(f"cluster: up in {up - began:.0f} s; build: {done - up:.0f} s")
    _say_counts(results)
    _say_differences(settings, results)


def _build(settings: Settings, artifacts: Path, *, select: list[str]) -> Mapping[str, Any]:
    """Build everything anew with dbt from Spark's own environment; dbt's results."""
    engine = engine_of(settings)
    engine.check(settings)
    engine.prepare_build(settings, is_full_refresh=True)
    command = [str(engine.dbt_program()), "build", "--full-refresh", "--target", settings.target]
    command += ["--exclude-resource-type", "unit_test"]
    command += ["--project-dir", str(DBT_PROJECT_DIR), "--profiles-dir", str(DBT_PROJECT_DIR)]
    command += ["--target-path", str(artifacts), "--log-path", str(artifacts)]
    if select:
        command += ["--select", *select]
    with settings.dbt_environment() as environment:
        variables = {**environment, **engine.dbt_variables(settings)}
        subprocess.run(command, env=variables, check=False)
    results: dict[str, Any] = json.loads((artifacts / "run_results.json").read_text())
    manifest = json.loads((artifacts / "manifest.json").read_text())
    return {**results, "nodes": manifest["nodes"]}


def _say_counts(results: Mapping[str, Any]) -> None:
    for kind, passed in (("seed", "success"), ("model", "success"), ("test", "pass")):
        statuses = [
            one["status"] for one in results["results"] if one["unique_id"].startswith(f"{kind}.")
        ]
        click.echo(f"{kind}: {statuses.count(passed)} of {len(statuses)} passed")


def _say_differences(settings: Settings, results: Mapping[str, Any]) -> None:
    tables = sorted(_built_tables(results))
    with duckdb.connect() as here, duckdb.connect() as there:
        for connection in (here, there):
            connection.execute("set TimeZone = 'UTC'")
        engine_of(replace(settings, target=DEFAULT_TARGET)).attach_candidate(
            here, settings, name="candidate"
        )
        engine_of(settings).attach_candidate(there, settings, name="candidate")
        for connection in (here, there):
            connection.execute("use candidate")
        found = [rows_that_differ(here, there, f"{schema}.{table}") for schema, table in tables]
    different = [one for one in found if one is not None]
    click.echo(
        f"tables: {len(tables) - len(different)} of {len(tables)} hold the rows that they have on DuckDB"
    )
    for one in different:
        click.echo(f"  differs: {one}")


def _built_tables(results: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for one in results["results"]:
        node = results["nodes"].get(one["unique_id"])
        if node is None or one["status"] != "success" or node["resource_type"] == "operation":
            continue
        if node["config"]["materialized"] != "view":
            yield node["schema"], node["alias"]


if __name__ == "__main__":
    main()
