"""Flat tables as CSV and Parquet.

Belongs here: a typed table and the two ways of writing it. Does not belong here: what a table holds
(datasets/, report sections) or where its file goes.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from pathlib import Path

import duckdb

from orchestration.reporting.documents import number_text, time_text

Cell = str | int | bool | Decimal | date | None

# A spreadsheet runs a cell that begins with one of these as a formula.
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")

_ROWS_PER_INSERT = 500


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column: its name in the file and its DuckDB type, which Parquet keeps."""

    name: str
    type: str


@dataclass(frozen=True, kw_only=True)
class Table:
    """Rows under typed columns; ``name`` tells the tables of one dataset apart."""

    name: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]

    @classmethod
    def of(
        cls, name: str, types: Mapping[str, str], records: Iterable[Mapping[str, Cell]]
    ) -> Table:
        """A table with one column per entry of ``types``; other keys of a record are left out."""
        return cls(
            name=name,
            columns=tuple(Column(name=key, type=kind) for key, kind in types.items()),
            rows=tuple(tuple(record[key] for key in types) for record in records),
        )


def to_csv(table: Table) -> str:
    """RFC 4180 text with a header; unknown is empty, and no cell can run as a formula."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow([column.name for column in table.columns])
    writer.writerows([_csv_cell(cell) for cell in row] for row in table.rows)
    return text.getvalue()


def write_parquet(table: Table, path: Path) -> None:
    """Write the table as one Parquet file with the columns' types."""
    columns = ", ".join(f"{_quoted(column.name)} {column.type}" for column in table.columns)
    row = f"({', '.join('?' * len(table.columns))})"
    with duckdb.connect() as connection:
        connection.execute(f"create table flat ({columns})")
        for start in range(0, len(table.rows), _ROWS_PER_INSERT):
            rows = table.rows[start : start + _ROWS_PER_INSERT]
            connection.execute(
                f"insert into flat values {', '.join([row] * len(rows))}",
                [cell for one in rows for cell in one],
            )
        target = "'" + str(path).replace("'", "''") + "'"
        connection.execute(f"copy flat to {target} (format parquet, compression zstd)")


def _csv_cell(cell: Cell) -> str:
    match cell:
        case None:
            return ""
        case bool():
            return "true" if cell else "false"
        case Decimal():
            return number_text(cell)
        case date():
            return time_text(cell)
        case int():
            return str(cell)
        case _:
            return f"'{cell}" if cell.startswith(FORMULA_STARTS) and not _is_number(cell) else cell


def _is_number(text: str) -> bool:
    try:
        return Decimal(text).is_finite()
    except InvalidOperation:
        return False


def _quoted(identifier: str) -> str:
    return '"' + identifier.replace('"', '""') + '"'
