"""The JSON Schema of each dataset: one file per dataset beside this module.

A file says which fields there are and of which type. A figure names its metric under ``x-metric``, and its
unit under ``x-unit`` where it is not the metric's own; what the metric means comes from the catalogue, so
that it is written once. ``x-about`` stands for the fields that ``extra`` has in every dataset. What is below
``extra`` may gain fields at any time; everything else is exactly what the schema says.

Belongs here: reading those files. Does not belong here: how a dataset is made (reporting/datasets), and
checking an export against its schema, which the tests do.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from orchestration.settings import PROJECT_ROOT

_FOLDER = Path(__file__).parent
_CATALOGUE = PROJECT_ROOT / "seeds" / "reference" / "metric_catalogue.csv"
_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_METRIC, _UNIT, _ABOUT = "x-metric", "x-unit", "x-about"
# Any dataset may say it, and none has to.
_TRUNCATED = "truncated_by_retention"
_IS_TRUNCATED: Mapping[str, Any] = {
    "const": True,
    "description": "Retention removed rows of a day of the window: the figures are of what is left.",
}


def schema_of(dataset: str) -> dict[str, Any]:
    """The schema of a dataset's JSON document, its figures described by the metric catalogue."""
    written = json.loads(schema_file(dataset).read_text(encoding="utf-8"))
    return {"$schema": _DIALECT, "title": dataset, **_described(written)}


def schema_file(dataset: str) -> Path:
    """Where the schema of a dataset is written."""
    return _FOLDER / f"{dataset}.json"


@cache
def shared_fields() -> Mapping[str, Any]:
    """The fields of ``extra`` that say whose figures these are and where their data end."""
    fields: dict[str, Any] = json.loads((_FOLDER / "about.json").read_text(encoding="utf-8"))
    return fields


@cache
def metric_keys() -> Mapping[str, str]:
    """The key of each metric by every name that it goes by."""
    keys = {key: key for key in _catalogue()}
    for key, metric in _catalogue().items():
        for alias in metric["aliases"].split():
            keys.setdefault(alias, key)
    return keys


def _described(node: Any) -> Any:
    if isinstance(node, list):
        return [_described(one) for one in node]
    if not isinstance(node, dict):
        return node
    found = {key: _described(one) for key, one in node.items() if key not in (_ABOUT, _UNIT)}
    if node.get(_ABOUT):
        about = shared_fields()
        found["properties"] = {**about, _TRUNCATED: _IS_TRUNCATED, **found["properties"]}
        found["required"] = [*about, *found["required"]]
    if isinstance(node.get(_METRIC), str):
        metric = _catalogue()[node[_METRIC]]
        meaning = f"{metric['label']}: {metric['definition']}."
        found["description"] = " ".join(
            [node.get("description", ""), meaning, f"Unit: {node.get(_UNIT, metric['unit'])}."]
        ).strip()
    return found


@cache
def _catalogue() -> Mapping[str, Mapping[str, str]]:
    with _CATALOGUE.open(encoding="utf-8", newline="") as lines:
        return {row["metric_key"]: row for row in csv.DictReader(lines)}
