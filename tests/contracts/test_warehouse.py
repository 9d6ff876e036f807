"""What the dbt project says of every stream agrees with the contract: keys, and where rows go.

Belongs here: completeness over streams and event types. Does not belong here: that rows do arrive,
which is a data test of the warehouse.
"""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Mapping
from typing import Any

import pytest
import yaml

from orchestration.contracts.streams import EVENT_TYPES, STREAMS
from orchestration.settings import DBT_PROJECT_DIR

ROW_COUNTS = DBT_PROJECT_DIR / "models" / "intermediate" / "row_counts" / "_int_rows_counted.yml"
STREAM_KEYS = DBT_PROJECT_DIR / "macros" / "project" / "stream_keys.sql"

# Where a row of each event type goes, in words of the contract: the fact that counts it.
DESTINATION_OF_EVENT = {
    "agent_invoked": "fct_user_messages",
    "agent_completed": "fct_invocations",
    "agent_errored": "fct_invocations",
    "tool_called": "fct_tool_calls",
    "tool_failed": "fct_tool_calls",
    "user_feedback": "fct_feedback",
    "install": "fct_install_events",
    "uninstall": "fct_install_events",
}


def _destinations() -> list[Mapping[str, Any]]:
    (model,) = yaml.safe_load(ROW_COUNTS.read_text())["models"]
    (test,) = [
        one["rows_reach_their_facts"]
        for one in model["data_tests"]
        if "rows_reach_their_facts" in one
    ]
    found: list[Mapping[str, Any]] = test["arguments"]["destinations"]
    return found


def test_every_stream_and_event_type_has_one_destination() -> None:
    named = Counter((one["stream"], one.get("event_type")) for one in _destinations())
    assert named == Counter(
        [(stream, None) for stream in STREAMS if stream != "agent_events"]
        + [("agent_events", event_type) for event_type in EVENT_TYPES]
    )


def test_every_event_type_goes_to_the_fact_that_counts_it() -> None:
    assert {
        one["event_type"]: [fact["to"] for fact in one["facts"]]
        for one in _destinations()
        if one["stream"] == "agent_events"
    } == {event_type: [f"ref('{fact}')"] for event_type, fact in DESTINATION_OF_EVENT.items()}


@pytest.mark.parametrize("destination", _destinations(), ids=lambda one: str(one["stream"]))
def test_a_destination_without_a_fact_or_without_its_day_has_a_reason(
    destination: Mapping[str, Any],
) -> None:
    is_exception = "facts" not in destination or not destination.get("is_by_day", True)
    assert is_exception == bool(destination.get("reason"))


def test_an_event_stream_goes_to_facts_on_its_day() -> None:
    for destination in _destinations():
        if not STREAMS[destination["stream"]].is_upsert:
            assert destination["facts"]
            assert destination.get("is_by_day", True)


def test_the_keys_that_copies_are_counted_by_are_those_of_the_contract() -> None:
    text = STREAM_KEYS.read_text()
    found: dict[str, dict[str, list[str]]] = {
        name: ast.literal_eval(value)
        for name, value in re.findall(
            r"macro (\w+)\(\) -%\}\s*\{\{ return\((\{.*?\})\) \}\}", text, re.DOTALL
        )
    }
    large = {stream: (key,) for stream, (key, _) in found["large_append_streams"].items()}
    append = {stream: tuple(key) for stream, key in found["append_streams"].items()}
    states = {stream: tuple(key) for stream, key in found["state_streams"].items()}
    assert large | append == {
        name: stream.key for name, stream in STREAMS.items() if not stream.is_upsert
    }
    assert states == {name: stream.key for name, stream in STREAMS.items() if stream.is_upsert}
