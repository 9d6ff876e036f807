"""A table's files are written where something changed, and are the files before where nothing did."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import duckdb
import pytest

from orchestration.warehouse.publication_parquet import write_parquet
from orchestration.warehouse.unpublished import Change

FACT, MART = Path("core", "fct_calls"), Path("usage", "usage_daily")


@pytest.fixture
def mart() -> Iterator[duckdb.DuckDBPyConnection]:
    """Calls of the last day of January, the first of February and a leap day, one a day."""
    with duckdb.connect() as connection:
        connection.execute("create schema core")
        connection.execute("create schema usage")
        connection.execute(
            "create table core.fct_calls as select unnest([date '2028-01-31', date '2028-02-01',"
            " date '2028-02-29']) as event_date, 1 as calls"
        )
        connection.execute("create table usage.usage_daily as select 3 as calls")
        yield connection


def _publish(
    mart: duckdb.DuckDBPyConnection, root: Path, *, base: Path | None = None, fact: Change = None
) -> None:
    write_parquet(mart, FACT, root=root, base=base, change=fact, is_by_month=True)
    write_parquet(mart, MART, root=root, base=base, change=frozenset(), is_by_month=False)


def _days(root: Path, month: str) -> list[str]:
    found = duckdb.sql(f"select event_date from '{root / FACT / month}.parquet' order by all")
    return [str(day) for (day,) in found.fetchall()]


def test_a_fact_has_a_file_for_each_month_and_other_tables_have_one(
    mart: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    _publish(mart, tmp_path)
    assert _days(tmp_path, "2028-01") == ["2028-01-31"]
    assert _days(tmp_path, "2028-02") == ["2028-02-01", "2028-02-29"]
    assert len(list((tmp_path / FACT).iterdir())) == 2
    assert (tmp_path / "usage" / "usage_daily.parquet").is_file()


def test_months_without_a_changed_day_are_the_files_before(
    mart: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    before, after = tmp_path / "before", tmp_path / "after"
    _publish(mart, before)
    mart.execute("delete from core.fct_calls where event_date = '2028-02-01'")
    mart.execute("insert into core.fct_calls values ('2028-03-01', 2)")
    changed = frozenset({date(2028, 2, 1), date(2028, 3, 1)})
    _publish(mart, after, base=before, fact=changed)
    assert _days(after, "2028-02") == ["2028-02-29"]
    assert _days(after, "2028-03") == ["2028-03-01"]
    assert (after / FACT / "2028-01.parquet").samefile(before / FACT / "2028-01.parquet")
    assert (after / "usage/usage_daily.parquet").samefile(before / "usage/usage_daily.parquet")
    assert _days(before, "2028-02") == ["2028-02-01", "2028-02-29"]


def test_where_there_are_no_links_files_are_copied(
    mart: duckdb.DuckDBPyConnection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Path) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    before, after = tmp_path / "before", tmp_path / "after"
    _publish(mart, before)
    monkeypatch.setattr(os, "link", refuse)
    _publish(mart, after, base=before, fact=frozenset())
    assert _days(after, "2028-02") == ["2028-02-01", "2028-02-29"]
    assert not (after / FACT / "2028-02.parquet").samefile(before / FACT / "2028-02.parquet")


def test_a_month_that_lost_its_last_day_has_no_file(
    mart: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    before, after = tmp_path / "before", tmp_path / "after"
    _publish(mart, before)
    mart.execute("delete from core.fct_calls where event_date < '2028-02-01'")
    _publish(mart, after, base=before, fact=frozenset({date(2028, 1, 31)}))
    assert [path.name for path in (after / FACT).iterdir()] == ["2028-02.parquet"]


def test_a_file_that_is_not_there_is_written(
    mart: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    before, after = tmp_path / "before", tmp_path / "after"
    _publish(mart, before)
    (before / FACT / "2028-01.parquet").unlink()
    _publish(mart, after, base=before, fact=frozenset())
    assert _days(after, "2028-01") == ["2028-01-31"]


def test_a_fact_without_rows_has_a_file_with_its_columns(
    mart: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    mart.execute("delete from core.fct_calls")
    _publish(mart, tmp_path)
    every = duckdb.sql(f"from '{tmp_path / FACT}/*.parquet'")
    assert every.columns == ["event_date", "calls"]
    assert every.fetchall() == []
