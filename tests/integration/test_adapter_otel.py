"""What the samples of OpenTelemetry spans land as, field by field; expected values are read off the samples.

Belongs here: the otel adapter, and what of its rows the facts count. Does not belong here: nested
model calls of other sources (dbt unit tests of int_llm_calls_wrapping), increments
(test_facts_incremental).
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest

from orchestration.contracts.streams import STREAMS
from orchestration.ingest.ledger import read_entries
from orchestration.ingest.load import NEW
from orchestration.settings import PROJECT_ROOT, Settings
from tests.support.builds import replay_full_build, write_inputs
from tests.support.landing import landed, load, ndjson, put, quarantined
from tests.support.recordings import recorded_builds

SAMPLE = PROJECT_ROOT / "seeds" / "sample" / "otel"
AS_OF = datetime(2026, 5, 1, tzinfo=UTC)
START = datetime(2026, 4, 1, 10)

# Trace ids of the samples: one trace per file, two in the file of the names before 2026.
GENAI = "a0000000000000000000000000000001"
BEFORE = "b0000000000000000000000000000001"
FAILED = "b0000000000000000000000000000002"
OPENINFERENCE = "c0000000000000000000000000000001"
OPENLLMETRY = "d0000000000000000000000000000001"
OPENLIT = "e0000000000000000000000000000001"
JUDGED = "f0000000000000000000000000000001"


def _settings(home: Path) -> Settings:
    settings = Settings(home=home, threads=1)
    settings.config.mkdir(parents=True)
    shutil.copy(SAMPLE / "sources.yml", settings.config / "sources.yml")
    return settings


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return _settings(tmp_path)


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A home into which every sample has been loaded."""
    settings = _settings(tmp_path_factory.mktemp("otel"))
    for file in sorted(SAMPLE.glob("*.jsonl")):
        put(settings, f"otel/{file.name}", file.read_bytes())
    report = load(settings, as_of=AS_OF)
    assert {outcome.status for outcome in report.files} == {NEW}
    return settings


def key(trace: str, number: int) -> str:
    """The id that trace and span have in the lake; the sample's spans are numbered."""
    return f"{trace}-{trace[0]}{number:015x}"


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def carried(row: Mapping[str, Any], stream: str) -> dict[str, Any]:
    """The contract fields of a row that have a value, its user aside."""
    columns = [field.column for field in STREAMS[stream].all_fields]
    return {
        name: row[name]
        for name in columns
        if row[name] is not None and name not in ("user_id", "has_comment")
    }


def events(settings: Settings, trace: str) -> dict[str, dict[str, Any]]:
    return {
        row["id"].removeprefix(f"{trace}-{trace[0]}").lstrip("0"): carried(row, "agent_events")
        for row in landed(settings, "agent_events")
        if row["id"].startswith(trace)
    }


def calls(settings: Settings, trace: str) -> dict[int, dict[str, Any]]:
    return {
        int(row["llm_call_id"][-15:], 16): carried(row, "llm_calls")
        for row in landed(settings, "llm_calls")
        if row["llm_call_id"].startswith(trace)
    }


def call(trace: str, number: int, **fields: object) -> dict[str, object]:
    """A call that went well, under the trace's own invocation and no other model call."""
    return {
        "llm_call_id": key(trace, number),
        "span_id": key(trace, number),
        "invocation_id": trace,
        "status": "ok",
        **fields,
    }


# -- agents and tools --------------------------------------------------------------------------


