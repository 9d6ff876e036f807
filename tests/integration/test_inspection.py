"""What is said of the size of a table that was built: of many rows, without reading all of them."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from orchestration.settings import Settings
from orchestration.warehouse.inspection import inspect

_ROWS = 1_200_000


def test_the_bytes_of_many_rows_are_near_what_their_file_takes(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    settings.warehouse_file.parent.mkdir(parents=True)
    with duckdb.connect(
        str(settings.warehouse_file), config={"storage_compatibility_version": "v1.4.0"}
    ) as warehouse:
        empty = settings.warehouse_file.stat().st_size
        warehouse.execute("create schema core")
        warehouse.execute(
            "create table core.fct_many as select md5(number::varchar) as key, number * 7 as amount"
            f" from range({_ROWS}) as numbers (number)"
        )
    taken = settings.warehouse_file.stat().st_size - empty
    node = {
        "resource_type": "model",
        "schema": "core",
        "alias": "fct_many",
        "config": {"materialized": "table", "meta": {}},
    }
    found = inspect(settings, [node]).tables["core.fct_many"]
    assert found.row_count == _ROWS
    assert found.size_bytes == pytest.approx(taken, rel=0.1)
    assert [path.name for path in settings.warehouse_file.parent.iterdir()] == [
        settings.warehouse_file.name
    ]
