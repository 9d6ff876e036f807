"""JSON documents are the same bytes for the same figures."""

import json
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal

import pytest

from orchestration.reporting.documents import Json, number_text, time_text, to_json


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("18.40", "18.4"),
        ("60.00", "60.0"),
        ("0.0000", "0.0"),
        ("-0.00", "0.0"),
        ("1E+3", "1000"),
        ("0.0000001", "0.0000001"),
        ("9990.01", "9990.01"),
    ],
)
def test_decimals_are_plain_numbers(value: str, text: str) -> None:
    assert number_text(Decimal(value)) == text


def test_times_are_utc_with_z_and_dates_are_dates() -> None:
    moment = datetime(2026, 3, 1, 5, 30, tzinfo=timezone(timedelta(hours=5, minutes=30)))
    assert time_text(moment) == "2026-03-01T00:00:00Z"
    assert time_text(datetime(2026, 3, 1, 1, tzinfo=UTC)) == "2026-03-01T01:00:00Z"
    assert time_text(date(2026, 3, 1)) == "2026-03-01"


def test_a_document_keeps_the_order_of_its_keys_and_ends_with_a_newline() -> None:
    document: Json = {"z": 1, "a": [], "m": {}, "d": date(2026, 3, 1), "n": None, "t": True}
    assert to_json(document) == (
        '{\n  "z": 1,\n  "a": [],\n  "m": {},\n  "d": "2026-03-01",\n  "n": null,\n  "t": true\n}\n'
    )


def test_any_text_comes_back_as_it_went_in() -> None:
    document: Json = {'na"me\n': ["Ünïcode ☃", "tab\t", {"nested": [Decimal("1.50")]}]}
    assert json.loads(to_json(document)) == {'na"me\n': ["Ünïcode ☃", "tab\t", {"nested": [1.5]}]}


def test_a_binary_float_is_refused() -> None:
    with pytest.raises(TypeError, match="binary float"):
        to_json({"x": 0.1})  # type: ignore[dict-item]
