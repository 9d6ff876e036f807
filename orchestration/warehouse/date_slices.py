"""The spans of event dates that a full build makes its facts of, one after the other.

A query over all of a long history joins as many wide rows as ever landed, and what memory does not hold goes
to disk: answers with their requests, of 100 million events, took more than 45 GB there. A span at a time
takes what a span needs.

Belongs here: where the spans end. Does not belong here: making a fact of them
(dbt_project/macros/incremental/date_slices.sql).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from orchestration.ingest.ledger import LedgerEntry

# Rows of all streams, two fifths of them events, which four models at once make tables of. Of twice as many,
# answers with their requests went to disk for minutes.
ROWS_PER_GB = 2_000_000


def date_slice_ends(entries: Iterable[LedgerEntry], *, memory_gb: float) -> list[str]:
    """The last dates of all spans but the last one, which has no end; none where one span holds everything.

    A load says which dates it touched and how many rows it landed, not how many on each: they count as evenly
    spread over its dates.
    """
    rows: dict[str, float] = defaultdict(float)
    for entry in entries:
        for stream in entry.streams.values():
            for day in stream.event_dates:
                rows[day] += stream.rows_landed / len(stream.event_dates)
    ends: list[str] = []
    held, before = 0.0, None
    for day, count in sorted(rows.items()):
        if before is not None and held + count > memory_gb * ROWS_PER_GB:
            ends.append(before)
            held = 0.0
        held, before = held + count, day
    return ends
