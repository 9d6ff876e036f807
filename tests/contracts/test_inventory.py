"""Every row of the specification has a figure, what serves it and the test that shows it.

``inventory.csv`` says, for each row: the figure in our words; whether it is served, planned (something
that it needs is not built yet, and what that is) or excluded (with the reason); references to what
serves it; and the tests. A reference is a kind and a name: ``column`` of a published table or table
function, ``function``, ``export`` field, ``report`` section, ``insight`` rule, ``metric``, ``setting``,
``target``, ``benchmark``, ``label``, ``seed`` column, extract ``field``, ``command`` or ``schedule``.

Belongs here: that the list is complete and names only what exists. Does not belong here: whether a
figure is right, which the tests named in the list show.
"""

from __future__ import annotations

import ast
import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from orchestration.cli.main import cli
from orchestration.contracts.streams import STREAMS
from orchestration.reporting.schemas.schema import schema_of
from orchestration.settings import DBT_PROJECT_DIR, PROJECT_ROOT

LIST = Path(__file__).with_name("inventory.csv")
SPECIFICATION = PROJECT_ROOT.parent / "shared" / "spec"
REFERENCE = PROJECT_ROOT / "seeds" / "reference"
_FUNCTIONS = DBT_PROJECT_DIR / "macros" / "windows" / "table_functions.sql"

