"""Two answers to one question: where they differ.

Belongs here: equality of documents and the order of lists nobody has fixed. Does not belong here:
any figure. Numbers are equal or they differ: both sides round half up from exact figures.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

# Lists whose order no row states: compared by the key that names a member.
_UNORDERED = {
    "agent_types": ("agent_type_id",),
    "agents": ("agent_id",),
    "providers": ("provider",),
    "models": ("model", "provider"),
}

_TIMES = ("start", "end", "timestamp", "from_date", "to_date", "peak_at")

Differences = Iterator[tuple[str, object, object]]


def differences(expected: Any, got: Any, *, path: str = "") -> Differences:
    """Path, expected and got of each difference; what ``got`` alone says under extra is no one."""
    if isinstance(expected, Mapping) and isinstance(got, Mapping):
        yield from _maps(expected, got, path)
    elif _is_list(expected) and _is_list(got):
        yield from _lists(expected, got, path)
    elif not _same(expected, got, path):
        yield path, expected, got


def _maps(expected: Mapping[str, Any], got: Mapping[str, Any], path: str) -> Differences:
    for name, value in expected.items():
        if name not in got:
            yield f"{path}/{name}", value, "missing"
        else:
            yield from differences(value, got[name], path=f"{path}/{name}")
    inside_extra = "/extra" in path or path.endswith(("/insights", "/health", "/forecast"))
    for name in got:
        if name not in expected and name != "extra" and not inside_extra:
            yield f"{path}/{name}", "absent", got[name]


def _lists(expected: Sequence[Any], got: Sequence[Any], path: str) -> Differences:
    keys = _UNORDERED.get(path.rpartition("/")[2])
    if keys is not None:
        expected = sorted(expected, key=lambda row: [str(row[key]) for key in keys])
        got = sorted(got, key=lambda row: [str(row[key]) for key in keys])
    if len(expected) != len(got):
        yield f"{path}#", expected, got
        return
    for number, (one, other) in enumerate(zip(expected, got, strict=True)):
        yield from differences(one, other, path=f"{path}/{number}")


def _same(expected: object, got: object, path: str) -> bool:
    if isinstance(expected, str) and isinstance(got, str):
        if path.rpartition("/")[2] in _TIMES and "T" in expected:
            return datetime.fromisoformat(expected) == datetime.fromisoformat(got)
        return expected == got
    if isinstance(expected, int | Decimal) and isinstance(got, int | Decimal):
        return Decimal(expected) == Decimal(got)
    return type(expected) is type(got) and expected == got


def _is_list(value: object) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str)
