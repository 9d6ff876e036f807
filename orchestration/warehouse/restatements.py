"""Which published figures differ from the publication before (D-63).

A figure is a metric of the catalogue in a table over windows. Two publications are compared in the windows
that both hold and that were complete in the earlier one: an open window changes because time goes on, which
restates nothing. Windows are matched by what they are (scope, zone, span), not by what they are called: the
week that was last is the week before last seven days on.

Belongs here: that comparison. Does not belong here: the columns of the result (warehouse/history), and what a
report says about it (reporting/).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb

from orchestration.warehouse.history import RESTATEMENTS
from orchestration.warehouse.sql_text import quoted, text

_WINDOW = ("scope_kind", "scope_id", "source_name", "time_zone", "start_local", "end_local")
_NUMBERS = ("BIGINT", "INTEGER", "HUGEINT", "DOUBLE", "DECIMAL")


@dataclass(frozen=True, kw_only=True)
class WindowTable:
    """A table over windows: the columns beside the window that tell its rows apart."""

    schema: str
    name: str
    subject: Sequence[str]


def note_restatements(
    connection: duckdb.DuckDBPyConnection,
    *,
    before: Path,
    tables: Sequence[WindowTable],
    publication_id: int,
    cause: str,
    erased: Sequence[str] = (),
) -> int:
    """Fill ``meta.restatements`` with those of the publication in ``before`` and the new ones.

    ``connection`` is the new publication, complete but for this. What is of ``erased`` names never gets
    into its file: a row that is deleted from a file stays in its bytes. Returns how many are new.
    """
    connection.execute(f"attach {text(before)} as before (read_only)")
    try:
        old, new = _columns(connection)
        if ("meta", RESTATEMENTS.name) in old:
            names = ", ".join(RESTATEMENTS.columns)
            connection.execute(
                f"insert into meta.restatements by name select {names} from before.meta.restatements"
                f" where {_of_nobody_in(erased)}"
            )
        if not {("core", "dim_windows"), ("meta", "metric_catalogue")} <= old.keys():
            return 0
        _match_windows(connection)
        # A table may show a metric under another of its names; the restatement says its key.
        metrics = dict(
            connection.execute(
                "select unnest(list_concat([metric_key], string_split(coalesce(aliases, ''), ' '))),"
                " metric_key from meta.metric_catalogue"
            ).fetchall()
        )
        count = 0
        for table in tables:
            place = (table.schema, table.name)
            if place in old and place in new:
                count += _compare(
                    connection,
                    table,
                    metrics=_shared_metrics(old[place], new[place], metrics),
                    is_suppressible="is_suppressed" in old[place].keys() & new[place].keys(),
                    publication_id=publication_id,
                    cause=cause,
                    erased=erased,
                )
        return count
    finally:
        connection.execute("drop table if exists same_windows")
        connection.execute("detach before")


def _match_windows(connection: duckdb.DuckDBPyConnection) -> None:
    """One row per window that both publications hold. A span that is two standard windows (the last 7 days
    on a Monday are last week) is compared once."""
    identity = (
        "scope_kind",
        "scope_id",
        "source_name",
        "agent_key",
        "time_zone",
        "start_at",
        "end_at",
    )
    same = " and ".join(f"old.{column} is not distinct from new.{column}" for column in identity)
    once = (
        "select *, row_number() over (partition by "
        + ", ".join(identity)
        + " order by window_key) as place from {}"
    )
    connection.execute(
        "create temp table same_windows as"
        " select old.window_key as before_key, new.window_key as after_key,"
        f" {', '.join(f'new.{column}' for column in (*_WINDOW, 'start_at', 'end_at'))}"
        f" from ({once.format('before.core.dim_windows')}) as old"
        f" inner join ({once.format('core.dim_windows')}) as new on {same}"
        " where old.place = 1 and new.place = 1 and not old.is_partial"
    )


def _compare(
    connection: duckdb.DuckDBPyConnection,
    table: WindowTable,
    *,
    metrics: Mapping[str, str],
    is_suppressible: bool,
    publication_id: int,
    cause: str,
    erased: Sequence[str],
) -> int:
    if not metrics:
        return 0
    qualified = f"{quoted(table.schema)}.{quoted(table.name)}"
    on = ["old.before_key = new.before_key"]
    on += [f"old.{quoted(name)} is not distinct from new.{quoted(name)}" for name in table.subject]
    subject = ", '; ', ".join(
        f"'{name}=', coalesce(cast(coalesce(new.{quoted(name)}, old.{quoted(name)}) as varchar), 'none')"
        for name in table.subject
    )
    changed = " or ".join(
        f"old.{quoted(metric)} is distinct from new.{quoted(metric)}" for metric in metrics
    )
    # A withheld cell is no figure: becoming withheld, or visible, restates nothing.
    visible = (
        "not coalesce(old.is_suppressed, false) and not coalesce(new.is_suppressed, false)"
        if is_suppressible
        else "true"
    )
    members = ", ".join(
        f"{{'metric_key': {text(key)},"
        f" 'before_value': try_cast(old.{quoted(metric)} as decimal(38, 12)),"
        f" 'after_value': try_cast(new.{quoted(metric)} as decimal(38, 12))}}"
        for metric, key in metrics.items()
    )
    window_columns = (*_WINDOW, "start_at", "end_at")
    window = ", ".join(f"coalesce(new.{name}, old.{name}) as {name}" for name in window_columns)
    shown = [*table.subject, *metrics, *(["is_suppressed"] if is_suppressible else [])]
    columns = ", ".join(f"facts.{quoted(name)}" for name in shown)

    def side(catalog: str, key: str) -> str:
        return (
            f"(select same.*, {columns} from same_windows as same"
            f" inner join {catalog}{qualified} as facts on facts.window_key = same.{key})"
        )

    found = connection.execute(
        f"""
        insert into meta.restatements
        select
            {publication_id}, (select as_of from meta.run_context), {text(cause)},
            {text(f"{table.schema}.{table.name}")}, {", ".join(window_columns)}, subject,
            figure.metric_key, figure.before_value, figure.after_value
        from (
            select
                {window},
                {f"concat({subject})" if subject else "null"} as subject,
                unnest([{members}]) as figure
            from {side("before.", "before_key")} as old
            full join {side("", "after_key")} as new
                on {" and ".join(on)}
            where ({changed}) and {visible}
        )
        where
            figure.before_value is distinct from figure.after_value
            and {_of_nobody_in(erased)}
        order by all
        """
    ).fetchone()
    return int(found[0]) if found else 0


def _of_nobody_in(erased: Sequence[str]) -> str:
    """SQL: whether a restatement is of none of these names."""
    return " and ".join(
        [
            "true",
            *(
                f"scope_id is distinct from {text(name)}"
                f" and not contains(coalesce(subject, ''), {text(name)})"
                for name in erased
            ),
        ]
    )


def _shared_metrics(
    old: Mapping[str, str], new: Mapping[str, str], metrics: Mapping[str, str]
) -> dict[str, str]:
    """The metric of each column of numbers that both publications have."""
    return {
        name: metrics[name]
        for name in sorted(metrics.keys() & old.keys() & new.keys())
        if old[name].startswith(_NUMBERS) and new[name].startswith(_NUMBERS)
    }


Columns = dict[tuple[str, str], dict[str, str]]


def _columns(connection: duckdb.DuckDBPyConnection) -> tuple[Columns, Columns]:
    """The types of all columns by table, of the publication before and of the new one. In one query: the
    first look at an attached file's columns takes half a second, and every look looks at all files."""
    old: Columns = {}
    new: Columns = {}
    for is_old, schema, table, column, kind in connection.execute(
        "select database_name = 'before', schema_name, table_name, column_name, data_type"
        " from duckdb_columns()"
        " where database_name in ('before', current_database()) and not internal"
    ).fetchall():
        (old if is_old else new).setdefault((schema, table), {})[column] = kind
    return old, new
