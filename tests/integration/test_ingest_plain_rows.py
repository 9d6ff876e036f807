"""The short way of reading JSON lines lands what the careful way lands, whatever the rows hold."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from orchestration.contracts.streams import STREAMS
from orchestration.ingest.adapter import native_adapter
from orchestration.ingest.pieces import PieceTask, run_piece
from orchestration.ingest.plain_rows import run_plain_lines
from orchestration.ingest.reader import Unit
from orchestration.ingest.scanning import scan_text
from orchestration.ingest.worker import Worker
from tests.support.landing import row_of
from tests.support.pieces import everything, piece_worker

_CLEAN: tuple[dict[str, Any], ...] = (
    row_of("agent_events", id="e-1", properties={"user_id": "u-1", "session_id": "s"}),
    row_of(
        "agent_events",
        id=12,
        event_type="agent_completed",
        timestamp=1772359200123,
        properties={
            "input_tokens": 12,
            "output_tokens": 3.0,
            "duration_ms": 12.5,
            "cost_usd": 0.000000000001,
            "tool_calls": ["a", "b", "a"],
            "task_id": None,
            "model": "4.5",
        },
    ),
    row_of("agent_events", id="e-3", event_type="install", properties={"agent_version": "1.2"}),
    row_of("agent_events", id='q"uo\\te', event_type="tool_called", properties={"tool_name": "é"}),
    row_of("agent_events", id="e-5", event_type="agent_completed", properties={"tool_calls": []}),
)
# What the short way must not take as it reads it: each is refused, kept beside, or read otherwise.
_ODD: dict[str, str] = {
    "a member beyond the contract": '{"x":1,%s}',
    "two members beyond the contract": '{"x":1,"y":{"z":[true]},%s}',
    "an empty object beyond the contract": '{"x":{},%s}',
    "a member twice": '{"id":"e-0",%s}',
    "white space before a colon": '{"x" : 1,%s}',
    "an empty text": '{"publisher_id":"",%s}',
    "a flag for a text": '{"properties":{"model":true},%s}',
    "an empty object for a text": '{"properties":{"model":{}},%s}',
    "a list for a text": '{"properties":{"model":["m"]},%s}',
    "a text for the object": '{"properties":"p",%s}',
    "no object": '{"properties":null,%s}',
    "an empty object": '{"properties":{},%s}',
    "an unknown property": '{"properties":{"session_id":"s","x":null,"y":"\\u00e9"},%s}',
    "a part of a token": '{"properties":{"input_tokens":1.5,"session_id":"s"},%s}',
    "tokens below zero": '{"properties":{"input_tokens":-1,"session_id":"s"},%s}',
    "tokens as a text": '{"properties":{"input_tokens":"1e3","session_id":"s"},%s}',
    "much money": '{"properties":{"cost_usd":123456789012.123456789012,"model":"m"},%s}',
    "a list with gaps": '{"properties":{"tool_calls":["a",null,""],"model":"m"},%s}',
    "a list with an object": '{"properties":{"tool_calls":[{}],"model":"m"},%s}',
    "a list as a text": '{"properties":{"tool_calls":"a","model":"m"},%s}',
    "a comment with a quoted name": '{"properties":{"comment":"say \\"x\\": y","model":"m"},%s}',
    "a number that is none": '{"x":nan,%s}',
    "a name that ends with a backslash": '{"x\\\\":1,%s}',
    "a user beyond the contract": '{"user_id":"u","y":"comment",%s}',
    "another type of event": '{"event_type":"other",%s}',
    "a future time": '{"timestamp":"2027-01-01T00:00:00Z",%s}',
    "a broken row": '{"id":%s',
    "no row": "",
}


@pytest.fixture(scope="module")
def worker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    with piece_worker(tmp_path_factory.mktemp("worker")) as each:
        yield each


def task(folder: Path, path: Path) -> PieceTask:
    return PieceTask(
        unit=Unit(path=path, format="lines", first_row=101),
        adapter=native_adapter(STREAMS["agent_events"]),
        source_name="native",
        load_id="0123",
        shown_path="agent_events/rows.ndjson",
        folder=folder,
    )


def as_line(row: dict[str, Any]) -> str:
    return json.dumps(row, ensure_ascii=False, separators=(",", ":"))


def odd_line(pattern: str, *, number: int) -> str:
    if "%s" not in pattern:
        return pattern
    given = json.loads(pattern % '"":0').keys() if not pattern.endswith('"id":%s') else ()
    rest = {
        name: value
        for name, value in row_of(
            "agent_events", id=f"odd-{number}", event_type="agent_completed"
        ).items()
        if name not in given or name == "id"
    }
    return pattern % as_line(rest)[1:-1]


@pytest.mark.parametrize("odd", _ODD)
def test_a_piece_with_an_odd_row_lands_what_the_careful_way_lands(
    odd: str, worker: Worker, tmp_path: Path
) -> None:
    lines = [as_line(row) for row in _CLEAN] * 3
    lines.insert(7, odd_line(_ODD[odd].replace("nan", "NaN"), number=7))
    path = tmp_path / "rows.ndjson"
    path.write_text("\n".join(lines).replace("NaN", "nan") + "\n", encoding="utf-8")
    careful = run_piece(task(tmp_path / "careful", path), worker=worker)
    short = run_plain_lines(task(tmp_path / "short", path), worker=worker)
    if short is not None:
        assert everything(short) == everything(careful)


@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": ")])
def test_a_piece_that_keeps_the_contract_takes_the_short_way(
    separators: tuple[str, str], worker: Worker, tmp_path: Path
) -> None:
    path = tmp_path / "rows.ndjson"
    rows = [json.dumps(row, separators=separators) for row in _CLEAN]
    path.write_text("\n".join(rows), encoding="utf-8")
    careful = run_piece(task(tmp_path / "careful", path), worker=worker)
    short = run_plain_lines(task(tmp_path / "short", path), worker=worker)
    assert short is not None
    assert everything(short) == everything(careful)
    assert len(everything(short)["landed"]) == 5


def test_one_member_beyond_the_contract_in_every_row_takes_the_short_way(
    worker: Worker, tmp_path: Path
) -> None:
    path = tmp_path / "rows.ndjson"
    rows = [
        {**row, "synthetic": value}
        for row, value in zip(_CLEAN, (True, 1.50, "a", None, -3), strict=True)
    ]
    path.write_text("\n".join(as_line(row) for row in rows), encoding="utf-8")
    careful = run_piece(task(tmp_path / "careful", path), worker=worker)
    short = run_plain_lines(task(tmp_path / "short", path), worker=worker)
    assert short is not None
    assert everything(short) == everything(careful)


def test_few_odd_rows_leave_the_others_on_the_short_way(worker: Worker, tmp_path: Path) -> None:
    lines = [as_line(row) for row in _CLEAN] * 4
    lines.insert(3, odd_line(_ODD["tokens below zero"], number=3))
    path = tmp_path / "rows.ndjson"
    path.write_text("\n".join(lines), encoding="utf-8")
    short = run_plain_lines(task(tmp_path / "short", path), worker=worker)
    assert short is not None
    found = everything(short)
    assert (found["rows_read"], len(found["landed"])) == (21, 20)
    assert [(row["row_number"], row["reason_code"]) for row in found["refused"]] == [
        (104, "out_of_range")
    ]


@pytest.mark.parametrize(
    ("line", "members"),
    [
        ('{"a":1,"b":null,"c":{"d":[]}}', 3),
        ('{"a": 1, "b": null}', 1),
        ('{"a":nan}', 1),
        ('{"a":"\\"b\\":1"}', 1),
        ('{"a\\\\":1}', 1),
    ],
)
def test_names_with_a_value_are_counted(line: str, members: int) -> None:
    scan = scan_text(line)
    assert (scan.rows, scan.is_regular, scan.members) == (1, True, members)


@pytest.mark.parametrize("text", ['{"a" :1}', ' {"a":1}', '{"a":1}\n\n{"a":1}', '{"a":\t1}', ""])
def test_lines_that_are_not_regular_are_told(text: str) -> None:
    assert not scan_text(text).is_regular
