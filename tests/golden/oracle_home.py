"""A published deployment beside the oracle's own reading of the same extracts.

Belongs here: asking both the same question. Does not belong here: which questions are asked.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any

from orchestration.reporting import periods
from orchestration.reporting.datasets.asking import Request
from orchestration.reporting.datasets.dataset import Answer
from orchestration.reporting.query import Published, read_published
from orchestration.reporting.scopes import resolve_scope
from orchestration.settings import PROJECT_ROOT, Settings
from tests.golden.oracle import datasets as oracle
from tests.golden.oracle.compare import differences
from tests.golden.oracle.extracts import Extracts
from tests.golden.oracle.facts import Facts
from tests.golden.oracle.marts import MARTS
from tests.golden.oracle.numbers import rounded
from tests.golden.oracle.reference import read_reference
from tests.golden.oracle.windows import Scope, parse_period
from tests.support.published_home import answer, export

# The point thresholds that the inventory fixes; what else is found is another matter.
_FIXED_RULES = (
    "high_error_rate",
    "slow_p95_response",
    "low_user_satisfaction",
    "tool_failing_often",
)
# What tells the rows of a window apart, in the order of the recomputation.
_MART_KEYS = ("band_order", "iso_weekday", "hour_of_day", "metric", "month_start")
_PLACES = 6
_ALERT_FIGURES = (
    *("rule_id", "metric", "comparison", "threshold", "value", "sample_size"),
    *("observed_from", "fired_at", "ended_at", "state"),
)


@dataclass(frozen=True, kw_only=True)
class Home:
    """A published deployment beside the facts that the oracle read itself."""

    published: Published
    facts: Facts
    as_of: datetime

    def answer(self, request: Request, dataset: str) -> Answer:
        return answer(self.published, dataset, request, as_of=self.as_of)

    def export(self, request: Request, dataset: str) -> Any:
        document = export(self.published, dataset, request, as_of=self.as_of)
        if dataset == "publisher-dashboard":
            document["insights"] = [
                {name: insight[name] for name in ("severity", "category", "title")}
                for insight in document["insights"]
                if insight["extra"]["rule_id"] in _FIXED_RULES
            ]
        if dataset == "alerts":
            # Its texts are words around these.
            document["alerts"] = [
                {
                    "severity": alert["severity"],
                    **{name: alert["extra"][name] for name in _ALERT_FIGURES},
                }
                for alert in document["alerts"]
            ]
        return document

    def question(self, request: Request) -> oracle.Question:
        period, zone = str(request.period), str(request.time_zone)
        return oracle.Question(
            scope=Scope.of(request.scope, request.agent),
            window=parse_period(period, as_of=self.as_of, zone=zone),
            label=period,
            currency=request.currency,
            metric=request.metric,
            bucket=request.bucket or "day",
        )

    def disagreements(self, request: Request, dataset: str) -> list[str]:
        """Where the export and the recomputation differ, as lines that say what was asked."""
        expected = oracle.DATASETS[dataset](self.facts, self.question(request))
        got = self.export(request, dataset)
        return [
            f"{request}: {path} is {exported!r}, recomputed {recomputed!r}"
            for path, recomputed, exported in differences(expected, got)
        ]

    def mart_disagreements(self, request: Request, mart: str) -> list[str]:
        """Where the table function of a mart and the recomputation differ."""
        scope = resolve_scope(self.published, request.scope, agent=request.agent)
        window = periods.parse_period(
            str(request.period), as_of=self.as_of, time_zone=str(request.time_zone)
        )
        expected = MARTS[mart](self.facts, self.question(request))
        order = list(expected[0]) if expected else []
        got = [
            {name: row[name] for name in order}
            for row in self.published.function(mart, scope=scope, window=window)
        ]
        keys = [name for name in _MART_KEYS if name in order]
        got.sort(key=lambda row: [row[name] for name in keys])
        if len(got) != len(expected):
            return [f"{request}: {mart} has {len(got)} rows, recomputed {len(expected)}"]
        return [
            f"{request}: {mart} {[row[name] for name in keys]}: {name} is {row[name]!r},"
            f" recomputed {value!r}"
            for row, one in zip(got, expected, strict=True)
            for name, value in one.items()
            if _comparable(row[name]) != _comparable(value)
        ]


def _comparable(value: object) -> object:
    """A figure as both sides write it: half up to the places that a binary number surely has."""
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal | Fraction):
        return value
    return rounded(Decimal(repr(value)) if isinstance(value, float) else value, _PLACES)


@contextmanager
def open_home(settings: Settings, extracts: Extracts) -> Iterator[Home]:
    reference = read_reference(PROJECT_ROOT / "seeds" / "reference")
    with read_published(settings) as published:
        yield Home(published=published, facts=Facts(extracts, reference), as_of=extracts.as_of)
