"""Reading the published database: the only way exports and reports get at figures.

Belongs here: opening the file read-only, running a query, calling a table function for a scope and
a window. Does not belong here: any formula (those are the table functions') and any writing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import duckdb

from orchestration.errors import RunFailure
from orchestration.warehouse.duckdb import open_published

if TYPE_CHECKING:
    from orchestration.reporting.periods import Window
    from orchestration.reporting.scopes import Scope
    from orchestration.settings import Settings

Row = Mapping[str, Any]
"""One row of a result by column name; decimals are ``Decimal``, times are naive UTC."""

_FUNCTION_NAME = re.compile(r"[a-z][a-z0-9_]*")
_PARAMETER = re.compile(r"\$([a-z_]+)")


class Published:
    """A read-only connection to one published state; a publication made meanwhile does not disturb
    it."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection

    def rows(
        self, sql: str, parameters: Mapping[str, object] | Sequence[object] | None = None
    ) -> list[Row]:
        """Run one statement with bound parameters and return its rows."""
        cursor = self._connection.execute(sql, _used(sql, parameters))
        names = [column[0] for column in cursor.description or ()]
        return [dict(zip(names, values, strict=True)) for values in cursor.fetchall()]

    def function(self, name: str, *, scope: Scope, window: Window) -> list[Row]:
        """The rows of the table function ``name`` for a scope and a window.

        Raises:
            RunFailure: the published state was made before the function existed.
        """
        if not _FUNCTION_NAME.fullmatch(name):
            raise ValueError(f"{name!r} is not the name of a table function")
        sql = f"""
            from {name}(
                $scope, $start_local, $end_local,
                time_zone := $time_zone, source := $source, agent := $agent, as_of := $as_of
            )
        """
        try:
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
                },
            )
        except duckdb.CatalogException as error:
            raise RunFailure(
                f"the published database has no table function {name}; it was made by another "
                "version: run `agentmart run` again"
            ) from error


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


def _used(
    sql: str, parameters: Mapping[str, object] | Sequence[object] | None
) -> Mapping[str, object] | Sequence[object] | None:
    """DuckDB refuses named parameters that a statement does not mention."""
    if not isinstance(parameters, Mapping):
        return parameters
    mentioned = set(_PARAMETER.findall(sql))
    return {name: value for name, value in parameters.items() if name in mentioned}
