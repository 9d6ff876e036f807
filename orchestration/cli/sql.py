"""`agentmart sql`: read-only SQL on the published marts.

Belongs here: one query or a prompt, and how rows are shown. Does not belong here: datasets (cli/export).
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from orchestration.cli.output_file import check_folder, write_whole
from orchestration.errors import AgentmartError, RunFailure, UserError
from orchestration.settings import Settings

if TYPE_CHECKING:
    import duckdb

_FORMATS = ("table", "csv", "json", "parquet")
# What the rows of a query are called in the statement that writes them.
_ROWS = "agentmart_answer"


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

    if form == "parquet" and out is None:
        raise UserError("--format parquet writes a binary file: name it with --out")
    if out is not None:
        check_folder(out)
    with open_published(settings) as connection:
        if query is None and sys.stdin.isatty():
            _prompt(connection, settings)
            return
        with _told(settings):
            _answer(connection, sys.stdin.read() if query is None else query, form, out)


def _prompt(connection: duckdb.DuckDBPyConnection, settings: Settings) -> None:
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
            with _told(settings):
                _answer(connection, "\n".join(lines), "table", None)
        except AgentmartError as error:
            click.echo(str(error), err=True)
        lines = []


@contextmanager
def _told(settings: Settings) -> Iterator[None]:
    """Say in one line what is wrong with a query, found while it is read or only in one of its rows."""
    import duckdb

    from orchestration.disk_space import is_out_of_space, out_of_space

    try:
        yield
    except duckdb.Error as error:
        if is_out_of_space(error, home=settings.home):
            raise RunFailure(out_of_space(settings.home)) from error
        raise UserError(f"the query does not run: {str(error).splitlines()[0]}") from error


def _answer(connection: duckdb.DuckDBPyConnection, query: str, form: str, out: Path | None) -> None:
    relation = connection.sql(query)
    if relation is None:
        return
    if form == "table" and out is None:
        # DuckDB's own box drawing; it cuts what does not fit the terminal and says how much there is.
        click.echo(str(relation))
    elif out is not None:
        write_whole(out, lambda partial: _copy(relation, form, partial))
    else:
        _print(relation, form)


def _print(relation: duckdb.DuckDBPyRelation, form: str) -> None:
    # Not to /dev/stdout: DuckDB truncates what it opens, and with it whatever a script wrote to the same
    # file before this command.
    with tempfile.TemporaryDirectory() as folder:
        rows = Path(folder) / "rows"
        _copy(relation, form, rows)
        sys.stdout.flush()
        with rows.open("rb") as source:
            shutil.copyfileobj(source, sys.stdout.buffer)
        sys.stdout.buffer.flush()


def _copy(relation: duckdb.DuckDBPyRelation, form: str, target: Path) -> None:
    options = {
        "csv": "format csv, header true",
        "table": "format csv, header true",
        "json": "format json, array true",
        "parquet": "format parquet",
    }[form]
    rows = _without_formulas(relation) if form in ("csv", "table") else f"from {_ROWS}"
    quoted = str(target).replace("'", "''")
    # By name, for the text of a query may end with a comment or hold several.
    relation.query(_ROWS, f"copy ({rows}) to '{quoted}' ({options})")


def _without_formulas(relation: duckdb.DuckDBPyRelation) -> str:
    """SQL: the rows, a quote before each text that a spreadsheet would run, as in every other CSV file."""
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
    return f"select {', '.join(columns)} from {_ROWS} as found ({names})"
