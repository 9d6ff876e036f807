"""What a proxy's log of requests lands as, field by field."""

from __future__ import annotations

import csv
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from orchestration.settings import Settings
from tests.support.landing import csv_bytes, landed, put, quarantined
from tests.support.samples import (
    SAMPLES,
    deliver,
    deployment,
    given,
    lake_bytes,
    load_samples,
    rows_by_key,
)

SAMPLE = "litellm/spend_logs.csv"
CALL_TYPE = '{"call_type":"acompletion"}'


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return deployment(tmp_path, sample="litellm")


@pytest.fixture
def events(settings: Settings) -> dict[str, dict[str, Any]]:
    deliver(settings, SAMPLE)
    load_samples(settings)
    return rows_by_key(settings, "agent_events", key="id")


@pytest.fixture
def calls(settings: Settings) -> dict[str, dict[str, Any]]:
    deliver(settings, SAMPLE)
    load_samples(settings)
    return rows_by_key(settings, "llm_calls", key="llm_call_id")


def at(text: str) -> datetime:
    return datetime.fromisoformat(f"2026-03-01 {text}")


def test_a_request_is_an_invocation_of_its_own(events: dict[str, dict[str, Any]]) -> None:
    assert given(events["r-1:ended"], without=["user_id"]) == {
        "id": "r-1:ended",
        "event_type": "agent_completed",
        "agent_id": "helper",
        "publisher_id": "acme",
        "tenant_id": "team-a",
        "timestamp": at("10:00:02.500000"),
        "invocation_id": "r-1",
        "conversation_id": "chat-1",
        "session_id": "chat-1",
        "duration_ms": 2500,
        "source_metadata": CALL_TYPE,
    }
    invoked = events["r-1:invoked"]
    assert (invoked["event_type"], invoked["timestamp"]) == ("agent_invoked", at("10:00:00"))


def test_the_user_is_the_end_user_or_else_the_owner_of_the_key(
    events: dict[str, dict[str, Any]],
) -> None:
    users = {name: event["user_id"] for name, event in events.items() if name.endswith(":ended")}
    assert users["r-1:ended"] != users["r-2:ended"] == users["r-3:ended"]
    assert None not in users.values()


def test_the_tenant_is_the_team_or_the_organization_or_the_default(
    events: dict[str, dict[str, Any]],
) -> None:
    tenants = [events[f"r-{number}:ended"]["tenant_id"] for number in (1, 2, 5)]
    assert tenants == ["team-a", "org-b", "acme"]


def test_a_request_is_one_model_call_whose_cached_tokens_count_once(
    calls: dict[str, dict[str, Any]],
) -> None:
    # The log names the 1,000 cached tokens twice; they are part of the 1,200.
    assert given(calls["r-1"]) == {
        "llm_call_id": "r-1",
        "invocation_id": "r-1",
        "timestamp": at("10:00:00"),
        "model": "gpt-4o",
        "provider": "openai",
        "input_tokens": 1200,
        "output_tokens": 150,
        "cache_read_tokens": 1000,
        "reasoning_tokens": 64,
        "latency_ms": 2500,
        "cost_usd": Decimal("0.00315"),
        "status": "ok",
        "source_metadata": CALL_TYPE,
    }


def test_a_prompt_smaller_than_its_cached_part_is_completed_by_it(
    calls: dict[str, dict[str, Any]],
) -> None:
    call = calls["r-2"]
    # 40 + 500 read from the cache + 200 written to it.
    assert (call["input_tokens"], call["cache_read_tokens"]) == (740, 500)
    assert (call["cache_write_tokens"], call["latency_ms"]) == (200, 990)


def test_a_failed_request_is_an_errored_invocation_with_the_class_of_its_error(
    events: dict[str, dict[str, Any]], calls: dict[str, dict[str, Any]]
) -> None:
    event, call = events["r-3:ended"], calls["r-3"]
    assert (event["event_type"], event["error_type"]) == ("agent_errored", "RateLimitError")
    assert (call["status"], call["error_type"]) == ("error", "RateLimitError")
    assert call["cost_usd"] == 0


def test_an_answer_from_the_cache_was_free_but_a_model_without_a_price_was_not(
    calls: dict[str, dict[str, Any]],
) -> None:
    assert (calls["r-4"]["cost_usd"], calls["r-5"]["cost_usd"]) == (0, None)


def test_a_request_to_a_tool_is_a_tool_call_and_no_model_call(
    events: dict[str, dict[str, Any]], calls: dict[str, dict[str, Any]]
) -> None:
    called = events["r-6:called"]
    assert (called["tool_name"], called["tool_call_id"]) == ("web/search", "r-6")
    assert (called["duration_ms"], called["invocation_id"]) == (200, None)
    assert "r-6:failed" not in events
    assert events["r-7:failed"]["event_type"] == "tool_failed"
    assert set(calls) == {"r-1", "r-2", "r-3", "r-4", "r-5"}


@pytest.mark.parametrize("stream", ["agent_events", "llm_calls"])
def test_a_parquet_dump_lands_the_same_rows(
    settings: Settings, tmp_path: Path, stream: str
) -> None:
    deliver(settings, SAMPLE)
    load_samples(settings)
    other = deployment(tmp_path / "other", sample="litellm")
    deliver(other, SAMPLE, target="litellm/spend_logs.parquet")
    load_samples(other)
    hashes = [row["row_hash"] for row in landed(settings, stream)]
    assert [row["row_hash"] for row in landed(other, stream)] == hashes != []


def test_no_word_of_a_message_reaches_the_lake(settings: Settings) -> None:
    deliver(settings, SAMPLE)
    with (SAMPLES / SAMPLE).open() as file:
        first = next(csv.DictReader(file))
    refused = {**first, "request_id": "r-99", "startTime": "yesterday"}
    put(settings, "litellm/spend_logs_2.csv", csv_bytes([refused]) + b"SECRET,words,too,few\n")
    load_samples(settings)
    assert {row["reason_code"] for row in quarantined(settings)} == {"bad_time", "malformed_row"}
    assert "SECRET" not in lake_bytes(settings)
    assert "person-1" not in lake_bytes(settings)
