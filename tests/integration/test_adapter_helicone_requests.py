"""What a gateway's rows of requests land as, field by field."""

from __future__ import annotations

import json
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from orchestration.settings import Settings
from tests.support.landing import landed, ndjson, put, quarantined
from tests.support.samples import (
    SAMPLES,
    deliver,
    deployment,
    given,
    lake_bytes,
    load_samples,
    rows_by_key,
)

SAMPLE = "helicone/requests.jsonl"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return deployment(tmp_path, sample="helicone")


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


def test_a_request_is_an_invocation_of_the_agent_its_properties_name(
    events: dict[str, dict[str, Any]],
) -> None:
    assert given(events["q-1:ended"], without=["user_id"]) == {
        "id": "q-1:ended",
        "event_type": "agent_completed",
        "agent_id": "concierge",
        "publisher_id": "acme",
        "tenant_id": "globex",
        "timestamp": at("10:00:01.800000"),
        "invocation_id": "q-1",
        "conversation_id": "chat-1",
        "session_id": "chat-1",
        "duration_ms": 1800,
    }
    assert events["q-1:invoked"]["timestamp"] == at("10:00:00")
    assert events["q-1:invoked"]["user_id"] is not None
    owner = (events["q-2:ended"]["agent_id"], events["q-2:ended"]["tenant_id"])
    assert owner == ("gateway", "acme")


def test_a_request_is_one_model_call_and_its_cost_is_in_billionths(
    calls: dict[str, dict[str, Any]],
) -> None:
    assert given(calls["q-1"]) == {
        "llm_call_id": "q-1",
        "invocation_id": "q-1",
        "timestamp": at("10:00:00"),
        "model": "gpt-4o",
        "provider": "openai",
        "input_tokens": 900,
        "output_tokens": 120,
        "cache_read_tokens": 600,
        "cache_write_tokens": 0,
        "latency_ms": 1800,
        "cost_usd": Decimal("0.0027"),
        "status": "ok",
    }
    assert calls["q-2"]["cost_usd"] == Decimal("1.234567891")


def test_cached_tokens_that_stand_beside_the_prompt_are_added_to_it(
    calls: dict[str, dict[str, Any]],
) -> None:
    # 50 + 400 read from the cache + 100 written to it.
    assert calls["q-2"]["input_tokens"] == 550


def test_a_status_of_400_or_more_is_an_error(
    events: dict[str, dict[str, Any]], calls: dict[str, dict[str, Any]]
) -> None:
    event = events["q-3:ended"]
    assert (event["event_type"], event["error_type"]) == ("agent_errored", "http_429")
    assert (calls["q-3"]["status"], calls["q-3"]["cost_usd"]) == ("error", 0)


def test_a_request_without_a_status_has_only_begun(
    events: dict[str, dict[str, Any]], calls: dict[str, dict[str, Any]]
) -> None:
    assert "q-4:invoked" in events
    assert "q-4:ended" not in events
    assert "q-4" not in calls


def test_a_cost_of_zero_for_an_answer_is_unknown_and_not_free(
    calls: dict[str, dict[str, Any]],
) -> None:
    assert calls["q-5"]["cost_usd"] is None


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_every_format_lands_the_same_rows(settings: Settings, tmp_path: Path, suffix: str) -> None:
    deliver(settings, SAMPLE)
    load_samples(settings)
    other = deployment(tmp_path / "other", sample="helicone")
    deliver(other, SAMPLE, target=f"helicone/requests.{suffix}")
    load_samples(other)
    for stream in ("agent_events", "llm_calls"):
        hashes = [row["row_hash"] for row in landed(settings, stream)]
        assert [row["row_hash"] for row in landed(other, stream)] == hashes != []


def test_no_body_of_a_request_reaches_the_lake(settings: Settings) -> None:
    deliver(settings, SAMPLE)
    first = json.loads((SAMPLES / SAMPLE).read_text().splitlines()[0])
    refused = {**first, "request_id": "q-99", "request_created_at": "yesterday"}
    put(settings, "helicone/requests_2.jsonl", ndjson([refused]))
    load_samples(settings)
    assert {row["reason_code"] for row in quarantined(settings)} == {"bad_time"}
    assert "SECRET" not in lake_bytes(settings)
    assert "person-1" not in lake_bytes(settings)
