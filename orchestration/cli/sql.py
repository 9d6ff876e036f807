"""`agentmart sql`: read-only SQL on the published marts.

Belongs here: one query or a prompt, and how rows are shown. Does not belong here: datasets (cli/export).
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import click

from orchestration.errors import UserError
from orchestration.settings import Settings

if TYPE_CHECKING:
    import duckdb

_FORMATS = ("table", "csv", "json", "parquet")


@click.command()
@click.argument("query", required=False)
@click.option("--format", "form", type=click.Choice(_FORMATS), default="table", show_default=True)
@click.option(
    "--out", type=click.Path(path_type=Path), help="Write to this file instead of stdout."
)
@click.pass_obj
def sql(settings: Settings, query: str | None, form: str, out: Path | None) -> None:
    """Run one query, or a prompt without one.

    Example: agentmart sql "select agent_name, cost_usd from usage.usage_by_agent limit 5"
    """
    from orchestration.warehouse.publishing import open_published

    with open_published(settings) as connection:
        if query is not None:
            _run(connection, query, form, out)
        elif sys.stdin.isatty():
            _prompt(connection)
        else:
            _run(connection, sys.stdin.read(), form, out)


def _prompt(connection: duckdb.DuckDBPyConnection) -> None:
    click.echo("Published marts, read-only. End a query with ; and leave with Ctrl-D.")
    lines: list[str] = []
    while True:
        try:
            lines.append(input("agentmart> " if not lines else "      ...> "))
        except EOFError:
            click.echo()
            return
        if not lines[-1].rstrip().endswith(";"):
            continue
        try:
            _run(connection, "\n".join(lines), "table", None)
        except UserError as error:
            click.echo(str(error), err=True)
        lines = []


def _run(connection: duckdb.DuckDBPyConnection, query: str, form: str, out: Path | None) -> None:
    import duckdb

    if form == "parquet" and out is None:
        raise UserError("--format parquet writes a binary file: name it with --out")
    try:
        relation = connection.sql(query)
    except duckdb.Error as error:
        raise UserError(f"the query does not run: {str(error).splitlines()[0]}") from error
    if relation is None:
        return
    if form == "table" and out is None:
        # DuckDB's own box drawing; it cuts what does not fit the terminal and says how much there is.
        click.echo(str(relation))
        return
    _copy(connection, query, form, out)


def _copy(connection: duckdb.DuckDBPyConnection, query: str, form: str, out: Path | None) -> None:
    options = {
        "csv": "format csv, header true",
        "table": "format csv, header true",
        "json": "format json, array true",
        "parquet": "format parquet",
    }[form]
    if form in ("csv", "table"):
        query = _without_formulas(query, connection.sql(query))
    if out is not None:
        _copy_to(connection, query, options, out)
        return
    # Not to /dev/stdout: DuckDB truncates what it opens, and with it whatever a script wrote to the same
    # file before this command.
    with tempfile.TemporaryDirectory() as folder:
        rows = Path(folder) / "rows"
        _copy_to(connection, query, options, rows)
        sys.stdout.flush()
        with rows.open("rb") as source:
            shutil.copyfileobj(source, sys.stdout.buffer)
        sys.stdout.buffer.flush()


def _without_formulas(query: str, relation: duckdb.DuckDBPyRelation) -> str:
    """The query with a quote before each text that a spreadsheet would run, as in every other CSV file."""
    from orchestration.reporting.tables import FORMULA_STARTS

    starts = ", ".join(f"chr({ord(start)})" for start in FORMULA_STARTS)
    columns = []
    for number, (name, kind) in enumerate(zip(relation.columns, relation.types, strict=True)):
        cell = f"c{number}"
        if str(kind) == "VARCHAR":
            runs = f"left({cell}, 1) in ({starts}) and try_cast({cell} as double) is null"
            cell = f"case when {runs} then chr(39) || {cell} else {cell} end"
        quoted = name.replace('"', '""')
        columns.append(f'{cell} as "{quoted}"')
    names = ", ".join(f"c{number}" for number in range(len(columns)))
    return f"select {', '.join(columns)} from ({query.strip().rstrip(';')}) as found ({names})"


def _copy_to(connection: duckdb.DuckDBPyConnection, query: str, options: str, target: Path) -> None:
    quoted = str(target).replace("'", "''")
    connection.execute(f"copy ({query.strip().rstrip(';')}) to '{quoted}' ({options})")
