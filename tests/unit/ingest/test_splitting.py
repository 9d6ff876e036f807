"""A file is checked to be whole and cut by its own size, never by the machine's."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestration.ingest import splitting
from orchestration.settings import Settings
from tests.support.landing import load, ndjson, put, put_with_duckdb, row_of, tree


def test_the_number_of_threads_changes_no_byte(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Small pieces, so that one file is read by several threads.
    monkeypatch.setattr(splitting, "_WHOLE_BYTES", 1_000)
    monkeypatch.setattr(splitting, "_LARGEST_PIECE_BYTES", 2_000)
    rows = [
        row_of("agent_events", id=f"e-{number}", timestamp=f"2026-03-0{1 + number % 5}T10:00:00Z")
        for number in range(100)
    ]
    rows[50]["event_type"] = "unheard of"
    rows[60]["timestamp"] = "2026-03-20T00:00:00Z"
    trees = []
    for threads in (1, 4):
        settings = Settings(home=tmp_path / str(threads), threads=threads)
        put(settings, "agent_events/a.ndjson", ndjson(rows))
        put(settings, "agent_events/b.ndjson.gz", ndjson(rows[::-1]))
        report = load(settings)
        assert (report.rows_read, report.rows_landed, report.rows_quarantined) == (200, 196, 4)
        trees.append(tree(settings.lake))
    assert trees[0] == trees[1]


def test_a_zstd_file_that_ends_too_early_is_refused(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, threads=1)
    path = put_with_duckdb(settings, "publishers/a.ndjson.zst", [row_of("publishers")] * 50)
    path.write_bytes(path.read_bytes()[:-6])
    (outcome,) = load(settings).files
    assert outcome.error == (
        "publishers/a.ndjson.zst: is a zstd file that ends too early; deliver it again"
    )
