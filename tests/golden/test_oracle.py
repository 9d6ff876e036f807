"""Exports against the independent recomputation in ``oracle/``, question by question.

Each landing is loaded, built and published once. A question is asked of the published database and
of the raw extracts; the answers must be equal: whole numbers, texts, orders and rounded figures
exactly. Both sides round exact figures half up (X-10), so no tolerance is needed, not even for ties.
"""

from __future__ import annotations

import csv
import io
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from orchestration.generate import write_extracts
from orchestration.reporting.datasets.asking import Request
from orchestration.reporting.datasets.dataset import Answer
from orchestration.reporting.datasets.registry import DATASETS as OFFERED
from orchestration.reporting.query import Published, read_published
from orchestration.reporting.tables import to_csv
from orchestration.settings import PROJECT_ROOT, Settings
from tests.golden.oracle import datasets as oracle
from tests.golden.oracle.compare import differences
from tests.golden.oracle.extracts import Extracts, read_landing
from tests.golden.oracle.facts import Facts
from tests.golden.oracle.real_data import read_real_data
from tests.golden.oracle.reference import Reference, read_reference
from tests.golden.oracle.windows import Scope, parse_period
from tests.golden.published_home import answer, export, publish_landing

REAL_DATA = PROJECT_ROOT.parent / "shared" / "data"
SAMPLES = PROJECT_ROOT / "seeds" / "sample"

ZONES = ("UTC", "Asia/Kolkata", "America/New_York")

# The point thresholds that the inventory fixes; what else is found is another matter.
_FIXED_RULES = (
    "high_error_rate",
    "slow_p95_response",
    "low_user_satisfaction",
    "tool_failing_often",
)


@dataclass(frozen=True, kw_only=True)
class Landing:
    """Generated extracts, and what is asked of them."""

    seed: int
    events: int
    days: int
    as_of: str
    periods: tuple[str, ...]


LANDINGS = {
    # Clocks go forward in New York on 8 March.
    "spring": Landing(
        seed=11,
        events=3_000,
        days=45,
        as_of="2026-03-20T06:00:00+00:00",
        periods=("7d", "30d", "2026-02", "month", "2026-03-07..2026-03-09"),
    ),
    # Clocks go back on 2 November; the as-of time is within a day of every zone.
    "autumn": Landing(
        seed=23,
        events=2_500,
        days=70,
        as_of="2025-11-12T15:30:00+00:00",
        periods=("7d", "30d", "2025-10", "week", "2025-10-26..2025-11-02"),
    ),
    # A few days around a new year, so that windows reach before the first row.
    "new year": Landing(
        seed=5,
        events=700,
        days=12,
        as_of="2026-01-05T23:59:30+00:00",
        periods=("7d", "30d", "2025-12", "year", "2026-01-01..2026-01-01"),
    ),
}

SCOPES = {
    "platform": ("platform", None),
    "one agent": ("platform", "agt-atlas"),
    "large tenant": ("tenant:ten-aurora", None),
    "tenant that leaves": ("tenant:ten-quiet", None),
    "tenant and agent": ("tenant:ten-pacific", "agt-night-batch"),
    "publisher": ("publisher:pub-kestrel", None),
    "publisher of few tenants": ("publisher:pub-volna", None),
    "publisher and agent": ("publisher:pub-harbor", "agt-root"),
}

# Metrics of series by their bucket; each is asked of one scope, in turn.
SERIES = tuple(zip(oracle.SERIES, ("day", "week", "month", "day") * 3, strict=True))


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


@cache
def _reference() -> Reference:
    return read_reference(PROJECT_ROOT / "seeds" / "reference")


@cache
def _generated(folder: Path, name: str) -> Settings:
    landing = LANDINGS[name]
    settings = Settings(home=folder / name, threads=2)
    as_of = datetime.fromisoformat(landing.as_of)
    settings.home.mkdir()
    write_extracts(
        out=settings.landing,
        events=landing.events,
        days=landing.days,
        seed=landing.seed,
        until=as_of,
    )
    publish_landing(settings, as_of=as_of)
    return settings


def _open(settings: Settings, extracts: Extracts) -> Iterator[Home]:
    with read_published(settings) as published:
        yield Home(published=published, facts=Facts(extracts, _reference()), as_of=extracts.as_of)


@pytest.fixture(scope="module", params=list(LANDINGS))
def home(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Home]:
    folder = tmp_path_factory.getbasetemp() / "oracle"
    folder.mkdir(exist_ok=True)
    settings = _generated(folder, request.param)
    as_of = datetime.fromisoformat(LANDINGS[request.param].as_of)
    yield from _open(settings, read_landing(settings.landing, as_of=as_of))


