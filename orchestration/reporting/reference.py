"""Reference data that reports read: which way a metric is better, and how many values or tenants
a figure needs to be shown; and how the deployment wants its reports to look.

Belongs here: reading those seeds, once. Does not belong here: their values, and figures of any
kind.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import cache
from pathlib import Path

from orchestration.reporting.brands import NO_BRANDS, Brands, read_brands
from orchestration.settings import PROJECT_ROOT

_SEEDS = PROJECT_ROOT / "seeds" / "reference"


@dataclass(frozen=True, kw_only=True)
class Reference:
    """What a report must know beside its rows."""

    higher_is_better: Mapping[str, bool]
    p95_minimum: int
    p99_minimum: int
    minimum_tenants: int
    monthly_cost_level_usd: Decimal
    brands: Brands = NO_BRANDS

    def polarity(self, metric: str) -> bool | None:
        """True when more is better, False when less is, None when neither or unknown."""
        return self.higher_is_better.get(metric)


def read_reference(config: Path | None = None) -> Reference:
    """The reference data of this installation, and the brands in the folder of a deployment.

    Raises:
        UserError: the brands cannot be used; the message names file, key, value and fix.
    """
    seeds = _read_seeds()
    return seeds if config is None else replace(seeds, brands=read_brands(config))


@cache
def _read_seeds() -> Reference:
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
        monthly_cost_level_usd=Decimal(settings["monthly_cost_level_usd"]),
    )
