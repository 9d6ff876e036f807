"""A published database made by hand, for tests of what reads one.

Dimensions hold the rows below; each table function gives the rows that a test says, whatever it is
asked, so that every expected value of a renderer can be derived from the test itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

import duckdb

from orchestration.settings import Settings

Rows = Sequence[Mapping[str, object]]

# What every table function of a published database takes.
TABLE_FUNCTION_PARAMETERS = (
    "scope, start_local, end_local, "
    "time_zone := 'UTC', source := null, agent := null, as_of := null, "
    "bucket := null, currency := 'USD'"
)

TENANTS: Rows = (
    {
        "source_name": "native",
        "tenant_id": "t1",
        "tenant_name": "Acme",
        "time_zone": "Asia/Kolkata",
    },
    {"source_name": "native", "tenant_id": "t2", "tenant_name": "Bolt", "time_zone": None},
    {"source_name": "native", "tenant_id": "shared", "tenant_name": "One", "time_zone": None},
    {"source_name": "other", "tenant_id": "shared", "tenant_name": "Two", "time_zone": None},
    {"source_name": "other", "tenant_id": "eu:west", "tenant_name": "Colon", "time_zone": None},
)
PUBLISHERS: Rows = (
    {
        "source_name": "native",
        "publisher_id": "p1",
        "publisher_name": "Maker",
        "publisher_key": "native:p1",
    },
    {
        "source_name": "native",
        "publisher_id": "p2",
        "publisher_name": "Rival",
        "publisher_key": "native:p2",
    },
)
AGENTS: Rows = (
    {
        "source_name": "native",
        "agent_id": "a1",
        "agent_name": "Helper",
        "publisher_key": "native:p1",
    },
    {
        "source_name": "native",
        "agent_id": "a2",
        "agent_name": "Seller",
        "publisher_key": "native:p2",
    },
    {
        "source_name": "other",
        "agent_id": "a1",
        "agent_name": "Namesake",
        "publisher_key": "other:p9",
    },
)


PUBLISHED_AS_OF = datetime(2026, 3, 8, 6)


def publish_by_hand(home: Path, functions: Mapping[str, Rows] | None = None) -> Settings:
    """Make ``home`` a deployment whose published database holds the dimensions above."""
    settings = Settings(home=home)
    settings.published.mkdir(parents=True)
    with duckdb.connect(str(settings.published_file)) as connection:
        connection.execute("create schema core")
        connection.execute("create schema answers")
        connection.execute("create schema meta")
        connection.execute("create schema reference")
        connection.execute(
            "create table reference.fx_rates as select unnest(['EUR', 'GBP', 'USD']) as currency"
        )
        connection.execute("create table meta.run_context as select ? as as_of", [PUBLISHED_AS_OF])
        connection.execute(
            "create table meta.truncated_scopes (scope_kind varchar, source_name varchar, "
            "scope_id varchar, first_date date, kept_from date)"
        )
        _create(connection, "core.dim_tenants", TENANTS)
        _create(connection, "core.dim_publishers", PUBLISHERS)
        _create(connection, "core.dim_agents", AGENTS)
        for name, rows in (functions or {}).items():
            _create(connection, f"answers.{name}", rows)
            connection.execute(
                f"create macro {name}({TABLE_FUNCTION_PARAMETERS}) as table from answers.{name}"
            )
        connection.execute(
            f"create macro asked({TABLE_FUNCTION_PARAMETERS}) as table "
            "select scope as asked_scope, start_local as asked_start, end_local as asked_end, "
            "time_zone as asked_zone, source as asked_source, agent as asked_agent, "
            "as_of as asked_as_of, bucket as asked_bucket, currency as asked_currency"
        )
    return settings


def _create(connection: duckdb.DuckDBPyConnection, name: str, rows: Rows) -> None:
    """A table with the columns of the first row; a column that is NULL in all rows is text."""
    selects = " union all ".join(
        "select " + ", ".join(f'? as "{column}"' for column in row) for row in rows
    )
    values = [value for row in rows for value in row.values()]
    connection.execute(f"create table {name} as {selects}", values)
