"""Every dataset has a JSON Schema, and every figure in it a metric of the catalogue."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from orchestration.reporting.datasets.registry import DATASETS
from orchestration.reporting.schemas.schema import metric_keys, schema_file, schema_of
from orchestration.settings import PROJECT_ROOT
from tests.support.schemas import schema_errors

_SHAPES = PROJECT_ROOT.parent / "shared" / "spec" / "shapes"


def _numbers(node: Any, path: str = "") -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every number of a schema, with the path to it."""
    if not isinstance(node, dict):
        return
    kinds = node.get("type", [])
    if {"integer", "number"} & set(kinds if isinstance(kinds, list) else [kinds]):
        yield path, node
    for key, member in node.get("properties", {}).items():
        yield from _numbers(member, f"{path}/{key}")
    for inner in ("items", "additionalProperties"):
        yield from _numbers(node.get(inner), f"{path}/{inner}")


def test_there_is_a_schema_for_every_dataset_and_no_other() -> None:
    folder = schema_file("x").parent
    written = {path.stem for path in folder.glob("*.json")} - {"about"}
    assert written == set(DATASETS), "draft it with `python -m tests.support.schema_drafts`"


@pytest.mark.parametrize("name", list(DATASETS))
def test_a_schema_is_one_and_leaves_no_field_open(name: str) -> None:
    schema = schema_of(name)
    Draft202012Validator.check_schema(schema)
    assert schema["title"] == name
    main = schema["items"] if schema["type"] == "array" else schema
    assert main["additionalProperties"] is False


@pytest.mark.parametrize("name", list(DATASETS))
def test_every_figure_names_its_metric_or_says_what_it_is(name: str) -> None:
    unexplained = [
        path for path, node in _numbers(schema_of(name)) if not node.get("description", "").strip()
    ]
    assert unexplained == []
    unknown = [
        node["x-metric"]
        for _, node in _numbers(schema_of(name))
        if "x-metric" in node and node["x-metric"] not in metric_keys().values()
    ]
    assert unknown == []


def test_a_figure_is_described_by_the_catalogue_and_in_its_own_unit() -> None:
    properties = schema_of("company")["properties"]["summary"]["properties"]
    assert properties["total_sessions"]["x-metric"] == "sessions"
    assert properties["total_sessions"]["description"].startswith("Sessions: Runs of messages")
    assert properties["avg_response_time_s"]["description"].endswith("Unit: s.")


def test_a_document_with_a_field_too_many_or_too_few_is_not_as_the_schema_says() -> None:
    document: dict[str, Any] = {"labels": ["2026-03-01"], "messages": [1], "tokens": [2]}
    assert schema_errors("usage-timeline", document) == []
    assert schema_errors("usage-timeline", {**document, "cost": [1]})
    assert schema_errors("usage-timeline", {"labels": [], "messages": []})
    assert schema_errors("usage-timeline", {**document, "tokens": [None]})
    assert schema_errors("usage-timeline", {**document, "labels": ["March"]})


def test_the_examples_of_the_specification_are_as_their_schemas_say() -> None:
    """The examples are beside the repository while it is written; their fields are part of it."""
    examples = sorted(_SHAPES.glob("*.json")) if _SHAPES.is_dir() else []
    errors = [
        error
        for path in examples
        for error in schema_errors(path.stem, json.loads(path.read_text(encoding="utf-8")))
    ]
    assert errors == []