def test_agent_spans_are_invocations_of_their_own_and_the_outermost_has_the_traces_id(
    sample: Settings,
) -> None:
    found = events(sample, GENAI)
    owner = {"publisher_id": "acme", "tenant_id": "globex", "conversation_id": "conv-1"}
    planner = {**owner, "agent_id": "agent-7", "invocation_id": GENAI}
    finder = {**owner, "agent_id": "Hotel finder", "invocation_id": key(GENAI, 6)}
    assert found["2-invoked"] == {
        **planner,
        "id": f"{key(GENAI, 2)}-invoked",
        "event_type": "agent_invoked",
        "timestamp": at(0.5),
    }
    assert found["2-ended"] == {
        **planner,
        "id": f"{key(GENAI, 2)}-ended",
        "event_type": "agent_completed",
        "timestamp": at(9),
        "duration_ms": 8500,
        "instance_id": "pod-1",
        "agent_version": "2.0",
    }
    assert found["6-invoked"] == {
        **finder,
        "id": f"{key(GENAI, 6)}-invoked",
        "event_type": "agent_invoked",
        "timestamp": at(5.25),
    }
    # Without a version of its own the agent has that of its service.
    assert found["6-ended"] == {
        **finder,
        "id": f"{key(GENAI, 6)}-ended",
        "event_type": "agent_completed",
        "timestamp": at(7),
        "duration_ms": 1750,
        "instance_id": "pod-1",
        "agent_version": "1.4.0",
    }
    # The server span above the agents is no invocation.
    invocations = [name for name in sorted(found) if name.endswith(("-invoked", "-ended"))]
    assert invocations == ["2-ended", "2-invoked", "6-ended", "6-invoked"]


def test_tool_spans_are_calls_of_the_nearest_agent_and_failures_come_on_top(
    sample: Settings,
) -> None:
    found = events(sample, GENAI)
    tool = {
        "publisher_id": "acme",
        "tenant_id": "globex",
        "agent_id": "agent-7",
        "invocation_id": GENAI,
    }
    assert found["4-called"] == {
        **tool,
        "id": f"{key(GENAI, 4)}-called",
        "event_type": "tool_called",
        "timestamp": at(4),
        "duration_ms": 250,
        "tool_name": "search_flights",
        "tool_call_id": "call_1",
    }
    failed = {
        **tool,
        "timestamp": at(5),
        "duration_ms": 2500,
        "error_type": "TimeoutError",
        "tool_name": "find_hotel",
        "tool_call_id": key(GENAI, 5),
    }
    assert found["5-called"] == {
        **failed,
        "id": f"{key(GENAI, 5)}-called",
        "event_type": "tool_called",
    }
    assert found["5-failed"] == {
        **failed,
        "id": f"{key(GENAI, 5)}-failed",
        "event_type": "tool_failed",
    }


def test_a_workflow_that_runs_an_agent_is_not_counted_beside_it(sample: Settings) -> None:
    found = events(sample, OPENLLMETRY)
    assert sorted(found) == ["2-ended", "2-invoked", "5-called", "5-failed"]
    agent = {
        "publisher_id": "acme",
        "tenant_id": "hooli",
        "agent_id": "solver",
        "invocation_id": OPENLLMETRY,
    }
    # A failed span without error.type names the exception of its last exception event.
    assert found["2-ended"] == {
        **agent,
        "id": f"{key(OPENLLMETRY, 2)}-ended",
        "event_type": "agent_errored",
        "timestamp": at(185),
        "duration_ms": 4750,
        "conversation_id": "chat-3",
        "error_type": "MaxTurnsExceeded",
    }
    assert found["5-failed"] == {
        **agent,
        "id": f"{key(OPENLLMETRY, 5)}-failed",
        "event_type": "tool_failed",
        "timestamp": at(182.5),
        "duration_ms": 500,
        "error_type": "ValueError",
        "tool_name": "search",
        "tool_call_id": key(OPENLLMETRY, 5),
    }


def test_a_chain_at_the_root_of_a_trace_without_agents_is_the_invocation(sample: Settings) -> None:
    found = events(sample, OPENINFERENCE)
    assert sorted(found) == ["1-ended", "1-invoked", "7-called"]
    owner = {
        "publisher_id": "acme",
        "tenant_id": "initech",
        "agent_id": "router",
        "invocation_id": OPENINFERENCE,
    }
    assert found["1-ended"] == {
        **owner,
        "id": f"{key(OPENINFERENCE, 1)}-ended",
        "event_type": "agent_completed",
        "timestamp": at(126),
        "duration_ms": 6000,
        "conversation_id": "thread-5",
        "session_id": "thread-5",
    }
    assert found["7-called"] == {
        **owner,
        "id": f"{key(OPENINFERENCE, 7)}-called",
        "event_type": "tool_called",
        "timestamp": at(125),
        "duration_ms": 500,
        "tool_name": "lookup",
        "tool_call_id": "call_9",
    }


