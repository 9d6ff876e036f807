"""Formats and compressions give the same rows; broken rows and files are told apart and named."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from orchestration.errors import UserError
from orchestration.ingest.load import FAILED, NEW, load_landing
from orchestration.settings import Settings
from tests.support.landing import (
    AS_OF,
    Row,
    csv_bytes,
    landed,
    load,
    load_rows,
    ndjson,
    put,
    put_bytes,
    put_with_duckdb,
    quarantined,
    row_of,
)

EVENTS = [
    row_of("agent_events", id="e-1", properties={"invocation_id": "i-1", "user_id": "u-1"}),
    row_of(
        "agent_events",
        id="e-2",
        event_type="agent_completed",
        timestamp="2026-03-02T10:00:00Z",
        properties={"cost_usd": 12345678.000000000001, "tool_calls": ["a", "b"], "shape": "round"},
        region="eu",
    ),
    row_of(
        "agent_events",
        id="e-3",
        event_type="user_feedback",
        properties={"rating": 5, "comment": 'said "ok", twice'},
    ),
]
TASKS = [
    row_of("tasks", task_id="ta-1", attempts=2, cost_usd="0.1", user_id="ü-1"),
    row_of("tasks", task_id="ta-2", status="failed", ended_at="2026-03-01T12:00:00Z"),
]

Writer = Callable[[Settings, str, list[Row]], object]


def _lines(settings: Settings, path: str, rows: list[Row]) -> None:
    put(settings, path, ndjson(rows))


def _array(settings: Settings, path: str, rows: list[Row]) -> None:
    put(settings, path, json.dumps(rows, indent=2).encode())


def _csv(settings: Settings, path: str, rows: list[Row]) -> None:
    put(settings, path, csv_bytes(rows))


def _csv_with_bom(settings: Settings, path: str, rows: list[Row]) -> None:
    put(settings, path, b"\xef\xbb\xbf" + csv_bytes(rows))


def _csv_with_semicolons(settings: Settings, path: str, rows: list[Row]) -> None:
    lines = csv_bytes([{"a": 1}]).decode()
    assert lines.startswith("a")
    columns = list(rows[0])
    text = ";".join(columns) + "\r\n"
    text += "".join(
        ";".join('"' + str(row.get(name, "")).replace('"', '""') + '"' for name in columns) + "\r\n"
        for row in rows
    )
    put(settings, path, text.encode())


WAYS: list[tuple[str, Writer]] = [
    ("rows.ndjson", _lines),
    ("rows.jsonl", _lines),
    ("rows.json", _lines),
    ("rows.json", _array),
    ("rows.csv", _csv),
    ("rows.csv", _csv_with_bom),
    ("rows.parquet", put_with_duckdb),
    ("rows.ndjson.gz", _lines),
    ("rows.json.gz", _array),
    ("rows.csv.gz", _csv),
    ("rows.ndjson.zst", put_with_duckdb),
    ("dt=2026-03-01/part 1.ndjson", _lines),
]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path, threads=1)


def content(row: dict[str, Any]) -> dict[str, Any]:
    """A landed row without what names its load."""
    return {name: value for name, value in row.items() if name not in ("load_id", "loaded_at")}


@pytest.mark.parametrize(("name", "write"), WAYS)
@pytest.mark.parametrize(("stream", "rows"), [("agent_events", EVENTS), ("tasks", TASKS)])
def test_every_format_gives_the_same_rows(
    settings: Settings, name: str, write: Writer, stream: str, rows: list[Row]
) -> None:
    write(settings, f"{stream}/{name}", rows)
    (outcome,) = load(settings).files
    assert (outcome.status, outcome.error, outcome.rows_landed) == (NEW, None, len(rows))

    reference = Settings(home=settings.home / "reference", threads=1)
    load_rows(reference, stream, rows)
    expected = [content(row) for row in landed(reference, stream)]
    assert [content(row) for row in landed(settings, stream)] == expected


@pytest.mark.parametrize(
    ("name", "write"),
    [("a.ndjson", _lines), ("a.json", _array), ("a.csv", _csv), ("a.parquet", put_with_duckdb)],
)
def test_what_a_folder_is_called_is_no_value_of_a_row(
    settings: Settings, tmp_path: Path, name: str, write: Writer
) -> None:
    rows: list[Row] = [
        row_of("charges", charge_id="c-1"),
        row_of("charges", charge_id="c-2", currency="USD"),
    ]
    write(settings, f"charges/{name}", rows)
    folder = settings.landing / "charges" / "dt=2026-03-02" / "currency=EUR"
    folder.mkdir(parents=True)
    (settings.landing / "charges" / name).rename(folder / name)
    load(settings)
    beside = Settings(home=tmp_path / "beside", threads=2)
    write(beside, f"charges/{name}", rows)
    load(beside)
    assert landed(settings, "charges") == landed(beside, "charges")


def test_a_csv_may_use_semicolons(settings: Settings) -> None:
    _csv_with_semicolons(settings, "publishers/rows.csv", [row_of("publishers")])
    load(settings)
    assert landed(settings, "publishers")[0]["publisher_name"] == "Acme"


def test_money_keeps_every_digit_of_the_file(settings: Settings) -> None:
    text = '{"charge_id":"c","tenant_id":"t","publisher_id":"p","agent_id":"a","kind":"usage",'
    text += '"charged_at":"2026-03-01T10:00:00Z","currency":"EUR",'
    text += '"amount": 98765432109.123456789012,"platform_fee":0.000000000001}\n'
    put(settings, "charges/rows.ndjson", text.encode())
    load(settings)
    (row,) = landed(settings, "charges")
    assert row["amount"] == Decimal("98765432109.123456789012")
    assert row["platform_fee"] == Decimal("0.000000000001")


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b'{"publisher_id": "p-2"', "malformed_row"),
        (b"not json", "malformed_row"),
        (b"\xff\xfe\x00", "malformed_row"),
        (b'{"publisher_id": "\x01"}', "malformed_row"),
        (b"[1, 2]", "not_an_object"),
        (b"17", "not_an_object"),
        (b"null", "not_an_object"),
    ],
)
def test_a_line_that_is_no_object_is_quarantined_with_its_number_and_the_rest_lands(
    settings: Settings, line: bytes, reason: str
) -> None:
    good = ndjson([row_of("publishers")])
    put(settings, "publishers/rows.ndjson", good + b"\n" + line + b"\n" + good)
    (outcome,) = load(settings).files
    assert (outcome.rows_read, outcome.rows_landed, outcome.rows_quarantined) == (3, 2, 1)
    (refused,) = quarantined(settings)
    assert (refused["reason_code"], refused["row_number"]) == (reason, 3)
    assert [row["row_number"] for row in landed(settings, "publishers")] == [1, 4]


def test_the_quarantine_keeps_the_raw_text(settings: Settings) -> None:
    text = b'{"charge_id": "c-1", "amount": -5}\n'
    put(settings, "charges/rows.ndjson", ndjson([row_of("charges")]) + text)
    load(settings)
    assert quarantined(settings)[0]["raw_text"] == text.decode().strip()


def test_line_ends_may_be_mixed_and_the_last_may_be_missing(settings: Settings) -> None:
    line = ndjson([row_of("publishers")]).strip()
    put(settings, "publishers/rows.ndjson", line + b"\r\n" + line + b"\n\r\n" + line)
    (outcome,) = load(settings).files
    assert (outcome.rows_read, outcome.rows_landed) == (3, 3)


def test_csv_rows_of_a_wrong_width_are_quarantined_and_the_rest_lands(settings: Settings) -> None:
    text = "publisher_id,publisher_name,updated_at\np-1,Acme,2026-03-01\np-2,Acme\n"
    text += 'p-3,Acme,2026-03-01,more\np-4,"A, ""B""\nC",2026-03-01\n'
    put(settings, "publishers/rows.csv", text.encode())
    (outcome,) = load(settings).files
    assert (outcome.rows_read, outcome.rows_landed, outcome.rows_quarantined) == (4, 2, 2)
    assert [row["row_number"] for row in quarantined(settings)] == [2, 3]
    assert [row["publisher_name"] for row in landed(settings, "publishers")] == [
        "Acme",
        'A, "B"\nC',
    ]


GOOD = ndjson([row_of("publishers")])


@pytest.mark.parametrize(
    ("path", "content", "message"),
    [
        ("publishers/a.ndjson", b"", "is empty"),
        ("publishers/a.ndjson", b" \n\n", "is empty"),
        ("publishers/a.csv.gz", gzip.compress(b"", mtime=0), "is empty"),
        ("publishers/a.ndjson.gz", gzip.compress(GOOD * 99, mtime=0)[:-9], "ends too early"),
        ("publishers/a.ndjson.gz", GOOD, "is not a readable gzip file"),
        ("publishers/a.ndjson.zst", GOOD, "is not a readable zstd file"),
        ("publishers/a.parquet", b"PAR1 but no more", "is not a readable Parquet file"),
        ("publishers/a.ndjson", b"\x89PNG\r\n\x1a\n\x00", "none of its"),
        ("publishers/a.json", b'[{"publisher_id": "p-1"', "cannot be read"),
        ("publishers/a.xlsx", b"x", "unknown extension"),
        ("publishers/a", b"x", "unknown extension"),
        ("publishers/a.csv", b"publisher_id,publisher_id\n1,2\n", "two csv columns"),
        ("invoices/a.ndjson", GOOD, "is no stream of the contract"),
        ("a.ndjson", GOOD, "lies in no stream folder"),
    ],
)
def test_a_file_that_cannot_be_loaded_is_named_in_one_line_and_the_rest_loads(
    settings: Settings, path: str, content: bytes, message: str
) -> None:
    put_bytes(settings, path, content)
    put(settings, "publishers/good.ndjson", ndjson([row_of("publishers", publisher_id="p-2")]))
    outcomes = {outcome.status: outcome for outcome in load(settings).files}
    error = outcomes[FAILED].error or ""
    assert message in error
    assert "\n" not in error
    assert error.startswith(("invoices: ", f"{path}: "))
    assert outcomes[NEW].rows_landed == 1
    assert [entry["publisher_id"] for entry in landed(settings, "publishers")] == ["p-2"]


def test_a_folder_that_is_no_stream_names_those_that_are(settings: Settings) -> None:
    put(settings, "invoices/a.ndjson", GOOD)
    (outcome,) = load(settings).files
    assert "agent_events, llm_calls" in (outcome.error or "")


@pytest.mark.parametrize(
    ("folder", "row", "looks_like"),
    [
        ("agent_events", row_of("charges"), "charges"),
        ("tasks", row_of("conversations"), "conversations"),
        ("charges", {"name": "x"}, None),
    ],
)
def test_a_file_of_a_wrong_stream_says_so_and_is_not_taken_for_loaded(
    settings: Settings, folder: str, row: Row, looks_like: str | None
) -> None:
    put(settings, f"{folder}/rows.ndjson", ndjson([row]))
    for _ in range(2):
        (outcome,) = load(settings).files
        assert outcome.status == FAILED
        assert f"is no file of {folder}: no row carries its required fields" in (
            outcome.error or ""
        )
        assert looks_like is None or f"move it to {looks_like}/" in (outcome.error or "")
    assert quarantined(settings) == []


def test_a_csv_with_a_header_alone_loads_no_rows(settings: Settings) -> None:
    put(settings, "publishers/a.csv", b"publisher_id,publisher_name,updated_at\n")
    (outcome,) = load(settings).files
    assert (outcome.status, outcome.rows_read) == (NEW, 0)


def test_hidden_and_marker_files_are_left_alone(settings: Settings) -> None:
    for name in (".DS_Store", "_SUCCESS", ".tmp/a.ndjson"):
        put(settings, f"publishers/{name}", b"x")
    assert load(settings).files == ()


def test_a_missing_landing_folder_is_named(settings: Settings) -> None:
    with pytest.raises(UserError, match=r"landing folder .*nowhere does not exist"):
        load_landing(settings=settings, landing=settings.home / "nowhere", as_of=AS_OF)
