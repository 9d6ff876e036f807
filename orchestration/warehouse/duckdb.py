"""The embedded engine: the candidate is one DuckDB file of this home, and needs no set-up.

Belongs here: that file. Does not belong here: what is published from it (warehouse/publishing).
"""

from __future__ import annotations

from pathlib import Path

import duckdb

from orchestration.settings import Settings
from orchestration.warehouse.engines import Engine
from orchestration.warehouse.sql_text import text

# A query by itself is at work on every core. Several fill the gaps that dbt leaves, and take memory from
# each other: four at once of 17 million rows with 3 GB put 10 GB to disk, and counts by key of 167 million
# with 8 GB met the end of it.
_ROWS_PER_GB_OF_ALL, _ROWS_PER_GB_OF_TWO = 2_000_000, 8_000_000


class EmbeddedDuckDB(Engine):
    """One file, written by one process at a time and read by none meanwhile."""

    def check(self, settings: Settings) -> None:
        """A file can always be made."""

    def has_candidate(self, settings: Settings) -> bool:
        return settings.warehouse_file.exists()

    def attach_candidate(
        self, connection: duckdb.DuckDBPyConnection, settings: Settings, *, name: str
    ) -> None:
        connection.execute(f"attach {text(settings.warehouse_file)} as {name} (read_only)")

    def build_threads(self, settings: Settings, *, lake_rows: int) -> int:
        """Two or one where the rows are many for the memory, which fewer queries then share."""
        if lake_rows > settings.memory_gb * _ROWS_PER_GB_OF_TWO:
            return 1
        if lake_rows > settings.memory_gb * _ROWS_PER_GB_OF_ALL:
            return min(2, settings.threads)
        return settings.threads

    def prepare_build(self, settings: Settings, *, is_full_refresh: bool) -> None:
        """dbt replaces what there is."""

    def forget_candidate(self, settings: Settings) -> None:
        # Deleted rows stay in the free blocks of a file.
        for path in (
            settings.warehouse_file,
            settings.warehouse_file.with_name(f"{settings.warehouse_file.name}.wal"),
        ):
            path.unlink(missing_ok=True)

    def keep_publication(self, settings: Settings, *, publication_id: int, folder: Path) -> None:
        """All of it is in the folder."""

    def forget_publications(self, settings: Settings, *, at_once: bool) -> None:
        """They went with their folders."""


ENGINE = EmbeddedDuckDB()
