"""The agreed shape of each dataset, and where a document differs from it.

Belongs here: names, nesting, order and types of fields. Does not belong here: values and rounding.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

from orchestration.reporting.documents import Json, to_json

_SHAPES = Path(__file__).parents[1] / "golden" / "shapes"

# Their keys are agents, models and the like, so that one member stands for all.
_MAPS_OF_DATA = frozenset(
    {
        "by_agent",
        "by_model",
        "by_type",
        "cost_by_agent",
        "cost_by_model",
        "performance_by_agent",
        "rating_by_load",
        "tool_failure_rates",
        "tool_usage_breakdown",
    }
)


def shaped_datasets() -> list[str]:
    """The datasets that have an agreed shape."""
    return sorted(path.stem for path in _SHAPES.glob("*.json"))


def differences(dataset: str, document: Json) -> list[str]:
    """Where the document differs from the shape of its dataset, but for what is under ``extra``."""
    example = json.loads((_SHAPES / f"{dataset}.json").read_text(), parse_float=Decimal)
    written = json.loads(to_json(document), parse_float=Decimal)
    return list(_compare(example, written, where=dataset, name=""))


def _compare(example: Any, found: Any, *, where: str, name: str) -> Iterator[str]:
    if isinstance(example, Mapping) and isinstance(found, Mapping):
        if name in _MAPS_OF_DATA:
            member = next(iter(example.values()))
            for key, value in found.items():
                yield from _compare(member, value, where=f"{where}.{key}", name="")
            return
        keys = [key for key in found if key != "extra"]
        if keys != list(example):
            yield f"{where} has {keys} instead of {list(example)}"
            return
        for key in keys:
            yield from _compare(example[key], found[key], where=f"{where}.{key}", name=key)
    elif isinstance(example, list) and isinstance(found, list):
        for position, value in enumerate(found):
            yield from _compare(example[0], value, where=f"{where}[{position}]", name=name)
    elif not _is_like(example, found, name=name):
        yield f"{where} is {found!r} where {example!r} is the example"


def _is_like(example: Any, found: Any, *, name: str) -> bool:
    """Whether a value is of the kind of the example; unknown is of every kind, ids are text."""
    if found is None:
        return True
    if name.endswith("_id"):
        return isinstance(found, str)
    if isinstance(example, bool) or isinstance(found, bool):
        return isinstance(example, bool) and isinstance(found, bool)
    if isinstance(example, Decimal):
        return isinstance(found, Decimal)
    return isinstance(found, type(example))