def test_a_model_call_alone_is_its_own_invocation(sample: Settings) -> None:
    owner = {"publisher_id": "acme", "tenant_id": "acme", "agent_id": "batch-writer"}
    assert events(sample, BEFORE)["1-ended"] == {
        **owner,
        "id": f"{key(BEFORE, 1)}-ended",
        "event_type": "agent_completed",
        "invocation_id": BEFORE,
        "timestamp": at(61.25),
        "duration_ms": 1250,
    }
    assert events(sample, FAILED)["2-ended"] == {
        **owner,
        "id": f"{key(FAILED, 2)}-ended",
        "event_type": "agent_errored",
        "invocation_id": FAILED,
        "timestamp": at(70.5),
        "duration_ms": 500,
        "error_type": "RateLimitError",
    }


def test_a_span_that_has_not_ended_is_a_request_without_an_answer(sample: Settings) -> None:
    assert events(sample, OPENLIT) == {
        "1-invoked": {
            "id": f"{key(OPENLIT, 1)}-invoked",
            "event_type": "agent_invoked",
            "agent_id": "reviewer",
            "publisher_id": "acme",
            "tenant_id": "acme",
            "timestamp": at(240),
            "invocation_id": OPENLIT,
        }
    }


def test_users_are_hashed_and_known_by_any_name(sample: Settings) -> None:
    users: dict[str, set[str]] = {}
    for row in landed(sample, "agent_events"):
        if row["event_type"] == "agent_invoked" and row["user_id"]:
            users.setdefault(row["user_id"], set()).add(row["id"][:1])
    # user.id in two traces is one person; association properties and llm.user name two more.
    assert sorted(sorted(traces) for traces in users.values()) == [["a", "c"], ["d"], ["e"]]
    assert all(len(user) == 32 for user in users)


# -- model calls -------------------------------------------------------------------------------


def test_model_spans_in_current_names_are_model_calls(sample: Settings) -> None:
    assert calls(sample, GENAI) == {
        3: call(
            GENAI,
            3,
            timestamp=at(1),
            model="gpt-4o-2024-08-06",
            provider="openai",
            input_tokens=1200,
            output_tokens=150,
            cache_read_tokens=400,
            cache_write_tokens=100,
            reasoning_tokens=30,
            latency_ms=2500,
        ),
        7: call(
            GENAI,
            7,
            invocation_id=key(GENAI, 6),
            timestamp=at(5.5),
            model="claude-sonnet-4",
            provider="anthropic",
            input_tokens=300,
            output_tokens=40,
            latency_ms=1000,
        ),
    }


def test_model_spans_in_names_before_2026_are_model_calls(sample: Settings) -> None:
    assert calls(sample, BEFORE) == {
        1: call(
            BEFORE,
            1,
            timestamp=at(60),
            model="gpt-4o-mini",
            provider="openai",
            input_tokens=500,
            output_tokens=60,
            latency_ms=1250,
        )
    }
    assert calls(sample, FAILED) == {
        2: call(
            FAILED,
            2,
            status="error",
            error_type="RateLimitError",
            timestamp=at(70),
            model="gpt-4o-mini",
            provider="openai",
            latency_ms=500,
        )
    }


