"""What an export of observations lands as, field by field, from each of its formats."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from orchestration.ingest.load import NEW
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

SAMPLE = "langfuse/observations_v2/observations.jsonl"
PRODUCTION = '{"environment":"production"}'


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return deployment(tmp_path, sample="langfuse")


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


def observation(number: int, **changes: Any) -> dict[str, Any]:
    """The numbered row of the sample with some members changed."""
    lines = (SAMPLES / SAMPLE).read_text().splitlines()
    return {**json.loads(lines[number - 1]), **changes}


def load_rows(settings: Settings, *rows: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The model calls that some observations land as."""
    put(settings, "langfuse/observations_v2/rows.jsonl", ndjson(rows))
    load_samples(settings)
    return rows_by_key(settings, "llm_calls", key="llm_call_id")


def test_a_root_observation_begins_and_ends_the_message_of_its_trace(
    events: dict[str, dict[str, Any]],
) -> None:
    ended = given(events["t-1:ended"], without=["user_id"])
    assert ended == {
        "id": "t-1:ended",
        "event_type": "agent_completed",
        "agent_id": "support-agent",
        "publisher_id": "acme",
        "tenant_id": "acme",
        "timestamp": at("10:00:04"),
        "invocation_id": "t-1",
        "conversation_id": "chat-1",
        "session_id": "chat-1",
        "agent_version": "1.2.0",
        "duration_ms": 4000,
        "source_metadata": PRODUCTION,
    }
    invoked = events["t-1:invoked"]
    assert (invoked["event_type"], invoked["timestamp"]) == ("agent_invoked", at("10:00:00"))
    assert invoked["user_id"] == events["t-1:ended"]["user_id"] is not None
    assert (invoked["duration_ms"], invoked["agent_version"]) == (None, None)


def test_a_root_at_level_error_is_an_errored_message_with_a_class_of_error(
    events: dict[str, dict[str, Any]],
) -> None:
    errored = events["t-2:ended"]
    assert (errored["event_type"], errored["error_type"]) == ("agent_errored", "rate_limit")
    assert (errored["agent_id"], errored["agent_version"]) == ("billing-agent", "r7")
    assert (errored["user_id"], errored["conversation_id"]) == (None, None)


def test_an_open_root_has_begun_but_not_ended(events: dict[str, dict[str, Any]]) -> None:
    assert "t-4:invoked" in events
    assert "t-4:ended" not in events


def test_an_agent_below_a_span_that_was_never_exported_is_a_message(settings: Settings) -> None:
    load_rows(settings, observation(1, parent_observation_id="elsewhere"))
    events = rows_by_key(settings, "agent_events", key="id")
    assert set(events) == {"t-1:invoked", "t-1:ended"}
    assert events["t-1:ended"]["duration_ms"] == 4000


def test_a_trace_cut_between_files_is_one_message_that_began_with_its_root(
    settings: Settings,
) -> None:
    put(settings, "langfuse/observations_v2/a.jsonl", ndjson([observation(1)]))
    put(
        settings,
        "langfuse/observations_v2/b.jsonl",
        ndjson([observation(number) for number in range(2, 8)]),
    )
    load_samples(settings)
    begun = [row for row in landed(settings, "agent_events") if row["id"] == "t-1:invoked"]
    # Of the copies of one event the earliest counts: that of the root.
    assert min(row["timestamp"] for row in begun) == at("10:00:00")
    assert {row["event_type"] for row in begun} == {"agent_invoked"}
    ended = [row for row in landed(settings, "agent_events") if row["id"] == "t-1:ended"]
    assert [row["timestamp"] for row in ended] == [at("10:00:04")]


def test_metadata_names_tenant_publisher_and_agent_before_the_defaults_do(
    events: dict[str, dict[str, Any]],
) -> None:
    event = events["t-3:ended"]
    owner = (event["tenant_id"], event["publisher_id"], event["agent_id"])
    assert owner == ("globex", "globex-labs", "agent-3")


