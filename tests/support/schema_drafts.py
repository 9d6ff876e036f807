"""A first draft of the JSON Schema of a dataset, from what a deployment answers.

``python -m tests.support.schema_drafts HOME DATASET`` writes orchestration/reporting/schemas/<dataset>.json.
The draft is as good as the data: read it, make keys that come from the data a map (``additionalProperties``),
and name the metric of each figure.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from orchestration.reporting.datasets.asking import Request, ask, pose
from orchestration.reporting.datasets.dataset import Dataset
from orchestration.reporting.datasets.registry import DATASETS
from orchestration.reporting.documents import Json
from orchestration.reporting.query import Published, read_published
from orchestration.reporting.schemas.schema import metric_keys, schema_file, shared_fields
from orchestration.settings import Settings

_PERIODS = ("30d", "month", "2020", "1d", "2026-W08")
_TYPES = ("object", "array", "string", "boolean", "integer", "number", "null")
_SCALARS = ((bool, "boolean"), (int, "integer"), (Decimal, "number"), (str, "string"))


def answers(published: Published, dataset: Dataset, *, scopes_of_a_kind: int) -> Iterator[Json]:
    """Documents of a dataset for several scopes and periods, one without any data among them."""
    scopes = {"platform": ["platform"]}
    for kind in ("tenant", "publisher"):
        found = published.rows(f"select {kind}_id as id from core.dim_{kind}s order by {kind}_id")
        scopes[kind] = [f"{kind}:{row['id']}" for row in found[:scopes_of_a_kind]]
    metrics: Sequence[str | None] = [None]
    if dataset.metric is not None:
        allowed = dataset.metric.allowed()
        metrics = allowed if len(allowed) <= 10 else allowed[::20]
    for kind_of_scope in sorted(dataset.scopes):
        for scope in scopes[kind_of_scope.value]:
            for period in _PERIODS:
                for metric in metrics:
                    question = pose(
                        Request(scope=scope, period=period, metric=metric),
                        dataset=dataset,
                        published=published,
                        platform_zone="UTC",
                        now=published.as_of,
                    )
                    yield ask(dataset, question=question, published=published).document


def draft(documents: Iterator[Json]) -> dict[str, Any]:
    """The narrowest schema that holds all of these documents."""
    node: dict[str, Any] = {}
    for document in documents:
        node = _merged(node, _inferred(document))
    return _finished(node)


def _inferred(value: Json) -> dict[str, Any]:
    if value is None:
        return {"type": ["null"]}
    for kind, name in _SCALARS:
        if isinstance(value, kind):
            return {"type": [name]}
    if isinstance(value, date):
        time = "date-time" if isinstance(value, datetime) else "date"
        return {"type": ["string"], "format": time}
    if isinstance(value, Mapping):
        return {
            "type": ["object"],
            "required": list(value),
            "properties": {key: _inferred(member) for key, member in value.items()},
        }
    items: dict[str, Any] = {}
    for member in value if isinstance(value, Sequence) else ():
        items = _merged(items, _inferred(member))
    return {"type": ["array"], "items": items}


def _merged(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    if not one or not other:
        return one or other
    both = {**one, **other, "type": [*one["type"], *other["type"]]}
    if "properties" in one and "properties" in other:
        both["required"] = [key for key in one["required"] if key in other["required"]]
        both["properties"] = {
            key: _merged(one["properties"].get(key, {}), other["properties"].get(key, {}))
            for key in (*one["properties"], *other["properties"])
        }
    if "items" in one and "items" in other:
        both["items"] = _merged(one["items"], other["items"])
    return both


def _finished(node: dict[str, Any], name: str = "", *, is_open: bool = False) -> dict[str, Any]:
    """The node as it is written; below ``extra`` it stays open to more fields."""
    if not node:
        return {}
    types = [kind for kind in _TYPES if kind in node["type"]]
    if "number" in types:
        # What is rounded is a quotient or money, and may be unknown.
        types = [kind for kind in types if kind not in ("integer", "null")] + ["null"]
    found: dict[str, Any] = {"type": types[0] if len(types) == 1 else types}
    if "format" in node:
        found["format"] = node["format"]
    if "properties" in node:
        members = {
            key: _finished(member, key, is_open=is_open or key == "extra")
            for key, member in node["properties"].items()
        }
        about = shared_fields()
        if about.keys() <= members.keys():
            members = {key: member for key, member in members.items() if key not in about}
            found["x-about"] = True
        found["required"] = [key for key in node["required"] if key != "extra" and key in members]
        found["properties"] = members
        if not is_open:
            found["additionalProperties"] = False
    if "items" in node:
        found["items"] = _finished(node["items"], name, is_open=is_open)
    if name in metric_keys() and {"integer", "number"} & set(types):
        found["x-metric"] = metric_keys()[name]
    return found


def main() -> None:
    """Write the drafts that the command line names."""
    home, *names = sys.argv[1:]
    with read_published(Settings(home=Path(home))) as published:
        for name in names:
            schema = draft(answers(published, DATASETS[name], scopes_of_a_kind=4))
            text = json.dumps(schema, indent=2, ensure_ascii=False)
            schema_file(name).write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