def test_model_spans_of_openinference_name_the_model_call_above_them_through_chains(
    sample: Settings,
) -> None:
    repeated = {
        "model": "gpt-4o",
        "provider": "openai",
        "input_tokens": 1000,
        "output_tokens": 100,
        "cost_usd": Decimal("0.0125"),
    }
    assert calls(sample, OPENINFERENCE) == {
        2: call(OPENINFERENCE, 2, timestamp=at(120.7), latency_ms=3600, **repeated),
        # Span 3, a chain, lies between.
        4: call(
            OPENINFERENCE,
            4,
            parent_span_id=key(OPENINFERENCE, 2),
            timestamp=at(120.9),
            latency_ms=3200,
            **repeated,
        ),
        5: call(
            OPENINFERENCE,
            5,
            parent_span_id=key(OPENINFERENCE, 4),
            timestamp=at(121),
            latency_ms=3000,
            cache_read_tokens=200,
            cache_write_tokens=50,
            reasoning_tokens=20,
            **repeated,
        ),
        # Only a part of the cost is given: there is no other.
        6: call(
            OPENINFERENCE,
            6,
            timestamp=at(124.5),
            latency_ms=250,
            model="text-embedding-3-small",
            input_tokens=80,
            cost_usd=Decimal("0.0000016"),
        ),
    }


def test_model_spans_of_openllmetry_get_a_missing_part_from_the_total(sample: Settings) -> None:
    assert calls(sample, OPENLLMETRY) == {
        4: call(
            OPENLLMETRY,
            4,
            timestamp=at(181),
            model="claude-3-5-haiku",
            provider="Anthropic",
            input_tokens=700,
            output_tokens=90,
            cache_read_tokens=100,
            cache_write_tokens=20,
            reasoning_tokens=5,
            latency_ms=1000,
            cost_usd=Decimal("0.0021"),
        )
    }


def test_cache_exclusive_input_is_told_apart_and_costs_go_by_every_name(sample: Settings) -> None:
    claude = {"model": "claude-sonnet-4", "provider": "anthropic"}
    assert calls(sample, OPENLIT) == {
        # 900 read from a cache cannot be part of 20: 20 + 900.
        2: call(
            OPENLIT,
            2,
            timestamp=at(241),
            latency_ms=2000,
            input_tokens=920,
            output_tokens=80,
            cache_read_tokens=900,
            cost_usd=Decimal("0.0031"),
            **claude,
        ),
        # The total of 850 is 500 + 50 + 100 + 200, so the 500 hold no cached tokens: 500 + 100 + 200.
        3: call(
            OPENLIT,
            3,
            timestamp=at(243),
            latency_ms=1000,
            input_tokens=800,
            output_tokens=50,
            cache_read_tokens=100,
            cache_write_tokens=200,
            cost_usd=Decimal("0.004"),
            **claude,
        ),
        4: call(
            OPENLIT,
            4,
            timestamp=at(244),
            latency_ms=1000,
            model="llama3",
            provider="ollama",
            cost_usd=Decimal(0),
        ),
        5: call(
            OPENLIT,
            5,
            timestamp=at(245),
            latency_ms=1000,
            model="grok-3",
            provider="xai",
            input_tokens=10,
            output_tokens=1,
            cost_usd=Decimal("0.00025"),
        ),
    }
    # A total alone says nothing of input and output; it is kept beside the row.
    metadata = {row["source_metadata"] for row in landed(sample, "llm_calls")}
    assert metadata == {None, '{"total_tokens":90}'}


# -- evaluations -------------------------------------------------------------------------------


def test_evaluations_on_the_contracts_scale_are_quality_scores(sample: Settings) -> None:
    scores = [carried(row, "quality_scores") for row in landed(sample, "quality_scores")]
    assert sorted(scores, key=lambda score: score["judged_at"]) == [
        {
            "score_id": f"{key(GENAI, 3)}-accuracy-1775037604000000000",
            "conversation_id": "conv-1",
            "tenant_id": "globex",
            "agent_id": "agent-7",
            "dimension": "accuracy",
            "score": Decimal("4.5"),
            "judged_at": at(4),
        },
        {
            "score_id": f"{key(JUDGED, 1)}-tone-1775037900000000000",
            "conversation_id": "conv-1",
            "tenant_id": "globex",
            "agent_id": "Trip planner",
            "dimension": "tone",
            "score": Decimal(1),
            "judged_at": at(300),
        },
        {
            "score_id": f"{key(JUDGED, 1)}-tone-1775037901000000000",
            "conversation_id": "conv-2",
            "tenant_id": "globex",
            "agent_id": "Trip planner",
            "dimension": "tone",
            "score": Decimal(5),
            "judged_at": at(301),
        },
    ]


