"""The semantic models and metrics of the dbt project, written from the definitions that the marts render.

    python -m orchestration.warehouse.semantic_layer

Belongs here: what a measure of macros/measures is in dbt's semantic layer, and which metrics of the catalogue
follow from it. Does not belong here: any formula.
"""

from __future__ import annotations

import csv
import json
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from orchestration.errors import RunFailure
from orchestration.settings import DBT_PROJECT_DIR, PROJECT_ROOT, Settings
from orchestration.warehouse.manifest import DBT_EXECUTABLE, MANIFEST_FILE

SEMANTIC_MODELS_DIR = DBT_PROJECT_DIR / "models" / "semantic"
_CATALOGUE = PROJECT_ROOT / "seeds" / "reference" / "metric_catalogue.csv"
_HEADER = (
    "# Written by `python -m orchestration.warehouse.semantic_layer` from macros/measures and the metric\n"
    "# catalogue; a change by hand is lost, and a test fails.\n"
)
# What figures can be cut by: a dimension, its key's name in the facts and its columns. An entity and a column
# cannot have one name.
_DIMENSIONS = {
    "dim_agents": ("agent", ("agent_id", "agent_name", "source_name")),
    "dim_agent_types": ("agent_type", ("agent_type_id", "agent_type_name", "source_name")),
    "dim_models": ("model", ("model_name", "provider", "vendor")),
    "dim_publishers": ("publisher", ("publisher_id", "publisher_name", "source_name")),
    "dim_tenants": ("tenant", ("tenant_id", "tenant_name", "plan_tier", "source_name")),
}
_RENAMED = {"model_name": {"expr": "model"}}


class _Dumper(yaml.SafeDumper):
    """Writes equal lists in full: no anchors."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def write_semantic_layer(definitions: Mapping[str, Any], folder: Path) -> None:
    """Write the two files of the semantic layer into the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    layer = SemanticLayer(definitions, _read_catalogue())
    for name, content in (("semantic_models", layer.models()), ("metrics", layer.metrics())):
        text = yaml.dump({"version": 2, name: content}, Dumper=_Dumper, sort_keys=False, width=110)
        (folder / f"{name}.yml").write_text(_HEADER + text, encoding="utf-8")


def read_definitions(settings: Settings) -> Mapping[str, Any]:
    """The definitions of measures as dbt renders them.

    Raises:
        RunFailure: dbt cannot render them; the message holds dbt's own.
    """
    project = str(DBT_PROJECT_DIR)
    with tempfile.TemporaryDirectory() as scratch:
        if (cache := MANIFEST_FILE.with_name("partial_parse.msgpack")).exists():
            shutil.copy2(cache, scratch)
        command = [DBT_EXECUTABLE, "--quiet", "run-operation", "print_measures"]
        command += ["--project-dir", project, "--profiles-dir", project]
        command += ["--target-path", scratch, "--log-path", scratch]
        with settings.dbt_environment() as environment:
            finished = subprocess.run(
                command, env=environment, capture_output=True, text=True, check=False
            )
    if finished.returncode != 0:
        raise RunFailure(f"dbt cannot render the measures: {finished.stdout}{finished.stderr}")
    definitions: dict[str, Any] = json.loads(finished.stdout)
    return definitions


def _read_catalogue() -> list[dict[str, str]]:
    with _CATALOGUE.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


@dataclass(frozen=True)
class SemanticLayer:
    """Semantic models, one per fact and dimension; metrics, under the catalogue's keys where it has one."""

    definitions: Mapping[str, Any]
    catalogue: list[dict[str, str]]
    _written: dict[str, dict[str, Any]] = field(default_factory=dict)

    def models(self) -> list[dict[str, Any]]:
        facts = [
            _fact_model(fact, definition) for fact, definition in self.definitions["facts"].items()
        ]
        return facts + [
            _dimension_model(dimension, entity, columns)
            for dimension, (entity, columns) in _DIMENSIONS.items()
        ]

    def metrics(self) -> list[dict[str, Any]]:
        for row in self.catalogue:
            column = row["summary_column"] or row["metric_key"]
            if self._keys.get(column) == row["metric_key"]:
                self._metric(column)
        return [self._written[name] for name in sorted(self._written)]

    @cached_property
    def _measures(self) -> dict[str, Mapping[str, Any]]:
        return {
            column: measure
            for fact in self.definitions["facts"].values()
            for column, measure in fact["measures"].items()
        }

    @cached_property
    def _keys(self) -> dict[str, str]:
        """The catalogue's key of each defined column that has one."""
        defined = (
            self._measures.keys()
            | self.definitions["quotients"].keys()
            | self.definitions["totals"].keys()
        )
        return {
            column: row["metric_key"]
            for row in self.catalogue
            if (column := row["summary_column"] or row["metric_key"]) in defined
        }

    def _metric(self, column: str) -> str:
        """The name of the metric of a column; written with those that it is made of."""
        name = self._keys.get(column, column)
        if name not in self._written:
            kind, params = self._kind_and_params(column)
            self._written[name] = self._described(column, name, kind, params)
        return name

    def _kind_and_params(self, column: str) -> tuple[str, dict[str, Any]]:
        if quotient := self.definitions["quotients"].get(column):
            return self._ratio(self._metric(quotient["of"]), self._metric(quotient["by"]))
        if total := self.definitions["totals"].get(column):
            return self._sum_of_metrics(total["plus"], total["minus"])
        measure = self._measures[column]
        if "average" in measure:
            return self._ratio(self._part(f"{column}_sum"), self._part(f"{column}_count"))
        if "ratio" in measure:
            dividend, divisor = measure["ratio"]
            above = (
                self._part(f"{column}_dividend") if "times" in measure else self._metric(dividend)
            )
            return self._ratio(above, self._metric(divisor))
        # Nothing there is none of a count, and unknown of money.
        is_zero = "count" in measure or "distinct" in measure or "type" not in measure
        return "simple", {
            "measure": {"name": column, **({"fill_nulls_with": 0} if is_zero else {})}
        }

    def _part(self, measure: str) -> str:
        self._written[measure] = self._described(
            measure, measure, "simple", {"measure": {"name": measure}}
        )
        return measure

    def _ratio(self, numerator: str, denominator: str) -> tuple[str, dict[str, Any]]:
        return "ratio", {"numerator": numerator, "denominator": denominator}

    def _sum_of_metrics(self, plus: list[str], minus: list[str]) -> tuple[str, dict[str, Any]]:
        added, taken = [self._metric(one) for one in plus], [self._metric(one) for one in minus]
        expression = " - ".join([" + ".join(added), *taken])
        return "derived", {
            "expr": expression,
            "metrics": [{"name": name} for name in (*added, *taken)],
        }

    def _described(
        self, column: str, name: str, kind: str, params: dict[str, Any]
    ) -> dict[str, Any]:
        row = next((row for row in self.catalogue if row["metric_key"] == name), None)
        label = row["label"] if row else column.replace("_", " ").capitalize()
        description = row["definition"] if row else "A part of other metrics, in no catalogue."
        metric = {
            "name": name,
            "label": label,
            "description": description,
            "type": kind,
            "type_params": params,
        }
        if row:
            metric["config"] = {"meta": {"unit": row["unit"], "category": row["category"]}}
        return metric


