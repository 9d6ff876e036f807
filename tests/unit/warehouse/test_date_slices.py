"""Where the slices of a full build end follows from what loads landed and from the memory there is."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

import pytest

from orchestration.ingest.ledger import LedgerEntry, StreamEntry
from orchestration.warehouse import date_slices
from orchestration.warehouse.date_slices import date_slice_ends


@pytest.fixture(autouse=True)
def _ten_rows_per_gb(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(date_slices, "ROWS_PER_GB", 10)


def _load(streams: Mapping[str, tuple[int, tuple[str, ...]]]) -> LedgerEntry:
    return LedgerEntry(
        source_name="native",
        adapter="native",
        adapter_version="1",
        content_sha256="0",
        load_id="0",
        path="file",
        size_bytes=1,
        format="ndjson",
        rows_read=0,
        rows_ignored=0,
        loaded_at=datetime(2026, 3, 2, tzinfo=UTC),
        streams={
            name: StreamEntry(rows_landed=rows, rows_quarantined=0, event_dates=dates)
            for name, (rows, dates) in streams.items()
        },
    )


def test_days_that_fit_together_are_one_slice_whatever_load_and_stream_they_came_by() -> None:
    loads = [
        _load({"agent_events": (6, ("2026-03-01",)), "llm_calls": (3, ("2026-03-01",))}),
        # Four rows on each of two days.
        _load({"agent_events": (8, ("2026-03-02", "2026-03-03"))}),
        _load({"agent_events": (7, ("2026-03-04",))}),
    ]
    # 9 | 4 + 4 | 7 of at most 10.
    assert date_slice_ends(loads, memory_gb=1) == ["2026-03-01", "2026-03-03"]
    # 9 + 4 + 4 | 7 of at most 20.
    assert date_slice_ends(loads, memory_gb=2) == ["2026-03-03"]


def test_what_fits_as_a_whole_is_not_cut() -> None:
    assert date_slice_ends([_load({"tasks": (10, ("2026-03-01",))})], memory_gb=1) == []
    assert date_slice_ends([], memory_gb=1) == []


def test_a_day_of_more_rows_than_fit_is_a_slice_of_its_own() -> None:
    days = [f"2026-03-0{number}" for number in (1, 2, 3)]
    loads = [_load({"tasks": (rows, (day,))}) for rows, day in zip((1, 50, 1), days, strict=True)]
    assert date_slice_ends(loads, memory_gb=1) == ["2026-03-01", "2026-03-02"]
