"""The declarations hang together."""

from __future__ import annotations

import pytest

from orchestration.contracts.model import Kind, Stream
from orchestration.contracts.reasons import Reason
from orchestration.contracts.streams import EVENT_TYPES, STREAMS

EVENT_STREAMS = {
    "agent_events",
    "llm_calls",
    "audit_events",
    "quality_scores",
    "charges",
    "provider_bills",
    "instance_samples",
    "health_samples",
    "deployments",
}
STATE_STREAMS = {
    "incidents",
    "conversations",
    "tasks",
    "agents",
    "publishers",
    "tenants",
    "budgets",
    "goals",
    "experiments",
    "report_subscriptions",
    "alert_rules",
}

every_stream = pytest.mark.parametrize("stream", STREAMS.values(), ids=lambda stream: stream.name)


def test_the_contract_has_nine_event_streams_and_eleven_state_streams() -> None:
    assert {name for name, stream in STREAMS.items() if not stream.is_upsert} == EVENT_STREAMS
    assert {name for name, stream in STREAMS.items() if stream.is_upsert} == STATE_STREAMS


@every_stream
def test_a_key_is_made_of_fields_of_the_stream(stream: Stream) -> None:
    assert stream.key
    for name in stream.key:
        assert stream.field(name) in stream.fields


@every_stream
def test_the_event_time_of_a_stream_is_required(stream: Stream) -> None:
    field = stream.field(stream.time_field)
    assert field.is_required
    assert field.kind in (Kind.TIME, Kind.DATE)


@every_stream
def test_a_state_stream_is_timed_by_its_version(stream: Stream) -> None:
    if stream.is_upsert:
        assert stream.version_field == stream.time_field == "updated_at"


@every_stream
def test_lake_columns_have_names_of_their_own(stream: Stream) -> None:
    names = [name for name, _ in stream.lake_columns]
    assert len(names) == len(set(names))


@every_stream
def test_only_properties_of_agent_events_belong_to_event_types(stream: Stream) -> None:
    for field in stream.fields:
        assert field.events == ()
    for field in stream.properties:
        assert set(field.required_events) <= set(field.events) <= set(EVENT_TYPES)


def test_comments_are_kept_as_a_flag_and_never_as_text() -> None:
    columns = dict(STREAMS["agent_events"].lake_columns)
    assert columns["has_comment"] == "BOOLEAN"
    assert "comment" not in columns


def test_every_reason_has_a_text() -> None:
    for reason in Reason:
        assert reason.text.endswith(".")
