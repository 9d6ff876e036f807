"""The Parquet files of a publication, of which those that would be the same are links to the files before.

A file a month bounds what one more day writes: of a fact of three years a thirtieth of its rows. A file a day
would be a thousand files to open for a reader, half a millisecond of the processor each.

Belongs here: which files a table has, and writing or linking them. Does not belong here: what changed
(warehouse/unpublished).
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import duckdb

from orchestration.warehouse.sql_text import quoted, text
from orchestration.warehouse.unpublished import Change


def write_parquet(
    connection: duckdb.DuckDBPyConnection,
    table: Path,
    *,
    root: Path,
    base: Path | None,
    change: Change,
    is_by_month: bool,
) -> None:
    """Write the files of ``table``, its schema and name, below ``root``.

    ``base`` is the folder of the publication that it has changed by ``change`` since. ``is_by_month`` makes
    a file for each month of event days.
    """
    rows = f"from {quoted(table.parent.name)}.{quoted(table.name)}"
    if not is_by_month:
        file = table.with_suffix(".parquet")
        if change is not None and _link(base, root, file):
            return
        _write(connection, rows, root / file)
        return
    months = connection.execute(
        f"select distinct date_trunc('month', event_date)::date {rows} order by all"
    ).fetchall()
    changed = {day.replace(day=1) for day in change} if change is not None else None
    for (month,) in months:
        file = table / f"{month:%Y-%m}.parquet"
        if changed is not None and month not in changed and _link(base, root, file):
            continue
        first = f"date {text(month)}"
        _write(
            connection,
            f"{rows} where event_date between {first} and last_day({first})",
            root / file,
        )
    if not months:
        # Who reads all files of a folder finds the columns.
        _write(connection, rows, root / table / "empty.parquet")


def _link(base: Path | None, root: Path, file: Path) -> bool:
    """Let a file of the publication before be in this one, too; false where there is none."""
    if base is None or not (base / file).exists():
        return False
    (root / file).parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(base / file, root / file)
    except OSError:
        # Some network and container file systems know no links.
        shutil.copyfile(base / file, root / file)
    return True


def _write(connection: duckdb.DuckDBPyConnection, rows: str, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    connection.execute(f"copy ({rows}) to {text(target)} (format parquet, compression zstd)")
