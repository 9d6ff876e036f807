"""JSON as exports write it: same input, same bytes; decimals as plain numbers.

Belongs here: the text of a document. Does not belong here: what a document holds (datasets/).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal

Json = Mapping[str, "Json"] | Sequence["Json"] | str | int | bool | Decimal | date | None
"""What a document may hold. There is no float: a figure is a whole number or a decimal."""

_INDENT = "  "
_scalar = json.JSONEncoder(ensure_ascii=False).encode


def to_json(document: Json) -> str:
    """The document as indented JSON that ends with a newline; the order of keys is kept."""
    parts: list[str] = []
    _write(document, parts, indent="")
    return "".join(parts) + "\n"


def number_text(value: Decimal) -> str:
    """The decimal without an exponent or idle zeros, yet visibly a decimal: ``18.4``, ``60.0``."""
    text = f"{value:f}"
    if "." not in text:
        return text
    stripped = text.rstrip("0")
    text = f"{stripped}0" if stripped.endswith(".") else stripped
    return text.removeprefix("-") if Decimal(text) == 0 else text


def time_text(moment: date) -> str:
    """ISO 8601; an instant ends with its offset from UTC, Z for none."""
    if isinstance(moment, datetime) and moment.tzinfo is not None:
        return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return moment.isoformat()


def _write(value: Json, parts: list[str], *, indent: str) -> None:
    if value is None or isinstance(value, str | int):
        parts.append(_scalar(value))
    elif isinstance(value, Decimal):
        parts.append(number_text(value))
    elif isinstance(value, date):
        parts.append(_scalar(time_text(value)))
    elif isinstance(value, Mapping) and value:
        deeper = indent + _INDENT
        before = f"{{\n{deeper}"
        for key, member in value.items():
            parts.append(f"{before}{_scalar(key)}: ")
            _write(member, parts, indent=deeper)
            before = f",\n{deeper}"
        parts.append(f"\n{indent}}}")
    elif isinstance(value, Sequence) and value:
        deeper = indent + _INDENT
        before = f"[\n{deeper}"
        for member in value:
            parts.append(before)
            _write(member, parts, indent=deeper)
            before = f",\n{deeper}"
        parts.append(f"\n{indent}]")
    elif isinstance(value, float):
        raise TypeError(f"{value!r} is a binary float; round it to a decimal first")
    else:
        parts.append(_scalar(value))