def _fact_model(fact: str, definition: Mapping[str, Any]) -> dict[str, Any]:
    columns = _columns_of(fact)
    entities = [
        {
            "name": definition["key"].removesuffix("_key"),
            "type": "primary",
            "expr": definition["key"],
        }
    ]
    keys = {entity: f"{entity}_key" for entity, _ in _DIMENSIONS.values()}
    keys["model"] = definition.get("model_key", "")
    entities += [
        {"name": entity, "type": "foreign", "expr": key}
        for entity, key in keys.items()
        if key in columns
    ]
    dimensions: list[dict[str, Any]] = [
        {
            "name": definition["time"],
            "type": "time",
            "type_params": {"time_granularity": "day"},
        }
    ]
    dimensions += [
        {"name": name, "type": "categorical"}
        for name in ("source_name", *definition.get("cut_by", ()))
    ]
    return {
        "name": fact.removeprefix("fct_"),
        "description": f"Rows of {fact}, by the UTC day of {definition['time']}.",
        "model": f"ref('{fact}')",
        "defaults": {"agg_time_dimension": definition["time"]},
        "entities": entities,
        "dimensions": dimensions,
        "measures": [
            written
            for name, measure in definition["measures"].items()
            for written in _measures_of(name, measure, definition)
        ],
    }


def _measures_of(
    name: str, measure: Mapping[str, Any], definition: Mapping[str, Any]
) -> Iterator[dict[str, str]]:
    """What adds up of a measure. A ratio's parts are measures of their own, but for a factor."""
    conditions = [
        condition for condition in (definition.get("where"), measure.get("where")) if condition
    ]
    if "average" in measure:
        yield _written_measure(f"{name}_sum", "sum", measure["average"], conditions)
        yield _written_measure(f"{name}_count", "count", measure["average"], conditions)
    elif "times" in measure:
        dividend = definition["measures"][measure["ratio"][0]]
        conditions += [dividend["where"]] if "where" in dividend else []
        factored = f"{dividend['sum']} * {measure['times']}"
        yield _written_measure(f"{name}_dividend", "sum", factored, conditions)
    elif "count" in measure:
        value = "1" if measure["count"] == "*" else measure["count"]
        yield _written_measure(name, "count", value, conditions)
    elif "distinct" in measure:
        yield _written_measure(name, "count_distinct", measure["distinct"], conditions)
    elif "sum" in measure:
        yield _written_measure(name, "sum", measure["sum"], conditions)


def _written_measure(
    name: str, aggregation: str, value: str, conditions: list[str]
) -> dict[str, str]:
    counted = " and ".join(f"({condition})" for condition in conditions)
    expression = f"case when {counted} then {value} end" if conditions else value
    return {"name": name, "agg": aggregation, "expr": expression}


def _dimension_model(dimension: str, entity: str, columns: tuple[str, ...]) -> dict[str, Any]:
    return {
        "name": dimension.removeprefix("dim_"),
        "description": f"What {dimension} says of each {entity.replace('_', ' ')}.",
        "model": f"ref('{dimension}')",
        "entities": [{"name": entity, "type": "primary", "expr": f"{entity}_key"}],
        "dimensions": [
            {"name": column, "type": "categorical", **_RENAMED.get(column, {})}
            for column in columns
        ],
    }


def _columns_of(fact: str) -> set[str]:
    described = DBT_PROJECT_DIR / "models" / "core" / f"_{fact}.yml"
    (model,) = yaml.safe_load(described.read_text(encoding="utf-8"))["models"]
    return {column["name"] for column in model["columns"]}


if __name__ == "__main__":
    write_semantic_layer(read_definitions(Settings.load()), SEMANTIC_MODELS_DIR)
