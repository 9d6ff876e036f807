"""Alert rules as people write them: the default ones (a seed), and what alert_rules says of a scope.

Belongs here: reading and checking them, each complaint naming the row, the field, the value and what is
allowed. Does not belong here: evaluating them, which is SQL (dbt_project/models/alerts).
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path

from orchestration.errors import UserError
from orchestration.settings import PROJECT_ROOT

_SEEDS = PROJECT_ROOT / "seeds" / "reference"
_RULES = "alert_rules.csv"

SCOPE_KINDS = ("platform", "tenant", "publisher")
_COMPARISONS = (">", ">=", "<", "<=")
_SEVERITIES = ("critical", "warning", "info")
_SUBJECT_KINDS = ("scope",)
_NEWS = ("firing", "resolved")
_UNITS = (
    "fraction",
    "small_fraction",
    "milliseconds",
    "seconds",
    "usd",
    "rating",
    "times",
    "count",
)
_TEXTS = ("title", "description", "recommendation")
_TRAILING, _DAY_TO_DATE = "trailing", "day_to_date"
_DAY_MINUTES = 1440


@dataclass(frozen=True, kw_only=True)
class Rule:
    """A default rule, checked."""

    rule_id: str
    metric: str
    evaluation: str
    comparison: str
    threshold: Decimal
    window_minutes: int
    severity: str
    channels: tuple[str, ...]
    title: str


@dataclass(frozen=True, kw_only=True)
class Override:
    """The current state of an override; ``is_known_scope`` is whether any row names its scope."""

    rule_id: str
    source_name: str
    scope_kind: str
    scope_id: str
    window_minutes: int | None
    channels: tuple[str, ...] | None
    is_known_scope: bool

    def __str__(self) -> str:
        return f"{self.rule_id} for {self.scope_kind}:{self.scope_id} of {self.source_name}"


def read_rules(channels: Collection[str], *, folder: Path = _SEEDS) -> tuple[Rule, ...]:
    """The default rules, every field of every row looked at.

    ``channels`` are the names that a rule may use.

    Raises:
        UserError: a row has an unknown or senseless value; the first one is named.
    """
    with (folder / "alert_metrics.csv").open(encoding="utf-8", newline="") as file:
        metrics = {
            row["metric_key"]: tuple(row["evaluations"].split("|")) for row in csv.DictReader(file)
        }
    with (folder / _RULES).open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        for complaint in _complaints(row, metrics=metrics, channels=channels):
            raise UserError(f"rule {row['rule_id']!r} of {_RULES}: {complaint}")
    names = [row["rule_id"] for row in rows]
    for name in names:
        if names.count(name) > 1:
            raise UserError(
                f"rule {name!r} of {_RULES} is there {names.count(name)} times: keep one"
            )
    return tuple(_rule(row) for row in rows)


def find_rule(rules: Sequence[Rule], rule_id: str) -> Rule:
    """The rule of this name.

    Raises:
        UserError: there is none; the message lists those that exist.
    """
    for rule in rules:
        if rule.rule_id == rule_id:
            return rule
    raise UserError(
        f"unknown alert rule {rule_id!r}: use one of {', '.join(rule.rule_id for rule in rules)}"
    )


def check_overrides(
    overrides: Sequence[Override], *, rules: Sequence[Rule], channels: Collection[str]
) -> list[str]:
    """Check what scopes say of the rules; returns warnings about overrides of rules that are not there.

    Raises:
        UserError: an override names an unknown scope or channel, or a window that the rule cannot have.
    """
    evaluations = {rule.rule_id: rule.evaluation for rule in rules}
    warnings = []
    for override in overrides:
        if override.rule_id not in evaluations:
            warnings.append(
                f"alert_rules names the rule {override.rule_id!r} ({override}), which does not exist"
                f" and changes nothing: use one of {', '.join(evaluations)}"
            )
            continue
        for complaint in _override_complaints(
            override, evaluation=evaluations[override.rule_id], channels=channels
        ):
            raise UserError(f"alert_rules, {override}: {complaint}")
    return warnings


def _complaints(
    row: Mapping[str, str], *, metrics: Mapping[str, Sequence[str]], channels: Collection[str]
) -> Iterator[str]:
    for field in _TEXTS:
        if not row[field]:
            yield f"{field} is empty: fill it in"
    yield from _one_of(row, "metric", metrics)
    yield from _one_of(row, "comparison", _COMPARISONS)
    yield from _one_of(row, "evaluation", metrics.get(row["metric"], ()))
    yield from _one_of(row, "unit", _UNITS)
    yield from _one_of(row, "severity", _SEVERITIES)
    yield from _one_of(row, "subject_kind", _SUBJECT_KINDS)
    yield from _each_of(row["scope_kinds"], "scope_kinds", SCOPE_KINDS)
    yield from _each_of(row["channels"], "channels", channels)
    yield from _each_of(row["notify_on"], "notify_on", _NEWS)
    yield from _number(row, "threshold", Decimal, least=None)
    yield from _number(row, "min_samples", int, least=0)
    yield from _number(row, "cooldown_minutes", int, least=0)
    yield from _number(row, "window_minutes", int, least=1)
    if row["window_minutes"].isdecimal():
        yield from _window(int(row["window_minutes"]), evaluation=row["evaluation"])


def _override_complaints(
    override: Override, *, evaluation: str, channels: Collection[str]
) -> Iterator[str]:
    if override.scope_kind not in SCOPE_KINDS:
        yield f"scope_kind is {override.scope_kind!r}: use one of {', '.join(SCOPE_KINDS)}"
    elif not override.is_known_scope:
        yield (
            f"scope_id is {override.scope_id!r}: use the id of a {override.scope_kind} of that source"
            f" (core.dim_{override.scope_kind}s)"
        )
    if override.channels is not None:
        yield from _each_of("|".join(override.channels), "channels", channels)
    if override.window_minutes is not None:
        yield from _window(override.window_minutes, evaluation=evaluation)


def _window(minutes: int, *, evaluation: str) -> Iterator[str]:
    if evaluation == _TRAILING and minutes < 1:
        yield f"window_minutes is {minutes}: use at least 1"
    elif evaluation == _DAY_TO_DATE and minutes != _DAY_MINUTES:
        yield f"window_minutes is {minutes}: a rule on the day so far has {_DAY_MINUTES}"
    elif evaluation != _TRAILING and (minutes < 1 or minutes % _DAY_MINUTES):
        yield f"window_minutes is {minutes}: a rule on whole days has a multiple of {_DAY_MINUTES}"


def _one_of(row: Mapping[str, str], field: str, allowed: Collection[str]) -> Iterator[str]:
    if row[field] not in allowed:
        yield f"{field} is {row[field]!r}: use one of {', '.join(allowed)}"


def _each_of(value: str, field: str, allowed: Collection[str]) -> Iterator[str]:
    for name in value.split("|") if value else ():
        if name not in allowed:
            yield f"{field} names {name!r}: use any of {', '.join(allowed)}, separated by |"


def _number(
    row: Mapping[str, str],
    field: str,
    read: Callable[[str], int | Decimal],
    *,
    least: int | None,
) -> Iterator[str]:
    kind = "number" if least is None else f"whole number of at least {least}"
    try:
        is_good = least is None or read(row[field]) >= least
        is_good = is_good and Decimal(row[field]).is_finite()
    except (ValueError, InvalidOperation):
        is_good = False
    if not is_good:
        yield f"{field} is {row[field]!r}: use a {kind}"


def _rule(row: Mapping[str, str]) -> Rule:
    return Rule(
        rule_id=row["rule_id"],
        metric=row["metric"],
        evaluation=row["evaluation"],
        comparison=row["comparison"],
        threshold=Decimal(row["threshold"]),
        window_minutes=int(row["window_minutes"]),
        severity=row["severity"],
        channels=tuple(row["channels"].split("|")) if row["channels"] else (),
        title=row["title"],
    )
