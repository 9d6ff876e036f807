"""Checking a JSON document against the schema of its dataset."""

from __future__ import annotations

from functools import cache
from typing import Any

from jsonschema import Draft202012Validator

from orchestration.reporting.schemas.schema import schema_of


@cache
def _validator(dataset: str) -> Draft202012Validator:
    schema = schema_of(dataset)
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER)


def schema_errors(dataset: str, document: Any) -> list[str]:
    """What of the document is not as the schema says; empty when all of it is."""
    return [
        f"{dataset} at {error.json_path}: {error.message}"
        for error in _validator(dataset).iter_errors(document)
    ]
