"""Ledger entries for tests that need no lake behind them."""

from __future__ import annotations

from datetime import UTC, datetime

from orchestration.ingest.ledger import LedgerEntry, StreamEntry


def ledger_entry(
    load_id: str,
    *,
    stream: str = "charges",
    event_dates: tuple[str, ...] = ("2026-03-01",),
    rows_landed: int = 2,
    quarantined_by_reason: dict[str, int] | None = None,
) -> LedgerEntry:
    """One load of one stream with a file per event date."""
    reasons = quarantined_by_reason or {}
    rows_quarantined = sum(reasons.values())
    return LedgerEntry(
        source_name="native",
        adapter="native",
        adapter_version="1",
        content_sha256=load_id,
        load_id=load_id,
        path=f"{stream}/{load_id}.ndjson",
        size_bytes=100,
        format="ndjson",
        rows_read=rows_landed + rows_quarantined,
        rows_ignored=0,
        loaded_at=datetime(2026, 3, 2, 6, tzinfo=UTC),
        streams={
            stream: StreamEntry(
                rows_landed=rows_landed,
                rows_quarantined=rows_quarantined,
                min_event_at=datetime(2026, 3, 1, tzinfo=UTC),
                max_event_at=datetime(2026, 3, 1, 12, tzinfo=UTC),
                event_dates=event_dates,
                files=tuple(
                    f"raw/{stream}/event_date={day}/{load_id}.parquet" for day in event_dates
                ),
                quarantined_by_reason=reasons,
            )
        },
    )
