"""Reading the published database: the only way exports and reports get at figures.

Belongs here: opening the file read-only, running a query, calling a table function for a scope and
a window. Does not belong here: any formula (those are the table functions') and any writing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import duckdb

from orchestration.errors import RunFailure, UserError
from orchestration.warehouse.publishing import open_published

if TYPE_CHECKING:
    from orchestration.reporting.periods import Window
    from orchestration.reporting.scopes import Scope
    from orchestration.settings import Settings

Row = Mapping[str, Any]
"""One row of a result by column name; decimals are ``Decimal``, times are naive UTC."""

USD = "USD"
"""What money is stored in, and shown in unless another currency is asked for."""

_FUNCTION_NAME = re.compile(r"[a-z][a-z0-9_]*")
_COMPARED = ", previous_start := $previous_start, previous_end := $previous_end"
_ROWS_AT_ONCE = 2_000
_PARAMETER = re.compile(r"\$([a-z_]+)")
_MISSING = re.compile(r'(Table Function|Table) with name "?([\w.]+)"? does not exist')


class Published:
    """A read-only connection to one published state; a publication made meanwhile does not disturb
    it."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection

    def rows(self, sql: str, parameters: Mapping[str, object] | None = None) -> list[Row]:
        """Run one statement, its ``$name`` parameters replaced by values, and return its rows.

        Raises:
            RunFailure: the published state was made before the table existed.
        """
        values = parameters or {}
        statement = _PARAMETER.sub(lambda match: _literal(values[match[1]]), sql)
        try:
            cursor = self._connection.execute(statement)
        except duckdb.CatalogException as error:
            found = _MISSING.search(str(error))
            missing = f"{found[1].lower()} {found[2]}" if found else "what is asked for"
            raise RunFailure(
                f"the published database has no {missing}; it was made by another version: "
                "run `agentmart run` again"
            ) from error
        names = [column[0] for column in cursor.description or ()]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def stream(self, sql: str, parameters: Mapping[str, object]) -> Iterator[Row]:
        """Run one statement as ``rows`` does, and give its rows a few at a time.

        Several streams can be read side by side: each has a connection of its own.
        """
        statement = _PARAMETER.sub(lambda match: _literal(parameters[match[1]]), sql)
        cursor = self._connection.cursor()
        try:
            # A connection does not take over what was set in the one that it was made from.
            cursor.execute("set TimeZone = 'UTC'")
            cursor.execute(statement)
            names = [column[0] for column in cursor.description or ()]
            while rows := cursor.fetchmany(_ROWS_AT_ONCE):
                for row in rows:
                    yield dict(zip(names, row, strict=True))
        finally:
            cursor.close()

    def as_of(self) -> datetime:
        """The as-of time of the run that made this state: nothing later is in it."""
        (row,) = self.rows("select as_of from meta.run_context")
        moment: datetime = row["as_of"]
        return moment.replace(tzinfo=UTC)

    def function(
        self,
        name: str,
        *,
        scope: Scope,
        window: Window,
        currency: str = USD,
        bucket: str | None = None,
        previous: Window | None = None,
    ) -> list[Row]:
        """The rows of the table function ``name`` for a scope and a window, in order of their columns.

        ``bucket`` cuts the window into hours, days, weeks or months. ``previous`` is the window to
        compare with, for a function that takes one.

        Raises:
            RunFailure: the published state was made before the function existed.
        """
        if not _FUNCTION_NAME.fullmatch(name):
            raise ValueError(f"{name!r} is not the name of a table function")
        compared = "" if previous is None else _COMPARED
        sql = f"""
            from {name}(
                $scope, $start_local, $end_local,
                time_zone := $time_zone, source := $source, agent := $agent, as_of := $as_of,
                bucket := $bucket, currency := $currency{compared}
            )
            order by all
        """
        return self.rows(
            sql,
            {
                "scope": scope.text,
                "start_local": window.start_local,
                "end_local": window.end_local,
                "time_zone": window.time_zone,
                "source": scope.source_name,
                "agent": scope.agent_id,
                # Stored times are UTC without a zone, and are compared as such.
                "as_of": window.as_of.replace(tzinfo=None),
                "bucket": bucket,
                "currency": currency,
                "previous_start": previous and previous.start_local,
                "previous_end": previous and previous.end_local,
            },
        )


@contextmanager
def read_published(settings: Settings) -> Iterator[Published]:
    """Open the current publication read-only for as long as the block lasts.

    Raises:
        AgentmartError: nothing has been published yet.
        RunFailure: the file is there and cannot be read.
    """
    try:
        connection = open_published(settings)
    except duckdb.Error as error:
        reason = str(error).splitlines()[0]
        raise RunFailure(
            f"the published database {settings.published_file} cannot be opened ({reason}); "
            "run `agentmart run` to make it again"
        ) from error
    try:
        yield Published(connection)
    finally:
        connection.close()


def _literal(value: object) -> str:
    """The value as SQL text.

    Not bound by the driver, because DuckDB imports pandas to look at a bound value: 0.36 s of the
    0.7 s that an export took. A quote is the only character with a meaning inside a DuckDB string.

    Raises:
        UserError: the text holds a NUL character, which ends a statement.
    """
    match value:
        case None:
            return "null"
        case bool() | int() | Decimal():
            return str(value)
        case datetime():
            if value.tzinfo is not None:
                raise TypeError(f"{value!r} has a zone; stored times are UTC without one")
            return f"timestamp '{value.isoformat(sep=' ')}'"
        case date():
            return f"date '{value.isoformat()}'"
        case str():
            if "\0" in value:
                raise UserError(f"{value!r} holds a NUL character; write it without")
            return "'" + value.replace("'", "''") + "'"
        case list() | tuple():
            return f"[{', '.join(_literal(member) for member in value)}]"
        case _:
            raise TypeError(f"{value!r} cannot be written as SQL")
