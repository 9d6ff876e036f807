"""What the platform's own tables of responses and audits land as, field by field."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from pathlib import Path

import pytest

from orchestration.settings import Settings
from tests.support.landing import landed, put, quarantined
from tests.support.samples import (
    SAMPLES,
    deliver,
    deployment,
    given,
    lake_bytes,
    load_samples,
    rows_by_key,
)

RESPONSES, AUDITS = "agent_usage/agent_usage_events.csv", "agent_usage/audits.csv"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    settings = deployment(tmp_path, sample="agent_usage")
    deliver(settings, RESPONSES)
    deliver(settings, AUDITS)
    load_samples(settings)
    return settings


def at(text: str) -> datetime:
    return datetime.fromisoformat(f"2026-03-01 {text}")


def test_a_response_is_a_completed_invocation_with_its_model_time(settings: Settings) -> None:
    events = rows_by_key(settings, "agent_events", key="id")
    assert given(events["u-1"], without=["user_id"]) == {
        "id": "u-1",
        "event_type": "agent_completed",
        "agent_id": "11",
        "publisher_id": "acme",
        "tenant_id": "501",
        "timestamp": at("10:00:00"),
        "invocation_id": "u-1",
        "session_id": "chat-1",
        "instance_id": "i-1",
        "model": "gpt-4o-mini",
        "input_tokens": 300,
        "output_tokens": 82,
        "llm_latency_ms": 1450,
    }
    assert events["u-1"]["user_id"] is not None


def test_input_that_is_not_recorded_is_the_total_without_the_output(settings: Settings) -> None:
    event = rows_by_key(settings, "agent_events", key="id")["u-2"]
    assert (event["input_tokens"], event["output_tokens"]) == (200, 50)
    assert event["llm_latency_ms"] == 900


def test_a_response_with_an_error_status_is_an_errored_invocation(settings: Settings) -> None:
    event = rows_by_key(settings, "agent_events", key="id")["u-3"]
    assert (event["event_type"], event["error_type"]) == ("agent_errored", "error")


def test_an_agent_gets_a_state_whenever_its_type_changes(settings: Settings) -> None:
    states = landed(settings, "agents")
    assert [given(state) for state in states] == [
        {
            "agent_id": "11",
            "agent_name": "11",
            "agent_type_id": "3",
            "agent_type_name": "Order helper",
            "publisher_id": "acme",
            "updated_at": at("10:00:00"),
        },
        {
            "agent_id": "11",
            "agent_name": "11",
            "agent_type_id": "4",
            "agent_type_name": "Order expert",
            "publisher_id": "acme",
            "updated_at": at("10:10:00"),
        },
    ]


def test_each_row_of_the_audit_table_is_an_audit_of_its_response(settings: Settings) -> None:
    audits = rows_by_key(settings, "audit_events", key="audit_id")
    assert given(audits["u-1:audit"]) == {
        "audit_id": "u-1:audit",
        "tenant_id": "501",
        "agent_id": "11",
        "timestamp": at("10:00:05"),
        "invocation_id": "u-1",
        "toxicity_score": Decimal("0.02"),
    }
    assert audits["u-1:EMAIL_ADDRESS"]["pii_redactions"] == {"EMAIL_ADDRESS": 2}
    assert audits["u-1:EMAIL_ADDRESS"]["invocation_id"] == "u-1"
    # A row per redaction need not count it.
    assert audits["u-1:PHONE_NUMBER"]["pii_redactions"] == {"PHONE_NUMBER": 1}
    alone = audits["a-4"]
    assert (alone["invocation_id"], alone["is_toxic"]) == (None, True)


def test_an_impossible_toxicity_score_is_refused(settings: Settings) -> None:
    (refused,) = quarantined(settings)
    assert (refused["stream_name"], refused["reason_code"]) == ("audit_events", "out_of_range")


def test_responses_and_audits_share_one_source_so_that_they_find_each_other(
    settings: Settings,
) -> None:
    streams = ("agent_events", "agents", "audit_events")
    assert {row["source_name"] for name in streams for row in landed(settings, name)} == {
        "agent_usage"
    }


def test_counts_of_redactions_may_come_as_one_object(settings: Settings) -> None:
    put(
        settings,
        "agent_usage/audits.ndjson",
        b'{"id": 9, "response_id": "u-2", "customer_id": 501, "agent_id": 11,'
        b' "created_at": "2026-03-01T10:05:05Z", "pii_counts": {"PERSON": 1, "IBAN_CODE": 3}}',
    )
    load_samples(settings)
    audit = rows_by_key(settings, "audit_events", key="audit_id")["9"]
    assert audit["pii_redactions"] == {"PERSON": 1, "IBAN_CODE": 3}


def test_parquet_tables_land_the_same_rows(settings: Settings, tmp_path: Path) -> None:
    other = deployment(tmp_path / "other", sample="agent_usage")
    deliver(other, RESPONSES, target=RESPONSES.replace("csv", "parquet"))
    deliver(other, AUDITS, target=AUDITS.replace("csv", "parquet"))
    load_samples(other)
    for stream in ("agent_events", "agents", "audit_events"):
        hashes = [row["row_hash"] for row in landed(settings, stream)]
        assert [row["row_hash"] for row in landed(other, stream)] == hashes != []


def test_no_word_of_a_response_reaches_the_lake(settings: Settings) -> None:
    assert "SECRET" in (SAMPLES / AUDITS).read_text()
    assert "SECRET" not in lake_bytes(settings)
    assert "person-1" not in lake_bytes(settings)
