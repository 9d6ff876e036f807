"""The documentation of the warehouse as one file: dbt's own site over what is published.

Belongs here: calling dbt so that it neither waits for a running build nor disturbs a reader. Does not belong
here: the words, which are the descriptions beside each model and the blocks in dbt_project/docs.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

import duckdb

from orchestration.errors import RunFailure
from orchestration.settings import DBT_PROJECT_DIR, Settings
from orchestration.warehouse.manifest import DBT_EXECUTABLE, MANIFEST_FILE, prepare_manifest
from orchestration.warehouse.publishing import open_published
from orchestration.warehouse.sql_text import quoted, text


def write_docs_site(settings: Settings, out: Path) -> None:
    """Write dbt's site with the columns of the published tables to ``out``.

    Raises:
        AgentmartError: nothing is published yet.
        RunFailure: dbt cannot make the site; the message holds dbt's own.
    """
    # Says plainly that nothing is published before the project is parsed.
    open_published(settings).close()
    prepare_manifest(settings)
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=".agentmart-docs-") as folder:
        scratch = Path(folder)
        _copy_tables_without_rows(settings, scratch / settings.warehouse_file.name)
        # Without compiling, which takes four fifths of the time, dbt writes no manifest of its own.
        for artifact in (MANIFEST_FILE, MANIFEST_FILE.with_name("partial_parse.msgpack")):
            shutil.copy2(artifact, scratch)
        _generate(settings, scratch)
        (scratch / "static_index.html").replace(out)


def _copy_tables_without_rows(settings: Settings, target: Path) -> None:
    """dbt opens the database to write it, which would shut out readers of the published file and wait for
    a build of the candidate. It reads names and types alone, so a copy without rows does."""
    with duckdb.connect(str(target)) as connection:
        source = text(settings.published_file.resolve())
        connection.execute(f"attach {source} as published (read_only)")
        tables = connection.execute(
            "select schema_name, table_name from duckdb_tables() where database_name = 'published'"
            " order by all"
        ).fetchall()
        for schema, table in tables:
            qualified = f"{quoted(schema)}.{quoted(table)}"
            connection.execute(f"create schema if not exists {quoted(schema)}")
            connection.execute(f"create table {qualified} as from published.{qualified} limit 0")


def _generate(settings: Settings, scratch: Path) -> None:
    project = str(DBT_PROJECT_DIR)
    command = [DBT_EXECUTABLE, "--quiet", "docs", "generate", "--static", "--no-compile"]
    command += ["--project-dir", project, "--profiles-dir", project]
    command += ["--target-path", str(scratch), "--log-path", str(scratch)]
    with settings.dbt_environment() as environment:
        finished = subprocess.run(
            command, env=environment, cwd=scratch, capture_output=True, text=True, check=False
        )
    if finished.returncode != 0:
        said = (finished.stdout + finished.stderr).strip()
        raise RunFailure(f"dbt cannot make the documentation of {DBT_PROJECT_DIR}: {said}")
