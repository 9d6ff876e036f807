"""A database that holds the rows of one tenant or publisher and nothing of anybody else.

What a table has decides what of it is copied: rows over windows by their scope, facts by their tenant,
dimensions by the keys that the copied rows use. A table that is neither is shared with everybody or withheld
from everybody, by the two lists below; one that is in no class is an error, never a guess.

A tenant's copy answers any span through the table functions. A publisher's holds no fact, because facts name
tenants and users and any cell could be cut out of them; its table functions look windows up in its marts,
where small cells are withheld.

Belongs here: that choice, and making the file. Does not belong here: whether the scope exists
(reporting/scopes).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb

from orchestration.errors import RunFailure
from orchestration.settings import Settings
from orchestration.warehouse.sql_text import quoted, text

# Says nothing about anybody. Health is that of the platform's services, whatever the scope (D-61).
_SHARED = frozenset(
    {
        "core.dim_dates",
        "core.dim_load_bands",
        "core.dim_session_bins",
        "core.fct_health_samples",
        "core.fct_incidents",
        "meta.metric_catalogue",
        "meta.publication",
        "meta.run_context",
    }
)
# About the platform as a whole: its bills, its loads, its runs, whose messages may name anybody.
_WITHHELD = frozenset(
    {
        "core.fct_file_counts",
        "core.fct_files",
        "core.fct_frozen_days",
        "core.fct_provider_bills",
        "core.fct_stream_counts",
        "meta.audits",
        "meta.freshness",
        "meta.quarantine",
        "meta.runs",
        "operations.data_quality",
        "usage.platform_days",
    }
)
_SHARED_SCHEMA = "reference"
_GAUGES = "core.fct_instance_samples"
_FUNCTIONS = "meta.table_functions"

# A publisher may not learn who the tenants, users and conversations behind its figures are.
_PERSONAL = (
    "tenant_key",
    "tenant_id",
    "user_key",
    "user_id",
    "conversation_key",
    "conversation_id",
)
# Keys by which a dimension is cut down to what the copied rows use, the most specific first.
_USED_KEYS: Mapping[str, Sequence[str]] = {
    "agent_key": ("agent_key",),
    "model_key": ("model_key", "primary_model_key"),
    "agent_type_key": ("agent_type_key",),
    "publisher_key": ("publisher_key",),
}
_WINDOWED = ("scope_kind", "scope_id", "source_name")
# What a call of a table function says beside its narrowing parameters.
_ASKED = ("scope", "start_local", "end_local", "time_zone")


@dataclass(frozen=True, kw_only=True)
class CopiedScope:
    """The scope of a copy: kind is tenant or publisher."""

    kind: str
    id: str
    source_name: str

    @property
    def text(self) -> str:
        return f"{self.kind}:{self.id}"

    @property
    def key(self) -> str:
        return f"{self.source_name}:{self.id}"


Columns = Mapping[str, Sequence[str]]


def copy_scope(settings: Settings, scope: CopiedScope, *, target: Path) -> None:
    """Write the scope's part of the current publication to ``target``, a new file.

    Raises:
        RunFailure: the publication was made by another version, or a table is in no class.
    """
    with duckdb.connect(str(target)) as connection:
        connection.execute("set TimeZone = 'UTC'")
        source = text(settings.published_file.resolve())
        connection.execute(f"attach {source} as whole (read_only)")
        columns = _columns(connection)
        if "held_scope" not in columns.get("meta.run_context", ()):
            raise RunFailure(
                f"{settings.published_file} was made by another version: run `agentmart run` again"
            )
        for schema in sorted({table.partition(".")[0] for table in columns}):
            connection.execute(f"create schema if not exists {quoted(schema)}")
        rows = _copy_tables(connection, scope, columns)
        connection.execute("update meta.run_context set held_scope = ?", [scope.text])
        functions = (
            _copy_functions(connection)
            if scope.kind == "tenant"
            else _look_up_functions(connection, scope, rows)
        )
        _list_functions(connection, functions)
        _copy_comments(connection)
        connection.execute("detach whole")
        connection.execute("checkpoint")


def _copy_tables(
    connection: duckdb.DuckDBPyConnection, scope: CopiedScope, columns: Columns
) -> dict[str, int]:
    """Copy every table that is not withheld; dimensions last, because they follow what uses them."""
    rows: dict[str, int] = {}
    dimensions: list[str] = []
    for table, names in columns.items():
        condition = rows_held(scope, table=table, columns=names)
        if condition is None:
            continue
        if condition == BY_USE:
            dimensions.append(table)
        else:
            rows[table] = _copy(connection, table, condition)
    for key, users in _USED_KEYS.items():
        used = _used(connection, key, users, {table: columns[table] for table in rows})
        for table in [one for one in dimensions if _identity(columns[one]) == key]:
            rows[table] = _copy(connection, table, f"{key} in ({used})")
    return rows


# Stands for: copied as far as other rows use it.
BY_USE = "by use"


def rows_held(scope: CopiedScope, *, table: str, columns: Sequence[str]) -> str | None:
    """Which rows of a table the scope's copy holds, as a condition; None when it holds no such table.

    Raises:
        RunFailure: the table is in no class.
    """
    if table in _WITHHELD or table == _FUNCTIONS:
        return None
    if table in _SHARED or table.startswith(f"{_SHARED_SCHEMA}."):
        return "true"
    is_publishers = scope.kind == "publisher"
    if is_publishers and any(column in _PERSONAL for column in columns):
        return None
    if set(_WINDOWED) <= set(columns):
        own = f"source_name is not distinct from {text(scope.source_name)}"
        return f"scope_kind = {text(scope.kind)} and scope_id = {text(scope.id)} and {own}"
    if "tenant_key" in columns:
        own = f"tenant_key = {text(scope.key)}"
        return f"{own} or {_common_gauges(scope)}" if table == _GAUGES else own
    if is_publishers and "publisher_key" in columns:
        return f"publisher_key = {text(scope.key)}"
    if _identity(columns) is not None:
        return BY_USE
    raise RunFailure(
        f"{table} says neither whose its rows are nor that it is shared or withheld; "
        "name it in orchestration/warehouse/scope_copy.py"
    )


def _common_gauges(scope: CopiedScope) -> str:
    """Instances that serve anybody, of the types that answered the tenant: its load is read from them."""
    used = f"select agent_type_key from whole.core.fct_invocations where tenant_key = {text(scope.key)}"
    is_common = f"tenant_key is null and source_name = {text(scope.source_name)}"
    return f"({is_common} and agent_type_key in ({used}))"


def _identity(names: Sequence[str]) -> str | None:
    """The key that a dimension is cut down by."""
    return next((key for key in _USED_KEYS if key in names), None)


def _used(
    connection: duckdb.DuckDBPyConnection, key: str, users: Sequence[str], copied: Columns
) -> str:
    """The values of a key in the tables that are copied already, as a query."""
    selects = [
        f"select {column} from {table}"
        for table, names in sorted(copied.items())
        for column in users
        if column in names
    ]
    return " union ".join(selects) or f"select null as {key} where false"


def _copy(connection: duckdb.DuckDBPyConnection, table: str, condition: str) -> int:
    connection.execute(f"create table {table} as from whole.{table} where {condition}")
    row = connection.execute(f"select count(*) from {table}").fetchone()
    return int(row[0]) if row else 0


def _columns(connection: duckdb.DuckDBPyConnection) -> dict[str, list[str]]:
    """The columns of every published table, by its name with the schema."""
    found: dict[str, list[str]] = {}
    for schema, table, column in connection.execute(
        "select schema_name, table_name, column_name from duckdb_columns()"
        " where database_name = 'whole' and not internal order by 1, 2, column_index"
    ).fetchall():
        found.setdefault(f"{schema}.{table}", []).append(column)
    return found


def _copy_functions(connection: duckdb.DuckDBPyConnection) -> dict[str, str]:
    """Make the table functions as they are, but for those that read a withheld table."""
    made = {}
    for name, ddl in connection.execute(
        f"select function_name, ddl from whole.{_FUNCTIONS} order by function_name"
    ).fetchall():
        try:
            # DuckDB looks the tables of a macro up when it makes it.
            connection.execute(ddl)
        except duckdb.CatalogException:
            continue
        made[str(name)] = str(ddl)
    return made


def _look_up_functions(
    connection: duckdb.DuckDBPyConnection, scope: CopiedScope, tables: Mapping[str, int]
) -> dict[str, str]:
    """Make table functions that give the rows of the mart of their name, for the windows held."""
    marts = {table.partition(".")[2]: table for table in tables}
    made = {}
    for name, parameters in connection.execute(
        f"select function_name, parameters from whole.{_FUNCTIONS} order by function_name"
    ).fetchall():
        if name in marts:
            made[str(name)] = _look_up(name, parameters, mart=marts[name], scope=scope)
            connection.execute(made[str(name)])
    return made


def _look_up(name: str, parameters: str, *, mart: str, scope: CopiedScope) -> str:
    defaults = [one.split(" := ") for one in parameters.split(", ") if " := " in one]
    narrowed = " or ".join(
        f"{parameter} is distinct from {default}"
        for parameter, default in defaults
        if parameter not in (*_ASKED, "source")
    )
    return f"""
        create macro {quoted(name)}({parameters}) as table
        with asked as (
            select
                cast(scope as varchar) as asked_scope,
                cast(start_local as timestamp) as asked_start,
                cast(end_local as timestamp) as asked_end,
                cast(time_zone as varchar) as asked_zone,
                cast(source as varchar) as asked_source,
                {narrowed} as is_narrowed
        ),
        held as (
            select
                case
                    when
                        asked.asked_scope is distinct from {text(scope.text)}
                        or coalesce(asked.asked_source, {text(scope.source_name)})
                        <> {text(scope.source_name)}
                        then error({text(f"this database holds {scope.text} alone: ask for that scope")})
                    when asked.is_narrowed
                        then error('this database holds whole windows in USD: leave the parameters after'
                            || ' source at their defaults')
                    when found.held_key is null
                        then error('this database holds the windows of core.dim_windows alone, not '
                            || asked.asked_start || ' to ' || asked.asked_end || ' in '
                            || asked.asked_zone)
                    else found.held_key
                end as held_key
            from asked
            left join (
                select
                    windows.start_local as held_start,
                    windows.end_local as held_end,
                    windows.time_zone as held_zone,
                    min(windows.window_key) as held_key
                from core.dim_windows as windows
                group by windows.start_local, windows.end_local, windows.time_zone
            ) as found
                on cast(found.held_start as timestamp) = asked.asked_start
                and cast(found.held_end as timestamp) = asked.asked_end
                and found.held_zone = asked.asked_zone
        )
        select marts.*
        from held
        inner join {mart} as marts on held.held_key = marts.window_key
    """


def _list_functions(connection: duckdb.DuckDBPyConnection, made: Mapping[str, str]) -> None:
    """The list of table functions says those that work here, each by the statement that made it."""
    connection.execute(f"create table {_FUNCTIONS} as from whole.{_FUNCTIONS} where false")
    for name, ddl in made.items():
        connection.execute(
            f"insert into {_FUNCTIONS} select * replace (? as ddl) from whole.{_FUNCTIONS}"
            " where function_name = ?",
            [ddl, name],
        )


def _copy_comments(connection: duckdb.DuckDBPyConnection) -> None:
    """Give every table, column and function of the copy the description that it has in the whole."""
    statements = connection.execute(
        """
        select 'comment on table "' || schema_name || '"."' || table_name || '" is ', comment
        from duckdb_tables()
        where database_name = 'whole'
            and (schema_name, table_name) in (
                select (schema_name, table_name) from duckdb_tables()
                where database_name = current_database()
            )
        union all
        select
            'comment on column "' || schema_name || '"."' || table_name || '"."' || column_name || '" is ',
            comment
        from duckdb_columns()
        where database_name = 'whole'
            and (schema_name, table_name) in (
                select (schema_name, table_name) from duckdb_tables()
                where database_name = current_database()
            )
        union all
        select 'comment on macro table "' || function_name || '" is ', comment
        from duckdb_functions()
        where database_name = 'whole' and function_type = 'table_macro'
            and function_name in (
                select function_name from duckdb_functions()
                where database_name = current_database() and function_type = 'table_macro'
            )
        """
    ).fetchall()
    connection.execute("begin")
    connection.execute(
        ";\n".join(start + text(comment) for start, comment in statements if comment is not None)
    )
    connection.execute("commit")
