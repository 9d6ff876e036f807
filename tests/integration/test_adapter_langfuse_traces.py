"""What a trace in the shape of the API lands as: the sample's fields, and real traces' token sums."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from orchestration.ingest.load import FAILED, NEW
from orchestration.settings import Settings
from tests.support.landing import landed, put
from tests.support.samples import (
    SAMPLES,
    SHARED_DATA,
    deliver,
    deployment,
    given,
    lake_bytes,
    load_samples,
    rows_by_key,
)

SAMPLE = "langfuse/traces/refund.json"
REAL = SHARED_DATA / "langfuse_traces"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return deployment(tmp_path, sample="langfuse")


def at(text: str) -> datetime:
    return datetime.fromisoformat(f"2026-03-01 {text}")


def test_a_trace_is_one_message_with_its_tools_and_ratings(settings: Settings) -> None:
    deliver(settings, SAMPLE)
    load_samples(settings)
    events = rows_by_key(settings, "agent_events", key="id")
    assert set(events) == {"t-20:invoked", "t-20:ended", "n-5:called", "n-5:failed", "s-20"}
    assert given(events["t-20:ended"], without=["user_id"]) == {
        "id": "t-20:ended",
        "event_type": "agent_completed",
        "agent_id": "refund-agent",
        "publisher_id": "acme",
        "tenant_id": "globex",
        "timestamp": at("09:00:06"),
        "invocation_id": "t-20",
        "conversation_id": "chat-9",
        "session_id": "chat-9",
        "agent_version": "0.3.0",
        "duration_ms": 6000,
        "source_metadata": '{"environment":"default"}',
    }
    assert events["t-20:invoked"]["timestamp"] == at("09:00:00")
    failed = events["n-5:failed"]
    assert (failed["tool_name"], failed["tool_call_id"]) == ("lookup", "n-5")
    assert (failed["error_type"], failed["duration_ms"]) == ("connection", 40)
    assert failed["timestamp"] == at("09:00:03.040000")
    rated = events["s-20"]
    assert (rated["event_type"], rated["rating"], rated["has_comment"]) == (
        "user_feedback",
        2,
        True,
    )
    assert rated["user_id"] == events["t-20:ended"]["user_id"] is not None


def test_generations_are_model_calls_below_the_nearest_call(settings: Settings) -> None:
    deliver(settings, SAMPLE)
    load_samples(settings)
    calls = rows_by_key(settings, "llm_calls", key="llm_call_id")
    assert given(calls["n-2"]) == {
        "llm_call_id": "n-2",
        "invocation_id": "t-20",
        "timestamp": at("09:00:00.500000"),
        "model": "gpt-4o",
        "provider": "openai",
        "span_id": "n-2",
        "input_tokens": 120,
        "output_tokens": 30,
        "cache_read_tokens": 20,
        "reasoning_tokens": 10,
        "latency_ms": 2000,
        "cost_usd": Decimal("0.0006"),
        "status": "ok",
        "source_metadata": '{"environment":"default"}',
    }
    assert (calls["n-4"]["parent_span_id"], calls["n-4"]["latency_ms"]) == ("n-2", 1500)


def test_a_judges_score_of_a_trace_is_a_quality_score(settings: Settings) -> None:
    deliver(settings, SAMPLE)
    load_samples(settings)
    (score,) = landed(settings, "quality_scores")
    assert given(score) == {
        "score_id": "s-21",
        "conversation_id": "chat-9",
        "tenant_id": "globex",
        "agent_id": "refund-agent",
        "dimension": "tone",
        "score": Decimal(5),
        "judged_at": at("09:06:00"),
        "source_metadata": '{"score_source":"EVAL"}',
    }


def test_a_trace_that_holds_its_observations_on_one_line_lands_the_same(
    settings: Settings, tmp_path: Path
) -> None:
    deliver(settings, SAMPLE)
    load_samples(settings)
    document = json.loads((SAMPLES / SAMPLE).read_text())
    nested = {**document["trace"], "observations": document["observations"]}
    other = deployment(tmp_path / "other", sample="langfuse")
    put(other, "langfuse/traces/traces.jsonl", json.dumps(nested).encode())
    load_samples(other)
    for stream in ("agent_events", "llm_calls", "quality_scores"):
        hashes = {row["row_hash"] for row in landed(settings, stream)}
        assert {row["row_hash"] for row in landed(other, stream)} == hashes != set()


def test_a_document_that_is_cut_off_is_a_file_that_cannot_be_read(settings: Settings) -> None:
    whole = (SAMPLES / SAMPLE).read_bytes()
    put(settings, "langfuse/traces/cut.json", whole[: len(whole) // 2])
    (outcome,) = load_samples(settings).files
    assert outcome.status == FAILED


def test_no_word_of_a_message_reaches_the_lake(settings: Settings) -> None:
    deliver(settings, SAMPLE)
    document = json.loads((SAMPLES / SAMPLE).read_text())
    document["observations"][1]["startTime"] = "yesterday"
    put(settings, "langfuse/traces/refused.json", json.dumps(document, indent=2).encode())
    load_samples(settings)
    assert "SECRET" not in lake_bytes(settings)
    assert "person-9" not in lake_bytes(settings)


def _leaf_usage(observations: list[Mapping[str, Any]]) -> tuple[int, int, Decimal]:
    """Input and output tokens and cost of the generations with no generation below them."""
    by_id = {one["id"]: one for one in observations}
    generations = [one for one in observations if one["type"] == "GENERATION"]
    wrappers = set()
    for one in generations:
        above = by_id.get(one["parentObservationId"])
        while above is not None:
            wrappers.add(above["id"])
            above = by_id.get(above["parentObservationId"])
    leaves = [one for one in generations if one["id"] not in wrappers]
    return (
        sum(one["usageDetails"].get("input", 0) for one in leaves),
        sum(one["usageDetails"].get("output", 0) for one in leaves),
        sum((Decimal(str(one["totalCost"])) for one in leaves), Decimal(0)),
    )


@pytest.mark.skipif(not REAL.is_dir(), reason="the public traces are not part of the project")
@pytest.mark.parametrize(
    "name",
    [
        "agno-2025-06-11",
        "google-adk-2025-08-28",
        "koog-2025-08-26",
        "langgraph-2025-08-22",
        "llamaindex-2025-06-05",
        "openai-agents-2025-09-30",
    ],
)
def test_the_tokens_of_a_real_trace_are_those_of_its_leaf_generations(
    settings: Settings, name: str
) -> None:
    path = REAL / f"{name}.json"
    (settings.landing / "langfuse" / "traces").mkdir(parents=True)
    shutil.copy(path, settings.landing / "langfuse" / "traces")
    (outcome,) = load_samples(settings).files
    assert (outcome.status, outcome.rows_quarantined) == (NEW, 0)
    calls = landed(settings, "llm_calls")
    wrappers = {call["parent_span_id"] for call in calls}
    leaves = [call for call in calls if call["span_id"] not in wrappers]
    landed_usage = (
        sum(call["input_tokens"] for call in leaves),
        sum(call["output_tokens"] for call in leaves),
        sum((call["cost_usd"] for call in leaves), Decimal(0)),
    )
    observations = json.loads(path.read_text())["observations"]
    # No figure of these files has parts beside its plain counts.
    assert landed_usage == _leaf_usage(observations)
    events = landed(settings, "agent_events")
    tools = sum(one["type"] == "TOOL" for one in observations)
    kinds = [event["event_type"] for event in events]
    assert sorted(kinds) == ["agent_completed", "agent_invoked", *["tool_called"] * tools]
    assert {event["invocation_id"] for event in events} == {observations[0]["traceId"]}
