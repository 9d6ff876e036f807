"""Tables are safe CSV and typed Parquet."""

import csv
import io
from datetime import date
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

from orchestration.reporting.tables import Cell, Table, to_csv, write_parquet

_TYPES = {
    "name": "VARCHAR",
    "cost": "DECIMAL(38,2)",
    "day": "DATE",
    "open": "BOOLEAN",
    "n": "BIGINT",
}


def _table(*records: dict[str, Cell]) -> Table:
    return Table.of("things", _TYPES, records)


def _record(name: str, **other: Cell) -> dict[str, Cell]:
    return {"name": name, "cost": None, "day": None, "open": None, "n": None, **other}


def test_csv_has_a_header_crlf_lines_and_empty_cells_for_unknown() -> None:
    table = _table(
        _record("a", cost=Decimal("18.40"), day=date(2026, 3, 1), open=False, n=0), _record("b")
    )
    assert to_csv(table) == "name,cost,day,open,n\r\na,18.4,2026-03-01,false,0\r\nb,,,,\r\n"


@pytest.mark.parametrize("name", ["=1+1", "+cmd|' /C calc'!A0", "-x", "@SUM(A1)", "\tx", "\rx"])
def test_a_cell_that_a_spreadsheet_would_run_is_shown_as_text(name: str) -> None:
    rows = list(csv.reader(io.StringIO(to_csv(_table(_record(name))), newline="")))
    assert rows[1][0] == f"'{name}"


@pytest.mark.parametrize("name", ["-5", "+4.2", "-1e3", "plain", "a=b", "1-2"])
def test_numbers_and_harmless_text_stay_as_they_are(name: str) -> None:
    rows = list(csv.reader(io.StringIO(to_csv(_table(_record(name))), newline="")))
    assert rows[1][0] == name


def test_quotes_commas_and_line_breaks_survive() -> None:
    name = 'say "hi", then\r\nleave'
    rows = list(csv.reader(io.StringIO(to_csv(_table(_record(name))), newline="")))
    assert rows[1][0] == name


def test_negative_figures_are_not_taken_for_formulas() -> None:
    assert to_csv(_table(_record("x", cost=Decimal("-3.50"), n=-2))).endswith("x,-3.5,,,-2\r\n")


def test_parquet_keeps_the_types_of_the_columns(tmp_path: Path) -> None:
    path = tmp_path / "it's.parquet"
    write_parquet(_table(_record("=x", cost=Decimal("1.20"), day=date(2026, 3, 1), n=3)), path)
    read = duckdb.read_parquet(str(path))
    assert dict(zip(read.columns, map(str, read.types), strict=True)) == _TYPES
    assert read.fetchall() == [("=x", Decimal("1.20"), date(2026, 3, 1), None, 3)]


@pytest.mark.parametrize("count", [0, 499, 500, 501, 1001])
def test_parquet_holds_every_row_in_order(tmp_path: Path, count: int) -> None:
    path = tmp_path / "rows.parquet"
    write_parquet(_table(*(_record(str(n), n=n) for n in range(count))), path)
    assert [row[4] for row in duckdb.read_parquet(str(path)).fetchall()] == list(range(count))