def test_a_tool_is_called_and_a_failed_one_has_failed_too(
    events: dict[str, dict[str, Any]],
) -> None:
    assert given(events["o-5:called"]) == {
        "id": "o-5:called",
        "event_type": "tool_called",
        "agent_id": "support-agent",
        "publisher_id": "acme",
        "tenant_id": "acme",
        "timestamp": at("10:00:03.100000"),
        "invocation_id": "t-1",
        "duration_ms": 250,
        "tool_name": "get_order",
        "tool_call_id": "o-5",
        "source_metadata": PRODUCTION,
    }
    assert "o-5:failed" not in events
    failed = events["o-10:failed"]
    assert (failed["event_type"], failed["tool_name"]) == ("tool_failed", "send_mail")
    assert (failed["timestamp"], failed["error_type"]) == (at("11:00:01.500000"), "error")
    assert events["o-10:called"]["timestamp"] == at("11:00:01")


def test_a_generation_is_a_model_call_with_cached_and_reasoning_tokens_inside_its_counts(
    calls: dict[str, dict[str, Any]],
) -> None:
    # input 100 + cached 900; output 50 + reasoning 30; cost 0.00025 + 0.001125 + 0.0008.
    assert given(calls["o-4"]) == {
        "llm_call_id": "o-4",
        "invocation_id": "t-1",
        "timestamp": at("10:00:01.500000"),
        "model": "gpt-4o",
        "provider": "openai",
        "span_id": "o-4",
        "parent_span_id": "o-2",
        "input_tokens": 1000,
        "output_tokens": 80,
        "cache_read_tokens": 900,
        "reasoning_tokens": 30,
        "latency_ms": 1250,
        "cost_usd": Decimal("0.002175"),
        "status": "ok",
        "source_metadata": PRODUCTION,
    }


def test_the_parent_of_a_call_is_the_nearest_call_above_it(
    calls: dict[str, dict[str, Any]],
) -> None:
    # o-4 lies in the chain o-3, which lies in the generation o-2, which lies in the agent o-1.
    assert calls["o-4"]["parent_span_id"] == "o-2"
    assert calls["o-2"]["parent_span_id"] is None


def test_parents_in_a_ring_end_the_search_for_a_call_above(settings: Settings) -> None:
    ring = load_rows(settings, observation(4), observation(3, parent_observation_id="o-3"))
    assert ring["o-4"]["parent_span_id"] is None


def test_an_embedding_is_a_model_call(calls: dict[str, dict[str, Any]]) -> None:
    call = calls["o-6"]
    assert (call["model"], call["input_tokens"]) == ("text-embedding-3-small", 12)
    assert (call["output_tokens"], call["cost_usd"]) == (None, Decimal("0.00000024"))


def test_usage_without_a_total_has_its_cached_tokens_beside_the_input(
    calls: dict[str, dict[str, Any]],
) -> None:
    # 5 + 10 read from the cache + 20 written to it.
    call = calls["o-11"]
    assert (call["input_tokens"], call["output_tokens"]) == (35, 7)
    assert (call["cache_read_tokens"], call["cache_write_tokens"]) == (10, 20)
    assert call["provider"] == "anthropic"


@pytest.mark.parametrize(
    ("usage", "tokens"),
    [
        ({"input": 1000, "input_cached_tokens": 900, "output": 80, "total": 1080}, (1000, 80)),
        ({"input": 100, "input_cached_tokens": 900, "output": 80, "total": 1080}, (1000, 80)),
        ({"input": 10, "output": 50, "output_reasoning": 30, "total": 90}, (10, 80)),
        ({"input": 10, "output": 50, "output_reasoning": 30, "total": 60}, (10, 50)),
        (
            {
                "prompt_tokens": 10,
                "prompt_details.cache_read": 90,
                "completion_tokens": 50,
                "completion_details.reasoning": 30,
                "total_tokens": 150,
            },
            (100, 50),
        ),
        ({"search_units": 3}, (None, None)),
        ({}, (None, None)),
    ],
)
def test_the_total_tells_whether_parts_stand_inside_or_beside_the_plain_counts(
    settings: Settings, usage: dict[str, int], tokens: tuple[int | None, int | None]
) -> None:
    call = load_rows(settings, observation(2, usage_details=usage))["o-2"]
    assert (call["input_tokens"], call["output_tokens"]) == tokens


