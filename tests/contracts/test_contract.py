"""Every rule of the contract for every stream: declared as agreed, and each way to break it refused.

Belongs here: completeness. Does not belong here: the finer readings of values (tests/integration).
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from orchestration.contracts.model import Field, Kind
from orchestration.contracts.reasons import Reason
from orchestration.contracts.streams import EVENT_TYPES, STREAMS
from orchestration.ingest.adapter import native_adapter
from orchestration.ingest.validation import checked_rows
from orchestration.settings import Settings
from tests.contracts.contract import AGREED, MAY_BE_FUTURE, PRIVATE, AgreedField, AgreedStream
from tests.support.landing import load, ndjson, put, quarantined, row_of

KINDS = {
    "id": Kind.ID,
    "text": Kind.TEXT,
    "zone": Kind.ZONE,
    "month": Kind.MONTH,
    "metric": Kind.METRIC,
    "time": Kind.TIME,
    "date": Kind.DATE,
    "count": Kind.COUNT,
    "duration": Kind.DURATION,
    "money": Kind.MONEY,
    "fraction": Kind.FRACTION,
    "boolean": Kind.BOOLEAN,
    "texts": Kind.TEXT_LIST,
    "counts": Kind.COUNT_MAP,
}

every_stream = pytest.mark.parametrize("agreed", AGREED.values(), ids=lambda one: one.name)


def test_the_streams_are_those_agreed() -> None:
    assert set(STREAMS) == set(AGREED)
    assert set(EVENT_TYPES) == set(AGREED["agent_events"].fields[1].allowed)


@every_stream
def test_a_stream_is_declared_as_agreed(agreed: AgreedStream) -> None:
    stream = STREAMS[agreed.name]
    assert (stream.is_upsert, stream.key) == (agreed.is_upsert, agreed.key)
    for declared, expected in (
        (stream.fields, agreed.fields),
        (stream.properties, agreed.properties),
    ):
        assert {_shape(field) for field in declared} == {_agreed_shape(one) for one in expected}
        assert len(declared) == len(expected)


def _shape(field: Field) -> tuple[object, ...]:
    is_required = field.is_required or bool(field.required_events)
    assert not field.required_events or field.required_events == field.events
    return (
        field.name,
        field.kind,
        is_required,
        field.minimum,
        field.maximum,
        tuple(sorted(field.allowed)),
        tuple(sorted(field.events)),
        field.privacy is not None,
    )


def _agreed_shape(field: AgreedField) -> tuple[object, ...]:
    return (
        field.name,
        KINDS[field.kind],
        field.is_required,
        field.minimum,
        field.maximum,
        tuple(sorted(field.allowed)),
        tuple(sorted(field.events)),
        field.name in PRIVATE,
    )


def test_only_what_ends_after_the_load_by_its_nature_may_lie_in_its_future() -> None:
    assert {
        (stream.name, field.name)
        for stream in STREAMS.values()
        for field in stream.all_fields
        if field.may_be_future
    } == MAY_BE_FUTURE


@dataclass(frozen=True, kw_only=True)
class Broken:
    """A row that breaks one rule of one field."""

    stream: str
    field: str
    row: Mapping[str, Any]
    reason: Reason
    # A csv has only texts, so what is wrong of a JSON value's kind is fine there.
    is_json_only: bool = False


_WRONG_VALUES: dict[str, list[tuple[object, Reason, bool]]] = {
    "id": [
        (True, Reason.WRONG_TYPE, True),
        (1.5, Reason.WRONG_TYPE, True),
        (["x"], Reason.WRONG_TYPE, True),
        ({"x": 1}, Reason.WRONG_TYPE, True),
    ],
    "text": [
        (True, Reason.WRONG_TYPE, True),
        (["x"], Reason.WRONG_TYPE, True),
        ({"x": 1}, Reason.WRONG_TYPE, True),
    ],
    "zone": [(["UTC"], Reason.WRONG_TYPE, True), ("Mars/Olympus", Reason.NOT_ALLOWED, False)],
    "month": [(["2026-03"], Reason.WRONG_TYPE, True), ("2026-13", Reason.BAD_TIME, False)],
    "metric": [(["cost_usd"], Reason.WRONG_TYPE, True), ("fame", Reason.NOT_ALLOWED, False)],
    "time": [("yesterday", Reason.BAD_TIME, False)],
    "date": [("March", Reason.BAD_TIME, False)],
    "count": [
        ("many", Reason.WRONG_TYPE, False),
        (1.5, Reason.NOT_WHOLE, False),
        (10**19, Reason.OUT_OF_RANGE, False),
    ],
    "duration": [("long", Reason.WRONG_TYPE, False)],
    "money": [("1,50", Reason.WRONG_TYPE, False), ("NaN", Reason.WRONG_TYPE, False)],
    "fraction": [("half", Reason.WRONG_TYPE, False)],
    "boolean": [("maybe", Reason.WRONG_TYPE, False)],
    "texts": [("x", Reason.WRONG_TYPE, False), ([{"x": 1}], Reason.WRONG_TYPE, False)],
    "counts": [
        (["x"], Reason.WRONG_TYPE, False),
        ({"EMAIL": -1}, Reason.WRONG_TYPE, False),
        ({"EMAIL": 0.5}, Reason.WRONG_TYPE, False),
    ],
}
# Later than five minutes after the load at 2026-03-10 12:00 UTC.
_FUTURE = {"time": "2026-03-10T12:05:01Z"}


def _ways_to_break(stream: str, field: AgreedField) -> Iterator[Broken]:
    # A property is looked at in rows of the event types that carry it.
    places: tuple[str | None, ...] = field.events or (None,)

    def broken(value: object, reason: Reason, *, is_json_only: bool = False) -> Iterator[Broken]:
        for event_type in places:
            yield Broken(
                stream=stream,
                field=field.name,
                row=_row(stream, field.name, value, event_type),
                reason=reason,
                is_json_only=is_json_only,
            )

    if field.is_required:
        for missing in (None, ""):
            yield from broken(missing, Reason.MISSING_REQUIRED)
        if field.kind == "texts":
            yield from broken([], Reason.MISSING_REQUIRED)
    # Of a comment only whether there is one is kept.
    for value, reason, is_json_only in _WRONG_VALUES[field.kind]:
        yield from broken(value, reason, is_json_only=is_json_only)
    if field.minimum is not None:
        yield from broken(int(field.minimum) - 1, Reason.OUT_OF_RANGE)
    if field.maximum is not None:
        yield from broken(int(field.maximum) + 1, Reason.OUT_OF_RANGE)
    if field.allowed:
        other: object = ["docx"] if field.kind == "texts" else "something else"
        yield from broken(other, Reason.NOT_ALLOWED)
    if field.kind in _FUTURE and (stream, field.name) not in MAY_BE_FUTURE:
        yield from broken(_FUTURE[field.kind], Reason.FUTURE_TIME)


def _row(stream: str, name: str, value: object, event_type: str | None) -> dict[str, Any]:
    if event_type is None:
        return row_of(stream, **{name: value})
    properties: dict[str, object] = {}
    if event_type in ("tool_called", "tool_failed"):
        properties["tool_name"] = "search"
    if event_type == "user_feedback":
        properties["rating"] = 4
    return row_of(stream, event_type=event_type, properties={**properties, name: value})


BROKEN = [
    case
    for stream in AGREED.values()
    for field in (*stream.fields, *stream.properties)
    for case in _ways_to_break(stream.name, field)
] + [
    Broken(
        stream="agent_events",
        field="properties",
        row=row_of("agent_events", properties=value),
        reason=Reason.WRONG_TYPE,
        is_json_only=isinstance(value, bool),
    )
    for value in ("none", [1], 7, True)
]


def _as_csv(rows: list[Mapping[str, Any]]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(
        text, fieldnames=list(dict.fromkeys(name for row in rows for name in row))
    )
    writer.writeheader()
    writer.writerows(
        {
            name: json.dumps(value) if isinstance(value, (dict, list)) else value
            for name, value in row.items()
        }
        for row in rows
    )
    return text.getvalue().encode()


def _refused(settings: Settings, cases: list[Broken], suffix: str) -> list[dict[str, Any]]:
    for stream in AGREED:
        # A good row, so that a file of refused rows is not taken for one of another stream.
        rows = [row_of(stream), *(case.row for case in cases if case.stream == stream)]
        put(settings, f"{stream}/rows.{suffix}", _as_csv(rows) if suffix == "csv" else ndjson(rows))
    report = load(settings)
    assert (report.rows_read, report.rows_landed) == (len(cases) + len(AGREED), len(AGREED))
    return quarantined(settings)


@pytest.mark.parametrize("suffix", ["ndjson", "csv"])
def test_every_way_to_break_a_rule_is_refused_with_its_reason_and_field(
    tmp_path: Path, suffix: str
) -> None:
    cases = [case for case in BROKEN if suffix == "ndjson" or not case.is_json_only]
    refused = _refused(Settings(home=tmp_path, threads=2), cases, suffix)
    found = {(row["stream_name"], row["row_number"]): row for row in refused}
    wrong = []
    for stream in AGREED:
        for number, case in enumerate((one for one in cases if one.stream == stream), start=2):
            row = found[(stream, number)]
            rule = f"{stream}.{case.field} "
            if row["reason_code"] != case.reason.value or not row["rule"].startswith(rule):
                wrong.append((case, row["reason_code"], row["rule"]))
    assert wrong == []


def test_every_rule_that_is_checked_is_shown_by_a_row_that_breaks_it(tmp_path: Path) -> None:
    refused = _refused(Settings(home=tmp_path, threads=2), BROKEN, "ndjson")
    shown = {
        (row["stream_name"], row["reason_code"], row["rule"].partition("; got ")[0])
        for row in refused
    }
    checked = set()
    for stream in STREAMS.values():
        columns = {field.column: "VARCHAR" for field in native_adapter(stream).raw_fields}
        columns |= {"has_object": "BOOLEAN"} if stream.properties else {}
        rules = checked_rows(
            stream,
            section_sql="select * from raw_rows",
            columns=columns,
            source_name="native",
            load_id="''",
            is_json=True,
            is_native=True,
        ).rules
        checked |= {(stream.name, rule.reason.value, rule.text) for rule in rules}
    assert checked - shown == set()
    assert {reason for _, reason, _ in shown} | {"malformed_row", "not_an_object"} == {
        reason.value for reason in Reason
    }
