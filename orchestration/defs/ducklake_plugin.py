"""dbt's way into DuckLake: the profile's target `ducklake` names this module.

So no connection, key or path is in the profile, where dbt would log it and parse the project again when it
changes.

Belongs here: handing dbt's connection over. Does not belong here: what is done with it (warehouse/ducklake).
"""

from dbt.adapters.duckdb.plugins import BasePlugin
from duckdb import DuckDBPyConnection

from orchestration.settings import Settings
from orchestration.warehouse.ducklake import attach
from orchestration.warehouse.engines import DATABASE


class Plugin(BasePlugin):
    """Attaches the lake to the one connection, and makes it the database of every cursor."""

    def configure_connection(self, conn: DuckDBPyConnection) -> None:
        attach(conn, Settings.load(), name=DATABASE)

    def configure_cursor(self, cursor: DuckDBPyConnection) -> None:
        cursor.execute(f"use {DATABASE}")