def test_a_cost_of_zero_without_details_is_unknown_and_not_free(
    calls: dict[str, dict[str, Any]],
) -> None:
    assert calls["o-11"]["cost_usd"] is None


def test_a_failed_generation_keeps_a_class_of_its_error(calls: dict[str, dict[str, Any]]) -> None:
    call = calls["o-9"]
    assert (call["status"], call["error_type"], call["input_tokens"]) == ("error", "timeout", None)


@pytest.mark.parametrize("latency", [1.5, 1500])
def test_a_latency_in_seconds_or_milliseconds_is_told_by_the_times_of_its_row(
    settings: Settings, latency: float
) -> None:
    assert load_rows(settings, observation(11, latency=latency))["o-11"]["latency_ms"] == 1500


@pytest.mark.parametrize(("other", "latency_ms"), [(1500, 40), (1.5, 40_000)])
def test_where_the_times_say_nothing_the_other_rows_of_the_file_tell_the_unit(
    settings: Settings, other: float, latency_ms: int
) -> None:
    start = "2026-03-01 10:00:01.000000"
    timeless = observation(2, latency=40, start_time=start, end_time=start)
    calls = load_rows(settings, observation(11, latency=other), timeless)
    assert calls["o-2"]["latency_ms"] == latency_ms


def test_without_a_latency_the_times_are_the_duration(settings: Settings) -> None:
    assert load_rows(settings, observation(11, latency=None))["o-11"]["latency_ms"] == 1500


def test_notes_open_calls_and_the_evaluators_own_rows_are_ignored_and_counted(
    settings: Settings,
) -> None:
    deliver(settings, SAMPLE)
    (outcome,) = load_samples(settings).files
    # o-3 is a chain, o-7 an event, o-13 a call still open, o-14 a row of an evaluator.
    assert (outcome.status, outcome.rows_read, outcome.rows_ignored) == (NEW, 14, 4)
    assert outcome.streams["agent_events"].rows_landed == 10
    assert outcome.streams["llm_calls"].rows_landed == 5


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
@pytest.mark.parametrize("stream", ["agent_events", "llm_calls"])
def test_every_format_of_the_export_lands_the_same_rows(
    settings: Settings, tmp_path: Path, suffix: str, stream: str
) -> None:
    deliver(settings, SAMPLE)
    load_samples(settings)
    other = deployment(tmp_path / "other", sample="langfuse")
    deliver(other, SAMPLE, target=f"langfuse/observations_v2/observations.{suffix}")
    load_samples(other)
    hashes = [row["row_hash"] for row in landed(settings, stream)]
    assert [row["row_hash"] for row in landed(other, stream)] == hashes != []


def test_no_word_of_a_message_reaches_the_lake(settings: Settings) -> None:
    deliver(settings, SAMPLE)
    refused = observation(2, start_time="yesterday", input=[{"text": "SECRET"}], id="o-99")
    put(
        settings,
        "langfuse/observations_v2/refused.jsonl",
        ndjson([refused]) + b'{"input": {"text": "SECRET\n',
    )
    load_samples(settings)
    assert {row["reason_code"] for row in quarantined(settings)} == {"bad_time", "malformed_row"}
    assert "SECRET" not in lake_bytes(settings)
    assert "person-1" not in lake_bytes(settings)


def test_a_time_in_the_future_of_the_load_is_that_of_the_row(settings: Settings) -> None:
    late = observation(2, start_time="2026-06-01 00:00:00", end_time="2026-06-01 00:00:01")
    load_rows(settings, late)
    refused = next(row for row in quarantined(settings) if row["stream_name"] == "llm_calls")
    assert refused["reason_code"] == "future_time"
    assert refused["retry_at"].replace(tzinfo=UTC) == datetime(2026, 5, 31, 23, 55, tzinfo=UTC)
