"""The dbt exposures that this project must have: one per export dataset, report and table of findings.

Derived from what the code reads, so that the file in dbt_project/models cannot drift from it. After a
change: ``python -m tests.support.exposures`` writes the file.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import yaml

from orchestration.reporting.catalogue import metrics_with_series
from orchestration.reporting.datasets.dataset import Dataset
from orchestration.reporting.datasets.registry import DATASETS
from orchestration.reporting.gather import (
    BREAKDOWNS,
    DAILY_ANOMALIES,
    INSIGHTS,
    SUMMARIES,
    USAGE_FORECAST,
)
from orchestration.reporting.model import Frequency
from orchestration.settings import DBT_PROJECT_DIR

EXPOSURES_FILE = DBT_PROJECT_DIR / "models" / "exposures.yml"
_OWNER = {"name": "data-platform"}
_HEADER = (
    "# Written by `python -m tests.support.exposures` from what the code reads;"
    " a test holds it equal to that.\n"
)

# A scope is looked up in the dimensions, and a table function is a statement of its own model.
_EVERY_QUESTION = (
    "dim_agents",
    "dim_publishers",
    "dim_tenants",
    "run_context",
    "table_functions",
    "truncated_scopes",
)
_EVERY_REPORT = (
    "dim_publishers",
    "dim_tenants",
    "fct_invocations",
    "fct_llm_calls",
    "freshness",
    "quarantine",
    "run_context",
)


def expected_exposures() -> dict[str, Any]:
    """The content of the exposures file."""
    models = _models()
    found = [
        _exposure(
            f"export_{name.replace('-', '_')}",
            kind="application",
            label=f"Export {name}",
            description=f"`agentmart export {name}`: one JSON document, or flat tables as CSV and Parquet.",
            reads=[*_EVERY_QUESTION, *_functions(dataset)],
            models=models,
        )
        for name, dataset in DATASETS.items()
    ]
    found += [
        _exposure(
            f"report_{frequency.value}",
            kind="dashboard",
            label=f"{frequency.value.capitalize()} report",
            description=f"`agentmart report {frequency.value}`: PDF, CSV, JSON and HTML of one scope,"
            " and the e-mail that carries it.",
            reads=[
                *_EVERY_REPORT,
                *SUMMARIES,
                *BREAKDOWNS,
                *([DAILY_ANOMALIES] if frequency is Frequency.DAILY else []),
                *([USAGE_FORECAST] if frequency is Frequency.WEEKLY else []),
                INSIGHTS,
                "dim_windows",
                "table_functions",
            ],
            models=models,
        )
        for frequency in Frequency
    ]
    found += [
        _exposure(
            f"table_{name}",
            kind="analysis",
            label=f"Table {schema}.{name}",
            description=f"What analysts and `agentmart status` read of {schema}.{name}.",
            reads=[name],
            models=models,
        )
        for name, schema in models.items()
        if schema in ("insights", "alerts", "reports")
    ]
    return {"version": 2, "exposures": sorted(found, key=lambda exposure: str(exposure["name"]))}


def as_text(exposures: Mapping[str, Any]) -> str:
    """The exposures file, byte for byte."""
    return _HEADER + yaml.safe_dump(exposures, sort_keys=False, width=110)


def _exposure(
    name: str,
    *,
    kind: str,
    label: str,
    description: str,
    reads: Iterable[str],
    models: Mapping[str, str],
) -> dict[str, Any]:
    return {
        "name": name,
        "label": label,
        "type": kind,
        "description": description,
        "owner": dict(_OWNER),
        # A table function without a mart of its name is a row of table_functions and nothing else.
        "depends_on": [
            f"ref('{model}')" for model in sorted({one for one in reads if one in models})
        ],
    }


def _functions(dataset: Dataset) -> list[str]:
    """The table functions that a dataset may read, whatever the question."""
    if callable(dataset.needs):
        return sorted({metric.function for metric in metrics_with_series().values()})
    return [need.function for need in dataset.needs.values()]


def _models() -> dict[str, str]:
    """The models that readers see, each with its folder below models/."""
    root = DBT_PROJECT_DIR / "models"
    places = {
        path.stem: path.relative_to(root).parts[0]
        for path in sorted(root.rglob("*.sql"))
        if "private: true" not in path.with_name(f"_{path.stem}.yml").read_text(encoding="utf-8")
    }
    return {
        name: folder for name, folder in places.items() if folder not in ("staging", "intermediate")
    }


def main() -> None:
    """Write the exposures file."""
    EXPOSURES_FILE.write_text(as_text(expected_exposures()), encoding="utf-8")


if __name__ == "__main__":
    main()
