"""How much of a build the embedded engine does at once.

Belongs here: what follows from settings and the lake's rows. Does not belong here: builds.
"""

from pathlib import Path

import pytest

from orchestration.settings import Settings
from orchestration.warehouse.duckdb import EmbeddedDuckDB


@pytest.mark.parametrize(
    ("lake_rows", "threads"),
    [(0, 3), (4_000_000, 3), (4_000_001, 2), (16_000_000, 2), (16_000_001, 1)],
)
def test_fewer_models_are_built_at_once_where_rows_are_many_for_the_memory(
    tmp_path: Path, lake_rows: int, threads: int
) -> None:
    settings = Settings(home=tmp_path, threads=3, memory_gb=2)
    assert EmbeddedDuckDB().build_threads(settings, lake_rows=lake_rows) == threads
