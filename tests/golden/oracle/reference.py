"""Reference data as the warehouse is given it: prices, exchange rates, bands, benchmarks.

Belongs here: reading seeds/reference and looking a value up. Does not belong here: telemetry.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

Rows = list[dict[str, str]]


@dataclass(frozen=True, kw_only=True)
class Price:
    """What a token costs from a day on; a subset without a price of its own is None."""

    valid_from: date
    input: Decimal
    output: Decimal
    cache_read: Decimal | None
    cache_write: Decimal | None
    reasoning: Decimal | None


@dataclass(frozen=True, kw_only=True)
class Band:
    """A span of running instances."""

    name: str
    low: int | None
    high: int | None
    label: str


@dataclass(frozen=True, kw_only=True)
class Reference:
    """Every seed that a figure depends on."""

    prices: Mapping[str, list[Price]]
    billed_by: Mapping[str, frozenset[str]]
    model_aliases: Mapping[tuple[str, str], str]
    provider_aliases: Mapping[str, str]
    rates: Mapping[str, list[tuple[date, Decimal]]]
    bands: list[Band]
    human_costs: Mapping[str, Decimal]
    bins: Mapping[str, list[tuple[str, Fraction, Fraction | None]]]
    metrics: Mapping[str, tuple[str, str]]
    alert_rules: Rows
    step_bands: Rows
    default_goals: Rows
    targets: Rows
    higher_is_better: Mapping[str, bool | None]

    def price(self, model: str | None, provider: str | None, day: date) -> Price | None:
        """The price of the day: the last one that began on or before it (D-04)."""
        listed = self.listed_name(model, provider)
        if listed is None:
            return None
        begun = [price for price in self.prices[listed] if price.valid_from <= day]
        return begun[-1] if begun else None

    def listed_name(self, model: str | None, provider: str | None) -> str | None:
        """The model in the price list: by alias, name, or name and provider of the same house."""
        if model is None:
            return None
        house = self.house(provider)
        alias = self.model_aliases.get((model, provider or "")) or self.model_aliases.get(
            (model, "")
        )
        if alias is not None:
            return alias
        if self._bills(model, house):
            return model
        if house and f"{house}/{model}" in self.prices:
            return f"{house}/{model}"
        prefix, _, bare = model.partition("/")
        return bare if bare and self._bills(bare, self.house(prefix)) else None

    def house(self, provider: str | None) -> str:
        name = (provider or "").lower()
        return self.provider_aliases.get(name, name)

    def _bills(self, model: str, house: str) -> bool:
        if model not in self.prices:
            return False
        houses = self.billed_by[model]
        return not house or "" in houses or house in houses

    def to_usd(self, amount: Decimal, currency: str, day: date) -> Decimal | None:
        rate = self.rate(currency, day)
        return None if rate is None else amount * rate

    def rate(self, currency: str, day: date) -> Decimal | None:
        """Dollars for one unit on a day, by the last earlier rate (D-55)."""
        if currency.upper() == "USD":
            return Decimal(1)
        known = [rate for begun, rate in self.rates.get(currency.upper(), []) if begun <= day]
        return known[-1] if known else None

    def band(self, instances: int | None) -> str:
        """The band of a number of instances; none running is no known load (D-19)."""
        for band in self.bands:
            is_from = bool(instances) and band.low is not None and band.low <= (instances or 0)
            if is_from and (band.high is None or (instances or 0) <= band.high):
                return band.name
        return "unknown"


def read_reference(folder: Path) -> Reference:
    prices: dict[str, list[Price]] = defaultdict(list)
    billed_by: dict[str, set[str]] = defaultdict(set)
    provider_aliases = {
        row["provider"]: row["canonical_provider"] for row in _rows(folder, "provider_aliases")
    }
    for row in sorted(_rows(folder, "model_prices"), key=lambda row: row["valid_from"]):
        prices[row["model"]].append(_price(row))
        house = row["provider"].lower()
        billed_by[row["model"]].add(provider_aliases.get(house, house))
    rates: dict[str, list[tuple[date, Decimal]]] = defaultdict(list)
    for row in sorted(_rows(folder, "fx_rates"), key=lambda row: row["valid_from"]):
        rates[row["currency"]].append(
            (date.fromisoformat(row["valid_from"]), Decimal(row["usd_per_unit"]))
        )
    bins: dict[str, list[tuple[str, Fraction, Fraction | None]]] = defaultdict(list)
    for row in _rows(folder, "session_bins"):
        upper = Fraction(row["upper_bound"]) if row["upper_bound"] else None
        bins[row["distribution"]].append((row["bin_label"], Fraction(row["lower_bound"]), upper))
    return Reference(
        prices=prices,
        billed_by={model: frozenset(houses) for model, houses in billed_by.items()},
        model_aliases={
            (row["model"], row["provider"]): row["price_model"]
            for row in _rows(folder, "model_aliases")
        },
        provider_aliases=provider_aliases,
        rates=rates,
        bands=[_band(row) for row in _rows(folder, "load_bands")],
        human_costs={
            row["use_case"]: Decimal(row["default_usd"])
            for row in _rows(folder, "human_cost_benchmarks")
        },
        bins=bins,
        metrics={
            row["metric_key"]: (row["label"], row["unit"])
            for row in _rows(folder, "metric_catalogue")
        },
        alert_rules=_rows(folder, "alert_rules"),
        step_bands=_rows(folder, "task_step_bands"),
        default_goals=_rows(folder, "default_goals"),
        targets=_rows(folder, "targets"),
        higher_is_better={
            row["metric_key"]: {"true": True, "false": False}.get(row["higher_is_better"])
            for row in _rows(folder, "metric_catalogue")
        },
    )


def _rows(folder: Path, name: str) -> Rows:
    with (folder / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _price(row: Mapping[str, str]) -> Price:
    def own(name: str) -> Decimal | None:
        value = row[f"{name}_usd_per_token"]
        return Decimal(value) if value else None

    return Price(
        valid_from=date.fromisoformat(row["valid_from"]),
        input=own("input") or Decimal(0),
        output=own("output") or Decimal(0),
        cache_read=own("cache_read"),
        cache_write=own("cache_write"),
        reasoning=own("reasoning"),
    )


def _band(row: Mapping[str, str]) -> Band:
    def bound(name: str) -> int | None:
        return int(row[name]) if row[name] else None

    return Band(
        name=row["load_band"],
        low=bound("min_instances"),
        high=bound("max_instances"),
        label=row["instances_range"],
    )
