"""Public data sets in their makers' own formats, mapped to rows of the contract in a few lines.

Belongs here: what an event of each format means. Does not belong here: the rules of the contract
(extracts.py), and formats that only the product reads.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from tests.golden.oracle.extracts import Extracts, Raw, keep

_AIDER_TYPES = {
    "message_send_starting": "agent_invoked",
    "message_send": "agent_completed",
    "message_send_exception": "agent_errored",
}


def read_real_data(data: Path, *, as_of: datetime) -> Extracts:
    """The usage log of a coding agent, and the traces of six agent frameworks."""
    events = list(_aider(data / "aider" / "sample_analytics.jsonl.gz"))
    calls: list[Raw] = []
    for path in sorted((data / "langfuse_traces").glob("*.json")):
        document = json.loads(path.read_text(encoding="utf-8"), parse_float=Decimal)
        events += _trace_events(document["trace"], document["observations"])
        calls += _trace_calls(document["observations"])
    return keep({"agent_events": events, "llm_calls": calls}, as_of=as_of)


def _aider(path: Path) -> Iterator[Raw]:
    """An event has no id; each line is one of its own, also where two say the same."""
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for number, line in enumerate(lines):
            row = json.loads(line, parse_float=Decimal)
            if row["event"] in _AIDER_TYPES:
                yield _aider_event(number, row, row["properties"])


def _aider_event(number: int, row: Raw, said: Raw) -> Raw:
    return {
        "id": f"aider-{number}",
        "event_type": _AIDER_TYPES[row["event"]],
        "agent_id": "aider",
        "publisher_id": "aider",
        "tenant_id": "aider",
        "timestamp": row["time"],
        "properties": {
            "user_id": row.get("user_id"),
            "model": said.get("main_model"),
            "input_tokens": said.get("prompt_tokens"),
            "output_tokens": said.get("completion_tokens"),
            "cost_usd": said.get("cost"),
        },
    }


def _trace_events(trace: Raw, observations: list[Raw]) -> Iterator[Raw]:
    """A trace is one message, from the start of its first root to the end of its last one."""
    known = {one["id"] for one in observations}
    roots = [one for one in observations if one["parentObservationId"] not in known]
    began = min(_time(root["startTime"]) for root in roots)
    ended = max(_time(root["endTime"]) for root in roots)
    common = {
        "agent_id": trace["name"],
        "publisher_id": "acme",
        "tenant_id": "acme",
    }
    told = {"invocation_id": trace["id"], "user_id": trace.get("userId")}
    yield {
        **common,
        "id": f"{trace['id']}-began",
        "event_type": "agent_invoked",
        "timestamp": began.isoformat(),
        "properties": told,
    }
    yield {
        **common,
        "id": f"{trace['id']}-ended",
        "event_type": "agent_completed",
        "timestamp": ended.isoformat(),
        "properties": {**told, "duration_ms": _milliseconds(began, ended)},
    }
    for tool in observations:
        if tool["type"] == "TOOL":
            yield {
                **common,
                "id": tool["id"],
                "event_type": "tool_called",
                "timestamp": tool["startTime"],
                "properties": {
                    **told,
                    "tool_name": _said(tool, "gen_ai.tool.name") or tool["name"],
                },
            }


def _trace_calls(observations: list[Raw]) -> Iterator[Raw]:
    by_id = {one["id"]: one for one in observations}
    for one in observations:
        if one["type"] == "GENERATION":
            used = one["usageDetails"]
            yield {
                "llm_call_id": one["id"],
                "invocation_id": one["traceId"],
                "timestamp": one["startTime"],
                "model": one["model"],
                "provider": _said(one, "gen_ai.provider.name", "gen_ai.system", "llm.system"),
                "span_id": one["id"],
                "parent_span_id": _generation_above(one, by_id),
                "input_tokens": used.get("input"),
                "output_tokens": used.get("output"),
                "latency_ms": _milliseconds(_time(one["startTime"]), _time(one["endTime"])),
                "cost_usd": one["totalCost"],
            }


def _said(one: Raw, *names: str) -> str | None:
    """An attribute of the span behind an observation, under the first of these names it has."""
    metadata = one["metadata"]
    held = json.loads(metadata) if isinstance(metadata, str) else metadata or {}
    attributes = held.get("attributes", {})
    told = [attributes.get(name) for name in names] + [held.get("ls_provider")]
    return next((str(value) for value in told if value is not None), None)


def _generation_above(one: Raw, by_id: dict[Any, Raw]) -> str | None:
    above = by_id.get(one["parentObservationId"])
    while above is not None and above["type"] != "GENERATION":
        above = by_id.get(above["parentObservationId"])
    return None if above is None else str(above["id"])


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _milliseconds(began: datetime, ended: datetime) -> int:
    return (ended - began) // timedelta(milliseconds=1)
