"""How much of a build the embedded engine does at once.

Belongs here: what follows from settings and the lake's rows. Does not belong here: builds.
"""

from pathlib import Path

import pytest

from orchestration.settings import Settings
from orchestration.warehouse.duckdb import EmbeddedDuckDB


@pytest.mark.parametrize(
    ("lake_rows", "threads"), [(0, 3), (16_000_000, 3), (16_000_001, 1), (200_000_000, 1)]
)
def test_models_are_built_one_by_one_where_rows_are_many_for_the_memory(
    tmp_path: Path, lake_rows: int, threads: int
) -> None:
    settings = Settings(home=tmp_path, threads=3, memory_gb=2)
    assert EmbeddedDuckDB().build_threads(settings, lake_rows=lake_rows) == threads