@pytest.fixture(scope="module")
def real_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """The public data sets, loaded as the sources that the samples declare."""
    settings = Settings(home=tmp_path_factory.mktemp("real"), threads=2)
    as_of = datetime.fromisoformat("2026-05-01T00:00:00+00:00")
    traces = settings.landing / "langfuse" / "traces"
    shutil.copytree(REAL_DATA / "langfuse_traces", traces)
    shutil.copytree(REAL_DATA / "aider", settings.landing / "aider")
    settings.config.mkdir()
    declared = [(SAMPLES / name / "sources.yml").read_text() for name in ("aider", "langfuse")]
    merged = declared[0] + declared[1].partition("sources:\n")[2]
    (settings.config / "sources.yml").write_text(merged)
    publish_landing(settings, as_of=as_of)
    yield from _open(settings, read_real_data(REAL_DATA, as_of=as_of))


def _questions(dataset: str, periods: tuple[str, ...]) -> Iterator[Request]:
    """Every scope the dataset is made for with every period, the zones in turn."""
    kinds = {kind.value for kind in OFFERED[dataset].scopes}
    asked = [scope for scope in SCOPES.values() if scope[0].partition(":")[0] in kinds]
    for place, (scope, agent) in enumerate(asked):
        for number, period in enumerate(periods):
            yield Request(
                scope=scope,
                agent=agent,
                period=period,
                time_zone=ZONES[(place + number) % len(ZONES)],
                currency="EUR" if dataset == "task-costs" and number % 2 else "USD",
            )


def _disagreements(home: Home, dataset: str, request: Request) -> list[str]:
    expected = oracle.DATASETS[dataset](home.facts, home.question(request))
    got = home.export(request, dataset)
    return [
        f"{request}: {path} is {exported!r}, recomputed {recomputed!r}"
        for path, recomputed, exported in differences(expected, got)
    ]


@pytest.mark.parametrize("dataset", [name for name in oracle.DATASETS if name != "series"])
def test_an_export_is_what_the_extracts_say(home: Home, dataset: str) -> None:
    landing = next(one for one in LANDINGS.values() if one.as_of == home.as_of.isoformat())
    found = [
        difference
        for request in _questions(dataset, landing.periods)
        for difference in _disagreements(home, dataset, request)
    ]
    assert found == []


@pytest.mark.parametrize(("metric", "bucket"), SERIES)
def test_a_series_is_what_the_extracts_say(home: Home, metric: str, bucket: str) -> None:
    found = []
    for place, (scope, agent) in enumerate(SCOPES.values()):
        request = Request(
            scope=scope,
            agent=agent,
            period="30d",
            time_zone=ZONES[place % len(ZONES)],
            metric=metric,
            bucket=bucket,
        )
        found += _disagreements(home, "series", request)
    assert found == []


def test_hours_of_a_series_are_local_ones(home: Home) -> None:
    request = Request(
        scope="platform",
        period="2d",
        time_zone="Asia/Kolkata",
        metric="agent_messages",
        bucket="hour",
    )
    assert _disagreements(home, "series", request) == []


def test_the_company_csv_is_its_days(home: Home) -> None:
    request = Request(scope="platform", period="30d", time_zone="America/New_York")
    (table, *_) = home.answer(request, "company").tables
    rows = list(csv.DictReader(io.StringIO(to_csv(table), newline="")))
    expected = oracle.company_csv(home.facts, home.question(request))
    assert [list(row) for row in rows] == [list(row) for row in expected]
    for row, one in zip(rows, expected, strict=True):
        for name, value in one.items():
            if isinstance(value, str) or value is None:
                assert row[name] == (value or ""), name
            else:
                assert Decimal(row[name]) == value, name


def test_a_comparison_sees_what_differs() -> None:
    """The other tests prove something only if a difference would be seen."""
    said = {"a": [{"date": "2026-01-01", "n": 1}], "rate": Decimal("0.5"), "none": None}
    assert list(differences(said, said)) == []
    for changed in (
        {**said, "rate": Decimal("0.6")},
        {**said, "none": 0},
        {**said, "a": []},
        {**said, "a": [{"date": "2026-01-01", "n": 2}]},
        {**said, "more": 1},
        {"a": said["a"], "rate": said["rate"]},
    ):
        assert len(list(differences(said, changed))) == 1


@pytest.mark.skipif(not REAL_DATA.is_dir(), reason="the public data are not part of the project")
@pytest.mark.parametrize(
    "dataset",
    [
        "usage-summary",
        "usage-by-agent",
        "usage-by-model",
        "usage-timeline",
        "compliance-summary",
        "feedback-summary",
        "publisher-dashboard",
        "company",
        "daily-summary",
    ],
)
def test_an_export_of_public_data_is_what_they_say(real_home: Home, dataset: str) -> None:
    kinds = {kind.value for kind in OFFERED[dataset].scopes}
    scopes = ("platform", "tenant:aider", "tenant:acme", "publisher:aider", "publisher:acme")
    found = []
    for place, scope in enumerate(one for one in scopes if one.partition(":")[0] in kinds):
        for number, period in enumerate(("2025-03", "2025-06-01..2025-10-05", "90d")):
            zone = ZONES[(place + number) % len(ZONES)]
            request = Request(scope=scope, period=period, time_zone=zone)
            found += _disagreements(real_home, dataset, request)
    assert found == []