# How many rows each part of the specification has, numbered from 1.
ROWS = {
    "MP": 68,
    "RO": 70,
    "AG": 110,
    "DI": 106,
    "FL": 133,
    "X": 28,
    "D": 63,
    "EX": 28,
}
_THREE_DIGITS = ("MP", "RO", "AG", "DI", "FL")
_NOT_SERVED = ("planned", "excluded")


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One row of the list."""

    id: str
    figure: str
    status: str
    served_by: tuple[str, ...]
    tests: tuple[str, ...]

    @property
    def references(self) -> tuple[str, ...]:
        return tuple(one for one in self.served_by if one.partition(":")[0] not in _NOT_SERVED)

    @property
    def reasons(self) -> tuple[str, ...]:
        return tuple(one for one in self.served_by if one not in self.references)


def _parts(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(";") if part.strip())


def _entries() -> list[Entry]:
    with LIST.open(encoding="utf-8", newline="") as file:
        return [
            Entry(
                id=row["id"],
                figure=row["figure"],
                status=row["status"],
                served_by=_parts(row["served_by"]),
                tests=_parts(row["tests"]),
            )
            for row in csv.DictReader(file)
        ]


def _expected_ids() -> list[str]:
    return [
        f"{part}-{number:03d}" if part in _THREE_DIGITS else f"{part}-{number:02d}"
        for part, rows in ROWS.items()
        for number in range(1, rows + 1)
    ]


def test_every_row_of_the_specification_is_listed_once() -> None:
    assert sorted(entry.id for entry in _entries()) == sorted(_expected_ids())


@pytest.mark.skipif(not SPECIFICATION.is_dir(), reason="the specification is not in the project")
def test_the_numbers_of_rows_are_those_of_the_specification() -> None:
    inventory = (SPECIFICATION / "inventory.md").read_text(encoding="utf-8")
    decisions = (SPECIFICATION / "decisions.md").read_text(encoding="utf-8")
    found = re.findall(r"^\| ((?:MP|RO|AG|DI|FL|X|EX)-\d+) \|", inventory, re.MULTILINE)
    found += re.findall(r"^- (D-\d+) ", decisions, re.MULTILINE)
    assert sorted(found) == sorted(_expected_ids())


@pytest.mark.parametrize("entry", _entries(), ids=lambda entry: entry.id)
def test_a_row_says_what_serves_it_and_what_shows_it(entry: Entry) -> None:
    assert entry.figure
    match entry.status:
        case "served":
            assert entry.references
            assert entry.tests
            assert not entry.reasons
        case "planned" | "excluded":
            assert [reason.partition(":")[0] for reason in entry.reasons] == [entry.status]
            assert entry.reasons[0].partition(":")[2]
        case other:
            pytest.fail(f"{other} is no status")
    unknown = [reference for reference in entry.references if not _exists(reference)]
    assert unknown == []
    missing = [test for test in entry.tests if not _is_test(test)]
    assert missing == []


@pytest.mark.parametrize(
    "reference",
    [
        "column:usage_summary.no_such_column",
        "column:no_such_table.cost_usd",
        "function:no_such_function",
        "export:usage-summary.no_such_field",
        "export:no-such-dataset",
        "report:no_such_section",
        "insight:no_such_rule",
        "metric:no_such_metric",
        "field:agent_events.no_such_field",
        "command:no-such-command",
        "schedule:no_such_job",
        "seed:load_bands.no_such_column",
        "guess:anything",
    ],
)
def test_what_does_not_exist_is_seen(reference: str) -> None:
    assert not _exists(reference)


def test_a_test_that_does_not_exist_is_seen() -> None:
    assert _is_test("tests/contracts/test_inventory.py::test_a_test_that_does_not_exist_is_seen")
    assert not _is_test("tests/contracts/test_inventory.py::test_that_is_not_there")
    assert not _is_test("tests/no_such_file.py::test_that_is_not_there")


def _exists(reference: str) -> bool:
    kind, _, name = reference.partition(":")
    head, _, tail = name.partition(".")
    match kind:
        case "column":
            return tail in _columns().get(head, ())
        case "function":
            return f"'name': '{name}'," in _FUNCTIONS.read_text(encoding="utf-8")
        case "export":
            return _has_field(head, tail)
        case "report":
            return (PROJECT_ROOT / "orchestration/reporting/sections" / f"{name}.py").is_file()
        case "insight":
            return name in _keys("insight_rules")
        case "metric":
            return name in _keys("metric_catalogue")
        case "setting":
            return name in _keys("settings")
        case "target":
            return name in _keys("targets")
        case "benchmark":
            return name in _keys("benchmarks")
        case "label":
            return name in _keys("health_labels")
        case "seed":
            return tail in _header(head)
        case "field":
            stream = STREAMS.get(head)
            fields = () if stream is None else (*stream.fields, *stream.properties)
            return tail in {field.name for field in fields}
        case "command":
            return name in cli.list_commands(click.Context(cli))
        case "schedule":
            return name in (PROJECT_ROOT / "orchestration/defs/schedules.py").read_text()
        case _:
            return False


@cache
def _columns() -> dict[str, frozenset[str]]:
    """The columns of what is published: tables of core, marts, insights and alerts, and what meta shows."""
    found = {}
    for document in _dbt_documents():
        for model in document.get("models") or []:
            found[model["name"]] = frozenset(column["name"] for column in model.get("columns", []))
    return found


@cache
def _dbt_documents() -> tuple[dict[str, Any], ...]:
    folders = ("core", "marts", "insights", "alerts", "functions")
    paths = [path for one in folders for path in (DBT_PROJECT_DIR / "models" / one).rglob("*.yml")]
    return tuple(yaml.safe_load(path.read_text(encoding="utf-8")) for path in paths)


@cache
def _seed_rows(name: str) -> list[list[str]]:
    path = REFERENCE / f"{name}.csv"
    if not path.is_file():
        return [[]]
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


def _header(name: str) -> list[str]:
    return _seed_rows(name)[0]


def _keys(name: str) -> set[str]:
    return {row[0] for row in _seed_rows(name)[1:]}


def _has_field(dataset: str, path: str) -> bool:
    """Whether the dataset's schema knows the field: names, ``[]`` for a list, ``*`` for a map."""
    if not (PROJECT_ROOT / "orchestration/reporting/schemas" / f"{dataset}.json").is_file():
        return False
    schema: Any = _schema(dataset)
    for step in path.split(".") if path else ():
        match step:
            case "[]":
                schema = schema.get("items")
            case "*":
                schema = schema.get("additionalProperties")
            case _:
                schema = schema.get("properties", {}).get(step)
        if not isinstance(schema, dict):
            return False
        schema = _referred(schema, dataset)
    return True


@cache
def _schema(dataset: str) -> dict[str, Any]:
    return schema_of(dataset)


def _referred(schema: dict[str, Any], dataset: str) -> dict[str, Any]:
    """What a part of the schema points at, where it is written once for several fields."""
    while "$ref" in schema:
        found: Any = _schema(dataset)
        for step in str(schema["$ref"]).removeprefix("#/").split("/"):
            found = found[step]
        schema = found
    return schema


def _is_test(name: str) -> bool:
    path, _, test = name.partition("::")
    file = PROJECT_ROOT / path
    return file.is_file() and test in _tests_of(file)


@cache
def _tests_of(file: Path) -> frozenset[str]:
    text = file.read_text(encoding="utf-8")
    if file.suffix == ".py":
        return frozenset(_functions(ast.parse(text)))
    units = (yaml.safe_load(text) or {}).get("unit_tests") or []
    return frozenset(unit["name"] for unit in units)


def _functions(module: ast.Module) -> Iterator[str]:
    for statement in module.body:
        if isinstance(statement, ast.FunctionDef) and statement.name.startswith("test_"):
            yield statement.name
