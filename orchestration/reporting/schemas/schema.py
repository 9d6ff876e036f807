"""The JSON Schema of each dataset: one file per dataset beside this module.

A file says which fields there are and of which type. A figure names its metric under ``x-metric``; what it means
and in what unit it is measured comes from the metric catalogue, so it is written once.

Belongs here: reading those files. Does not belong here: how a dataset is made (reporting/datasets) and checking
an export against its schema, which the tests do.
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
_METRIC = "x-metric"
# What `extra` says in every dataset whose document is one object.
_SHARED = _FOLDER / "_about.json"


def schema_of(dataset: str) -> dict[str, Any]:
    """The schema of a dataset's JSON document, its figures described by the metric catalogue."""
    written = json.loads((_FOLDER / f"{dataset}.json").read_text(encoding="utf-8"))
    about = json.loads(_SHARED.read_text(encoding="utf-8"))
    described: dict[str, Any] = {
        "$schema": _DIALECT,
        "title": dataset,
        **_described(written, about, _catalogue()),
    }
    return described


def schema_file(dataset: str) -> Path:
    """Where the schema of a dataset is written."""
    return _FOLDER / f"{dataset}.json"


def _described(node: Any, about: Mapping[str, Any], catalogue: Mapping[str, Any]) -> Any:
    if isinstance(node, list):
        return [_described(one, about, catalogue) for one in node]
    if not isinstance(node, dict):
        return node
    found = {
        key: _described(one, about, catalogue) for key, one in node.items() if key != "x-about"
    }
    if node.get("x-about"):
        found["properties"] = {**_described(about, {}, catalogue), **found.get("properties", {})}
    if isinstance(node.get(_METRIC), str):
        metric = catalogue[node[_METRIC]]
        text = f"{metric['label']}: {metric['definition']}"
        found = {**found, "description": f"{node.get('description', text)} Unit: {metric['unit']}."}
    return found


@cache
def _catalogue() -> Mapping[str, Mapping[str, str]]:
    with _CATALOGUE.open(encoding="utf-8", newline="") as lines:
        return {row["metric_key"]: row for row in csv.DictReader(lines)}