def test_evaluations_off_the_scale_or_without_conversation_are_refused(sample: Settings) -> None:
    refused = {(row["path"], row["rule"]) for row in quarantined(sample)}
    assert refused == {
        ("otel/evaluations.jsonl", "quality_scores.conversation_id is required"),
        ("otel/genai.jsonl", "quality_scores.score must be between 1 and 5; got 0.8"),
        # Helpfulness is also 0.8 in this file, so its 1.0 is the top of another scale.
        ("otel/genai.jsonl", "quality_scores.score is required"),
    }


# -- the file as a whole -----------------------------------------------------------------------


def test_no_content_of_a_conversation_reaches_lake_or_quarantine(sample: Settings) -> None:
    assert all("canary text" in file.read_text() for file in SAMPLE.glob("*.jsonl"))
    kept = [row for stream in STREAMS for row in landed(sample, stream)] + quarantined(sample)
    assert kept
    assert "canary" not in str(kept)
    assert "person@example.com" not in str(kept)
    ledger = "".join(str(entry) for entry in read_entries(sample.lake))
    assert "canary" not in ledger


def test_every_line_is_accounted_for(sample: Settings) -> None:
    read = ignored = 0
    for entry in read_entries(sample.lake):
        assert entry.rows_read + entry.rows_expanded == (
            entry.rows_landed + entry.rows_quarantined + entry.rows_ignored
        )
        read += entry.rows_read
        ignored += entry.rows_ignored
    # An empty batch, a task and a workflow above an agent.
    assert (read, ignored) == (17, 3)


def test_lines_in_another_order_land_the_same_rows(sample: Settings, settings: Settings) -> None:
    for file in SAMPLE.glob("*.jsonl"):
        lines = file.read_bytes().splitlines(keepends=True)
        put(settings, f"otel/{file.name}", b"".join(reversed(lines)))
    load(settings, as_of=AS_OF)
    for stream in ("agent_events", "llm_calls", "quality_scores"):
        assert sorted(row["row_hash"] for row in landed(settings, stream)) == sorted(
            row["row_hash"] for row in landed(sample, stream)
        )


def span(number: int, parent: int | None, attributes: Mapping[str, object]) -> dict[str, object]:
    """A span as one line, with plain attributes."""
    return {
        "traceId": GENAI,
        "spanId": f"a{number:015x}",
        "parentSpanId": "0000000000000000" if parent is None else f"a{parent:015x}",
        "name": f"span {number}",
        "startTimeUnixNano": str(1775037600000000000 + number),
        "endTimeUnixNano": 1775037601000000000 + number,
        "attributes": dict(attributes),
    }


MODEL = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "m"}
USED = {**MODEL, "gen_ai.usage.input_tokens": 5}


def loaded_calls(settings: Settings, *files: Sequence[Mapping[str, object]]) -> dict[int, Any]:
    for number, rows in enumerate(files):
        put(settings, f"otel/{number}.jsonl", ndjson(rows))
    load(settings, as_of=AS_OF)
    return calls(settings, GENAI)


def test_a_parent_in_another_file_is_named_as_it_may_be_a_model_call(settings: Settings) -> None:
    found = loaded_calls(settings, [span(1, None, USED)], [span(3, 2, USED), span(2, 1, {})])
    assert found[3]["parent_span_id"] == key(GENAI, 1)
    assert "parent_span_id" not in found[1]


def test_a_call_whose_agent_is_in_another_file_belongs_to_the_traces_first_agent(
    settings: Settings,
) -> None:
    agent = {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "alone"}
    found = loaded_calls(settings, [span(3, 2, USED)], [span(2, 1, agent), span(1, None, {})])
    assert found[3]["invocation_id"] == GENAI
    assert events(settings, GENAI)["2-ended"]["invocation_id"] == GENAI


