"""What events of AI observability land as, field by field."""

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

SAMPLE = "posthog/events.jsonl"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return deployment(tmp_path, sample="posthog")


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


def test_a_trace_is_one_message_that_began_its_latency_before_its_event(
    events: dict[str, dict[str, Any]],
) -> None:
    assert given(events["t-1:ended"], without=["user_id"]) == {
        "id": "t-1:ended",
        "event_type": "agent_completed",
        "agent_id": "travel-agent",
        "publisher_id": "acme",
        "tenant_id": "globex",
        "timestamp": at("10:00:03"),
        "invocation_id": "t-1",
        "conversation_id": "chat-1",
        "session_id": "chat-1",
        "duration_ms": 2000,
    }
    assert events["t-1:invoked"]["timestamp"] == at("10:00:01")
    assert events["t-1:invoked"]["user_id"] == events["t-1:ended"]["user_id"] is not None


def test_a_generation_without_a_parent_is_a_message_of_its_own(
    events: dict[str, dict[str, Any]],
) -> None:
    assert events["t-2:invoked"]["timestamp"] == at("11:00:00.250000")
    assert (events["t-2:ended"]["agent_id"], events["t-2:ended"]["duration_ms"]) == ("writer", 750)
    failed = events["t-3:ended"]
    assert (failed["event_type"], failed["error_type"]) == ("agent_errored", "http_429")
    assert (failed["agent_id"], failed["tenant_id"]) == ("assistant", "acme")


def test_a_generation_is_a_model_call_with_seconds_turned_into_milliseconds(
    calls: dict[str, dict[str, Any]],
) -> None:
    assert given(calls["g-1"]) == {
        "llm_call_id": "g-1",
        "invocation_id": "t-1",
        "timestamp": at("10:00:02.500000"),
        "model": "gpt-4o",
        "provider": "openai",
        "span_id": "g-1",
        "parent_span_id": "t-1",
        "input_tokens": 1000,
        "output_tokens": 60,
        "cache_read_tokens": 800,
        "reasoning_tokens": 16,
        "latency_ms": 1250,
        "cost_usd": Decimal("0.0021"),
        "status": "ok",
    }


def test_tokens_that_are_counted_beside_the_input_are_added_and_costs_summed(
    calls: dict[str, dict[str, Any]],
) -> None:
    # 20 + 300 read from the cache + 80 written to it; 0.001 + 0.0005 USD.
    assert (calls["p-4"]["input_tokens"], calls["p-4"]["cost_usd"]) == (400, Decimal("0.0015"))


@pytest.mark.parametrize(("is_apart", "tokens"), [(True, 1800), (False, 1000)])
def test_an_event_may_say_itself_where_its_cached_tokens_stand(
    settings: Settings, is_apart: bool, tokens: int
) -> None:
    first = json.loads((SAMPLES / SAMPLE).read_text().splitlines()[0])
    first["properties"]["$ai_cache_reporting_exclusive"] = is_apart
    put(settings, "posthog/events.jsonl", ndjson([first]))
    load_samples(settings)
    (call,) = landed(settings, "llm_calls")
    assert call["input_tokens"] == tokens


def test_a_failed_generation_is_a_failed_model_call(calls: dict[str, dict[str, Any]]) -> None:
    assert (calls["p-5"]["status"], calls["p-5"]["error_type"]) == ("error", "http_429")


def test_an_embedding_is_a_model_call(calls: dict[str, dict[str, Any]]) -> None:
    call = calls["e-1"]
    assert (call["input_tokens"], call["cost_usd"]) == (12, Decimal("0.00000024"))


def test_numbers_given_as_ratings_are_feedback(events: dict[str, dict[str, Any]]) -> None:
    rated = events["p-7"]
    assert (rated["event_type"], rated["rating"]) == ("user_feedback", 4)
    assert (rated["invocation_id"], rated["has_comment"]) == ("t-1", False)
    commented = events["p-11"]
    assert (commented["rating"], commented["has_comment"]) == (2, True)


def test_a_metric_of_a_dimension_is_a_quality_score(settings: Settings) -> None:
    deliver(settings, SAMPLE)
    load_samples(settings)
    (score,) = landed(settings, "quality_scores")
    assert given(score) == {
        "score_id": "p-8",
        "conversation_id": "t-1",
        "tenant_id": "acme",
        "agent_id": "assistant",
        "dimension": "accuracy",
        "score": Decimal("4.5"),
        "judged_at": at("11:31:00"),
    }


def test_spans_texts_other_metrics_and_other_events_are_ignored_and_counted(
    settings: Settings,
) -> None:
    deliver(settings, SAMPLE)
    (outcome,) = load_samples(settings).files
    # p-2 a span, p-9 another metric, p-10 feedback without a number, p-12 a page view.
    assert (outcome.rows_read, outcome.rows_ignored, outcome.rows_quarantined) == (12, 4, 0)


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_every_format_lands_the_same_rows(settings: Settings, tmp_path: Path, suffix: str) -> None:
    deliver(settings, SAMPLE)
    load_samples(settings)
    other = deployment(tmp_path / "other", sample="posthog")
    deliver(other, SAMPLE, target=f"posthog/events.{suffix}")
    load_samples(other)
    for stream in ("agent_events", "llm_calls", "quality_scores"):
        hashes = [row["row_hash"] for row in landed(settings, stream)]
        assert [row["row_hash"] for row in landed(other, stream)] == hashes != []


def test_no_word_of_a_message_reaches_the_lake(settings: Settings) -> None:
    deliver(settings, SAMPLE)
    first = json.loads((SAMPLES / SAMPLE).read_text().splitlines()[0])
    put(settings, "posthog/events_2.jsonl", ndjson([{**first, "timestamp": "yesterday"}]))
    load_samples(settings)
    assert {row["reason_code"] for row in quarantined(settings)} == {"bad_time"}
    assert "SECRET" not in lake_bytes(settings)
    assert "person-1" not in lake_bytes(settings)
