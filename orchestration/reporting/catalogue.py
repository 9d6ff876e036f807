"""The metric catalogue as exports need it: which metrics have a series, and where it is.

Belongs here: reading seeds/reference/metric_catalogue.csv for datasets. Does not belong here: the
metrics themselves, and how the catalogue is shown (cli/metrics).
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from orchestration.settings import PROJECT_ROOT

_CATALOGUE = PROJECT_ROOT / "seeds" / "reference" / "metric_catalogue.csv"


@dataclass(frozen=True, kw_only=True)
class Metric:
    """A metric that one row of a table function holds for a span, and so has a series."""

    key: str
    label: str
    unit: str
    function: str
    column: str


@cache
def metrics_with_series() -> Mapping[str, Metric]:
    """Every metric that has a series, by its key."""
    with _CATALOGUE.open(encoding="utf-8", newline="") as lines:
        return {
            row["metric_key"]: Metric(
                key=row["metric_key"],
                label=row["label"],
                unit=row["unit"],
                function=row["summary"],
                column=row["summary_column"],
            )
            for row in csv.DictReader(lines)
            if row["summary"]
        }