def test_an_agent_that_reports_usage_itself_is_a_model_call_too(settings: Settings) -> None:
    agent = {**USED, "gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "remote"}
    found = loaded_calls(settings, [span(1, None, agent)])
    assert (found[1]["input_tokens"], found[1]["model"]) == (5, "m")
    assert sorted(events(settings, GENAI)) == ["1-ended", "1-invoked"]


def test_a_span_that_is_its_own_parent_lands_all_the_same(settings: Settings) -> None:
    found = loaded_calls(settings, [span(1, 1, USED), span(2, 3, USED), span(3, 2, USED)])
    assert sorted(found) == [1, 2, 3]


def test_a_number_that_is_none_is_refused_and_the_other_spans_land(settings: Settings) -> None:
    broken = {**MODEL, "gen_ai.usage.input_tokens": "many"}
    found = loaded_calls(settings, [span(1, None, USED), span(2, 1, broken)])
    assert sorted(found) == [1]
    (refused,) = quarantined(settings)
    assert refused["rule"] == "llm_calls.input_tokens must be a whole number; got many"
    assert json.loads(json.dumps(refused["raw_text"])) == "[removed]"


def test_lines_that_are_no_spans_are_counted_and_refuse_nothing_else(settings: Settings) -> None:
    lines = ndjson([{"resourceSpans": "text"}, {"resourceMetrics": []}, span(1, None, USED)])
    put(settings, "otel/a.jsonl", lines + b'{"resourceSpans": [{"scope\n')
    load(settings, as_of=AS_OF)
    (entry,) = read_entries(settings.lake)
    assert (entry.rows_read, entry.rows_ignored, entry.rows_quarantined) == (4, 2, 1)
    assert sorted(calls(settings, GENAI)) == [1]


# -- what counts -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def facts(sample: Settings) -> duckdb.DuckDBPyConnection:
    """The facts of usage and of invocations, built from the samples."""
    write_inputs(sample, published=None, as_of=AS_OF)
    replay_full_build(recorded_builds()[1], sample)
    return duckdb.connect(str(sample.warehouse_file), read_only=True)


def test_tokens_and_cost_are_counted_once_however_deep_wrappers_repeat_them(
    facts: duckdb.DuckDBPyConnection,
) -> None:
    counted = facts.execute(
        "select llm_call_id, total_tokens, cost_usd from core.fct_llm_calls "
        f"where invocation_key = 'otel:{OPENINFERENCE}' order by 1"
    ).fetchall()
    # Three spans report 1,100 tokens for 0.0125 USD; the embedding is a call of its own.
    assert counted == [
        (key(OPENINFERENCE, 5), 1100, Decimal("0.0125")),
        (key(OPENINFERENCE, 6), 80, Decimal("0.0000016")),
    ]


def test_every_call_that_counts_has_the_agent_that_made_it(
    facts: duckdb.DuckDBPyConnection,
) -> None:
    tokens = facts.execute(
        "select agent_key, sum(total_tokens)::bigint from core.fct_llm_calls group by 1 order by 1"
    ).fetchall()
    assert tokens == [
        ("otel:Hotel finder", 300 + 40),
        ("otel:agent-7", 1200 + 150),
        ("otel:batch-writer", 500 + 60),
        # Of four calls one has only a total.
        ("otel:reviewer", 920 + 80 + 800 + 50 + 10 + 1),
        ("otel:router", 1000 + 100 + 80),
        ("otel:solver", 700 + 90),
    ]


def test_each_agent_span_that_ended_is_one_message(facts: duckdb.DuckDBPyConnection) -> None:
    messages = facts.execute(
        "select agent_key, is_errored, duration_ms, llm_latency_ms from core.fct_invocations "
        "order by agent_key, responded_at"
    ).fetchall()
    assert messages == [
        ("otel:Hotel finder", False, 1750, 1000),
        ("otel:agent-7", False, 8500, 2500),
        ("otel:batch-writer", False, 1250, 1250),
        ("otel:batch-writer", True, 500, 500),
        # The leaf's 3,000 ms and the embedding's 250, without the wrappers'.
        ("otel:router", False, 6000, 3250),
        ("otel:solver", True, 4750, 1000),
    ]
