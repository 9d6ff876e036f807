"""JSON as exports write it: same input, same bytes; decimals as plain numbers.

Belongs here: the text of a document. Does not belong here: what a document holds (datasets/).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal

Json = Mapping[str, "Json"] | Sequence["Json"] | str | int | bool | Decimal | date | None
"""What a document may hold. There is no float: a figure is a whole number or a decimal."""

_INDENT = "  "


def to_json(document: Json) -> str:
    """The document as indented JSON that ends with a newline; the order of keys is kept."""
    return "".join(_write(document, indent="")) + "\n"


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


def _write(value: Json, *, indent: str) -> Iterator[str]:
    deeper = indent + _INDENT
    if isinstance(value, Mapping) and value:
        for position, (key, member) in enumerate(value.items()):
            yield f"{',' if position else '{'}\n{deeper}{json.dumps(key, ensure_ascii=False)}: "
            yield from _write(member, indent=deeper)
        yield f"\n{indent}}}"
    elif isinstance(value, Sequence) and not isinstance(value, str) and value:
        for position, member in enumerate(value):
            yield f"{',' if position else '['}\n{deeper}"
            yield from _write(member, indent=deeper)
        yield f"\n{indent}]"
    elif isinstance(value, Decimal):
        yield number_text(value)
    elif isinstance(value, date):
        yield json.dumps(time_text(value))
    elif isinstance(value, float):
        raise TypeError(f"{value!r} is a binary float; round it to a decimal first")
    else:
        yield json.dumps(value, ensure_ascii=False)
