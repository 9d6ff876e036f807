"""Reference data that reports read: which way a metric is better, and how many values or tenants
a figure needs to be shown.

Belongs here: reading those seeds. Does not belong here: their values, and figures of any kind.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from orchestration.settings import PROJECT_ROOT

_SEEDS = PROJECT_ROOT / "seeds" / "reference"


@dataclass(frozen=True, kw_only=True)
class Reference:
    """What a report must know beside its rows."""

    higher_is_better: Mapping[str, bool]
    p95_minimum: int
    p99_minimum: int
    minimum_tenants: int

    def polarity(self, metric: str) -> bool | None:
        """True when more is better, False when less is, None when neither or unknown."""
        return self.higher_is_better.get(metric)


@cache
def read_reference() -> Reference:
    """The reference data of this installation."""
    with (_SEEDS / "metric_catalogue.csv").open(encoding="utf-8", newline="") as file:
        polarity = {
            row["metric_key"]: row["higher_is_better"] == "true"
            for row in csv.DictReader(file)
            if row["higher_is_better"]
        }
    with (_SEEDS / "settings.csv").open(encoding="utf-8", newline="") as file:
        settings = {row["setting_key"]: row["setting_value"] for row in csv.DictReader(file)}
    return Reference(
        higher_is_better=polarity,
        p95_minimum=int(settings["p95_min_observations"]),
        p99_minimum=int(settings["p99_min_observations"]),
        minimum_tenants=int(settings["suppression_min_tenants"]),
    )
