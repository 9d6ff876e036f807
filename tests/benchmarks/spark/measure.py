"""A deployment that DuckDB has built, built once more on a Spark cluster of this machine, and compared.

Says how many models were built, how many data tests passed, and which tables hold the same rows as on DuckDB:
numbers and texts exactly, binary numbers to nine digits.

Belongs here: that build and comparison. Does not belong here: how the cluster is started
(tests/support/spark_cluster), and the dialect (dbt_project/macros/cross_db).
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click
import duckdb

from orchestration.settings import DBT_PROJECT_DIR, Settings
from orchestration.warehouse.sql_text import quoted, text
from tests.support.spark_cluster import ENVIRONMENT, spark_cluster

_DIGITS = 9


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("home", type=Path, help="a state folder that `agentmart run` has published")
    parser.add_argument("--select", nargs="*", default=[], help="models, as dbt selects them")
    arguments = parser.parse_args()
    settings = Settings(home=arguments.home.resolve())
    with tempfile.TemporaryDirectory(prefix="agentmart-spark-") as scratch:
        results = _build(settings, Path(scratch), select=arguments.select)
    _say_counts(results)
    _say_differences(settings, results)


def _build(settings: Settings, scratch: Path, *, select: list[str]) -> Mapping[str, Any]:
    """Build everything anew with dbt from Spark's own environment; dbt's results."""
    for stream in sorted((settings.lake / "raw").iterdir()):
        shutil.copy2(
            stream / "_empty.parquet", settings.run_inputs / f"{stream.name}.empty.parquet"
        )
    shutil.rmtree(settings.warehouse / "spark", ignore_errors=True)
    artifacts = scratch / "target"
    command = [str(ENVIRONMENT / "bin" / "dbt"), "build", "--full-refresh", "--target", "spark"]
    command += ["--exclude-resource-type", "unit_test"]
    command += ["--project-dir", str(DBT_PROJECT_DIR), "--profiles-dir", str(DBT_PROJECT_DIR)]
    command += ["--target-path", str(artifacts), "--log-path", str(artifacts)]
    if select:
        command += ["--select", *select]
    with spark_cluster(scratch / "cluster") as cluster:
        environment = {"AGENTMART_HOME": str(settings.home), "SPARK_REMOTE": cluster.remote}
        subprocess.run(command, env={**os.environ, **environment}, check=False)
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
    compared, different = 0, []
    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'")
        connection.execute(f"attach {text(settings.warehouse_file)} as candidate (read_only)")
        for schema, table in _built_tables(results):
            compared += 1
            if not _is_same(connection, settings, schema=schema, table=table):
                different.append(f"{schema}.{table}")
    click.echo(
        f"tables: {compared - len(different)} of {compared} hold the rows that they have on DuckDB"
    )
    for name in different:
        click.echo(f"  differs: {name}")


def _built_tables(results: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for one in results["results"]:
        node = results["nodes"].get(one["unique_id"])
        if node is None or one["status"] != "success" or node["resource_type"] == "operation":
            continue
        if node["config"]["materialized"] != "view":
            yield node["schema"], node["alias"]


def _is_same(
    connection: duckdb.DuckDBPyConnection, settings: Settings, *, schema: str, table: str
) -> bool:
    here = f"candidate.{quoted(schema)}.{quoted(table)}"
    files = settings.warehouse / "spark" / schema / table
    columns = connection.execute(f"describe {here}").fetchall()
    if not any(files.rglob("*.parquet")):
        return connection.execute(f"select count(*) from {here}").fetchall() == [(0,)]
    selected = ", ".join(_comparable(name, kind) for name, kind, *_ in columns)
    there = f"read_parquet({text(files / '**' / '*.parquet')}, hive_partitioning = true)"
    both = ((here, there), (there, here))
    return not any(
        connection.execute(
            f"select 1 from (select {selected} from {one} except all select {selected} from {other}) limit 1"
        ).fetchall()
        for one, other in both
    )


def _comparable(name: str, kind: str) -> str:
    """A column as the type that it has on DuckDB; a binary number as its first nine digits."""
    value = f"cast({quoted(name)} as {kind})"
    return f"printf('%.{_DIGITS - 1}e', {value} + 0.0)" if kind == "DOUBLE" else value


if __name__ == "__main__":
    main()
