"""Data quality: every row of every stream, refusals by reason, and the gaps of the scope's usage."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from orchestration.reporting.datasets.data_quality import DATA_QUALITY
from orchestration.reporting.datasets.dataset import Answer
from tests.support.questions import question


def _stream(source: str, stream: str, **counts: int) -> dict[str, Any]:
    return {
        "stream_source_name": source,
        "stream_name": stream,
        "load_count": 2,
        "repeated_file_count": 1,
        "rows_read": 12,
        "rows_ignored": 0,
        "rows_landed": 10,
        "rows_quarantined": 2,
        "quarantine_rate": 2 / 12,
        "duplicate_rows": 1,
        "superseded_rows": 0,
        "conflicting_rows": 1,
        "counted_rows": 9,
        "unowned_usage_count": 0,
        "unowned_cost_usd": None,
        "publisher_mismatch_count": 0,
        "first_event_at": datetime(2026, 3, 1),
        "last_event_at": datetime(2026, 3, 2),
        "last_loaded_at": datetime(2026, 3, 3),
        **counts,
    }


def _reason(source: str, reason: str, rows: int) -> dict[str, Any]:
    return {
        "stream_source_name": source,
        "stream_name": "agent_events",
        "reason_code": reason,
        "rows_quarantined": rows,
    }


def _answer() -> Answer:
    return DATA_QUALITY.answer(
        question("30d"),
        {
            "data_quality": [
                _stream("native", "llm_calls", unowned_usage_count=3),
                _stream("other", "agent_events", rows_landed=5),
                _stream("native", "agent_events"),
            ],
            "quarantine_reasons": [
                _reason("native", "out_of_range", 1),
                _reason("native", "bad_time", 2),
                _reason("other", "out_of_range", 4),
            ],
            "usage_summary": [
                {
                    "agent_messages": 9,
                    "anonymous_messages": 1,
                    "unmodelled_count": 2,
                    "usage_count": 8,
                    "unpriced_usage_count": 3,
                    "unpriced_tokens": 400,
                }
            ],
            "usage_daily": [
                {"date_day": date(2026, 3, 2), "has_data": False},
                {"date_day": date(2026, 3, 1), "has_data": True},
            ],
        },
    )


def test_a_stream_is_the_sum_of_its_sources_which_stand_beside() -> None:
    document: Any = _answer().document
    assert [one["stream"] for one in document["streams"]] == ["agent_events", "llm_calls"]
    events = document["streams"][0]
    assert (events["rows_read"], events["rows_landed"], events["duplicates"]) == (24, 15, 2)
    assert events["repeated_files"] == 2
    sources = document["extra"]["sources"]
    assert [(one["source"], one["stream"]) for one in sources] == [
        ("native", "agent_events"),
        ("native", "llm_calls"),
        ("other", "agent_events"),
    ]
    assert sources[1]["usage_without_owner"] == 3
    assert sources[0]["last_loaded_at"] == datetime(2026, 3, 3, tzinfo=UTC)
    assert sources[0]["quarantine_rate"] == Decimal("0.166667")


def test_reasons_come_with_most_rows_first() -> None:
    document: Any = _answer().document
    assert document["quarantine"] == [
        {"stream": "agent_events", "reason": "out_of_range", "rows": 5},
        {"stream": "agent_events", "reason": "bad_time", "rows": 2},
    ]


def test_the_gaps_are_those_of_the_scope_in_the_period() -> None:
    document: Any = _answer().document
    assert document["usage"] == {
        "agent_messages": 9,
        "anonymous_messages": 1,
        "messages_without_model": 2,
        "usage_records": 8,
        "unpriced_usage_records": 3,
        "unpriced_tokens": 400,
        "days_without_data": [date(2026, 3, 2)],
    }


def test_the_streams_of_a_tenant_are_those_of_its_source_and_say_so() -> None:
    document: Any = _answer().document
    assert document["extra"]["streams_of"] == "native"


def test_streams_and_refusals_are_tables() -> None:
    assert [table.name for table in _answer().tables] == ["data_quality", "quarantine"]
