"""The benchmark compares like with like: what it calls the floor writes the rows that are loaded."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.benchmarks.ingest.events import write_events
from tests.benchmarks.ingest.measure import run_contender


@pytest.mark.parametrize("name", ["events.ndjson", "events.parquet"])
def test_the_floor_and_the_product_write_the_same_rows_and_tokens(
    name: str, tmp_path: Path
) -> None:
    source = tmp_path / name
    write_events(source, count=20_000)
    found = [
        run_contender(tool, source=source, scratch=tmp_path, python=Path(sys.executable))
        for tool in ("floor", "ours")
    ]
    assert [run.rows for run in found] == [20_000, 20_000]
    assert found[0].input_tokens == found[1].input_tokens > 0
