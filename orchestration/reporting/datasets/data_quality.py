"""``data-quality``: what became of every row read, and what a reader must know of the rest (D-45).

Belongs here: the fields and order of this shape. Does not belong here: why a row is refused or which
copy of it counts.

The streams are those of the scope's source, whatever the period: a file is no tenant's. What is
under ``usage`` is the scope's own, of the period.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime

from orchestration.reporting.datasets.dataset import (
    Answer,
    Dataset,
    Figures,
    Question,
    about,
    count,
    needs,
    only_row,
)
from orchestration.reporting.documents import Json
from orchestration.reporting.query import Row
from orchestration.reporting.rounding import exact, half_up
from orchestration.reporting.scopes import ScopeKind
from orchestration.reporting.tables import Cell, Table

# The columns of the summary by the names of this shape.
_COUNTS = {
    "rows_read": "rows_read",
    "rows_landed": "rows_landed",
    "rows_quarantined": "rows_quarantined",
    "duplicates": "duplicate_rows",
    "superseded": "superseded_rows",
    "repeated_files": "repeated_file_count",
}
_MORE_COUNTS = {
    "files": "load_count",
    "rows_ignored": "rows_ignored",
    "conflicting_copies": "conflicting_rows",
    "counted_rows": "counted_rows",
    "usage_without_owner": "unowned_usage_count",
    "publisher_mismatches": "publisher_mismatch_count",
}


def _answer(question: Question, figures: Figures) -> Answer:
    by_stream: dict[str, list[Row]] = defaultdict(list)
    for row in figures["data_quality"]:
        by_stream[row["stream_name"]].append(row)
    streams = [
        {"stream": stream, **_sums(rows, _COUNTS)} for stream, rows in sorted(by_stream.items())
    ]
    refused: dict[tuple[str, str], int] = defaultdict(int)
    for row in figures["quarantine_reasons"]:
        refused[row["stream_name"], row["reason_code"]] += count(row, "rows_quarantined")
    quarantine: list[dict[str, Cell]] = [
        {"stream": stream, "reason": reason, "rows": rows}
        for (stream, reason), rows in sorted(
            refused.items(), key=lambda item: (item[0][0], -item[1], item[0][1])
        )
    ]
    document: dict[str, Json] = {
        "streams": streams,
        "quarantine": quarantine,
        "usage": _usage(figures),
        "extra": {
            **about(question),
            "streams_of": question.scope.source_name or "all sources",
            "sources": _sources(figures["data_quality"]),
        },
    }
    return Answer(
        document=document,
        tables=(
            Table.of(
                "data_quality",
                {"stream": "VARCHAR", **dict.fromkeys(_COUNTS, "BIGINT")},
                streams,
            ),
            Table.of(
                "quarantine",
                {"stream": "VARCHAR", "reason": "VARCHAR", "rows": "BIGINT"},
                quarantine,
            ),
        ),
    )


def _usage(figures: Figures) -> dict[str, Json]:
    """What of the scope's figures rests on less than all there should be."""
    usage = only_row(figures, "usage_summary")
    return {
        "agent_messages": count(usage, "agent_messages"),
        "anonymous_messages": count(usage, "anonymous_messages"),
        "messages_without_model": count(usage, "unmodelled_count"),
        "usage_records": count(usage, "usage_count"),
        "unpriced_usage_records": count(usage, "unpriced_usage_count"),
        "unpriced_tokens": count(usage, "unpriced_tokens"),
        "days_without_data": sorted(
            row["date_day"] for row in figures["usage_daily"] if not row["has_data"]
        ),
    }


def _sources(rows: Sequence[Row]) -> list[Json]:
    """The same by source, with everything else that is known of a stream."""
    ordered = sorted(rows, key=lambda row: (row["stream_source_name"], row["stream_name"]))
    return [
        {
            "source": row["stream_source_name"],
            "stream": row["stream_name"],
            **_sums([row], {**_COUNTS, **_MORE_COUNTS}),
            "quarantine_rate": half_up(row["quarantine_rate"], 6),
            "cost_without_owner_usd": half_up(
                None if row["unowned_cost_usd"] is None else exact(row["unowned_cost_usd"]), 2
            ),
            "first_event_at": _instant(row["first_event_at"]),
            "last_event_at": _instant(row["last_event_at"]),
            "last_loaded_at": _instant(row["last_loaded_at"]),
        }
        for row in ordered
    ]


def _sums(rows: Sequence[Row], columns: dict[str, str]) -> dict[str, Cell]:
    return {field: sum(count(row, column) for row in rows) for field, column in columns.items()}


def _instant(moment: datetime | None) -> datetime | None:
    return None if moment is None else moment.replace(tzinfo=UTC)


DATA_QUALITY = Dataset(
    name="data-quality",
    default_period="30d",
    scopes=frozenset(ScopeKind),
    needs=needs("data_quality", "quarantine_reasons", "usage_summary", "usage_daily"),
    answer=_answer,
)
