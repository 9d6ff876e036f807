"""A published state of many tenants, each with a week of figures of its own and one subscriber.

Belongs here: making that deployment. Does not belong here: timing anything.
"""

from __future__ import annotations

from pathlib import Path

import duckdb

from orchestration.reporting.scopes import ScopeKind
from orchestration.settings import Settings
from tests.support.report_state import ScopeSeed, publish_reports, subscribe

AGENTS = 12
_SEED = ScopeSeed(kind=ScopeKind.TENANT, id="acme", name="Acme Support")
_NUMBERS = ("BIGINT", "DOUBLE", "DECIMAL(38,12)")


def publish_tenants(home: Path, *, tenants: int, threads: int) -> Settings:
    """One tenant of the tests' making with twelve agents, copied so many times; every figure of a
    copy is scaled by a factor of its own, so that no two reports are alike."""
    publish_reports(home, (_SEED,))
    settings = Settings(home=home, threads=threads)
    with duckdb.connect(str(settings.published_file)) as connection:
        connection.execute("delete from core.dim_windows where window_kind <> 'weekly'")
        tables = connection.execute(
            "select schema_name, table_name from duckdb_tables()"
            " where schema_name not in ('core', 'meta')"
        ).fetchall()
        for schema, table in tables:
            connection.execute(
                f"delete from {schema}.{table} where window_key not like '%/weekly/%'"
            )
            _multiply(connection, f"{schema}.{table}", tenants=tenants, is_scaled=True)
        for table in (
            "core.dim_windows",
            "core.dim_tenants",
            "core.fct_invocations",
            "core.fct_llm_calls",
        ):
            _multiply(connection, table, tenants=tenants, is_scaled=False)
    subscribe(
        settings,
        *(
            {
                "subscription_id": f"s{number}",
                "scope_id": f"t{number}",
                "recipients": [f"reader@t{number}.example.org"],
            }
            for number in range(1, tenants + 1)
        ),
    )
    return settings


def _multiply(
    connection: duckdb.DuckDBPyConnection, table: str, *, tenants: int, is_scaled: bool
) -> None:
    columns = connection.execute(f"describe {table}").fetchall()
    chosen = ", ".join(_expression(name, kind, is_scaled=is_scaled) for name, kind, *_ in columns)
    connection.execute(
        f"create or replace table {table} as select {chosen} from {table} as one"
        f" cross join range(1, {tenants} + 1) as copies (copy) order by copies.copy"
    )


def _expression(name: str, kind: str, *, is_scaled: bool) -> str:
    if kind == "VARCHAR":
        return (
            f"replace(replace(one.{name}, 'acme', 't' || copies.copy), 'Acme Support',"
            f" 'Tenant ' || copies.copy) as {name}"
        )
    if is_scaled and kind in _NUMBERS:
        factor = f"(500 + hash(copies.copy, '{name}') % 500) / 1000.0"
        return f"cast(one.{name} * {factor} as {kind}) as {name}"
    return f"one.{name}"
