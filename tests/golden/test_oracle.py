"""Exports against the independent recomputation in ``oracle/``, question by question.

Each landing is loaded, built and published once. A question is asked of the published database and
of the raw extracts; the answers must be equal: whole numbers, texts, orders and rounded figures
exactly. Both sides round exact figures half up (X-10), so no tolerance is needed, not even for ties.

Here each of two landings is asked a share of the questions, both together every scope of each dataset;
tests/soak/oracle.py asks each landing all of them, and so one of the autumn, in which clocks go back.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from itertools import cycle

import pytest

from orchestration.generate import write_extracts
from orchestration.reporting.datasets.asking import Request
from orchestration.reporting.datasets.registry import DATASETS as OFFERED
from orchestration.reporting.tables import to_csv
from orchestration.settings import Settings
from tests.golden.oracle import datasets as oracle
from tests.golden.oracle.compare import differences
from tests.golden.oracle.extracts import read_landing
from tests.golden.oracle.marts import MARTS
from tests.golden.oracle_home import Home, open_home
from tests.support.published_home import publish_landing

ZONES = ("UTC", "Asia/Kolkata", "America/New_York")


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
    # A few days around a new year, so that windows reach before the first row.
    "new year": Landing(
        seed=5,
        events=700,
        days=12,
        as_of="2026-01-05T23:59:30+00:00",
        periods=("7d", "30d", "2025-12", "year", "2026-01-01..2026-01-01"),
    ),
}

# Asked by tests/soak/oracle.py alone.
MORE_LANDINGS = {
    # Clocks go back on 2 November; the as-of time is within a day of every zone.
    "autumn": Landing(
        seed=23,
        events=2_500,
        days=70,
        as_of="2025-11-12T15:30:00+00:00",
        periods=("7d", "30d", "2025-10", "week", "2025-10-26..2025-11-02"),
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
}

# What a landing is asked of one dataset or mart; of 7 scopes each is asked by one of two landings at least.
QUESTIONS = 4

# Metrics of series by their bucket; each is asked of two scopes, in turn.
SERIES = tuple(zip(oracle.SERIES, cycle(("day", "week", "month", "day")), strict=False))


@pytest.fixture(scope="module", params=list(LANDINGS.values()), ids=list(LANDINGS))
def landing(request: pytest.FixtureRequest) -> Landing:
    assert isinstance(request.param, Landing)
    return request.param


@pytest.fixture(scope="session")
def question_count() -> int:
    """The most questions to ask of a dataset."""
    return QUESTIONS


@pytest.fixture(scope="module")
def home(landing: Landing, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    settings = Settings(home=tmp_path_factory.mktemp("oracle"), threads=2)
    as_of = datetime.fromisoformat(landing.as_of)
    write_extracts(
        out=settings.landing,
        events=landing.events,
        days=landing.days,
        seed=landing.seed,
        until=as_of,
    )
    publish_landing(settings, as_of=as_of)
    with open_home(settings, read_landing(settings.landing, as_of=as_of)) as opened:
        yield opened


def _share(questions: int, landing: Landing, most: int) -> list[int]:
    """The numbers of the questions that a landing is asked: the next landing goes on where one ends."""
    begin = [*LANDINGS.values(), *MORE_LANDINGS.values()].index(landing) * most
    return [(begin + number) % questions for number in range(min(questions, most))]


def _questions(dataset: str, landing: Landing, most: int) -> Iterator[Request]:
    """Every scope the dataset is made for and every period, each at least once; zones in turn."""
    periods = landing.periods
    kinds = {kind.value for kind in OFFERED[dataset].scopes}
    asked = [scope for scope in SCOPES.values() if scope[0].partition(":")[0] in kinds]
    turn = list(oracle.DATASETS).index(dataset)
    for number in _share(len(asked) * math.ceil(len(periods) / len(asked)), landing, most):
        scope, agent = asked[number % len(asked)]
        period = periods[(number + turn) % len(periods)]
        yield Request(
            scope=scope,
            agent=agent,
            period=period,
            time_zone=ZONES[(number + turn) % len(ZONES)],
            currency="EUR" if dataset == "task-costs" and number % 2 else "USD",
        )


@pytest.mark.parametrize("dataset", [name for name in oracle.DATASETS if name != "series"])
def test_an_export_is_what_the_extracts_say(
    home: Home, landing: Landing, dataset: str, question_count: int
) -> None:
    found = [
        difference
        for request in _questions(dataset, landing, question_count)
        for difference in home.disagreements(request, dataset)
    ]
    assert found == []


@pytest.mark.parametrize("mart", MARTS)
def test_a_mart_that_no_export_holds_is_what_the_extracts_say(
    home: Home, landing: Landing, mart: str, question_count: int
) -> None:
    turn = list(MARTS).index(mart)
    # A goal asks for every summary of its window.
    asked = list(SCOPES.values())[:: 2 if mart == "goals" else 1]
    found = [
        difference
        for number in _share(len(asked), landing, question_count)
        for scope, agent in [asked[number]]
        for difference in home.mart_disagreements(
            Request(
                scope=scope,
                agent=agent,
                period=landing.periods[(number + turn) % len(landing.periods)],
                time_zone=ZONES[(number + turn) % len(ZONES)],
            ),
            mart,
        )
    ]
    assert found == []


@pytest.mark.parametrize(("metric", "bucket"), SERIES)
def test_a_series_is_what_the_extracts_say(
    home: Home, landing: Landing, metric: str, bucket: str, question_count: int
) -> None:
    found = []
    turn = list(oracle.SERIES).index(metric)
    places = (turn, turn + 3)
    for number in _share(len(places), landing, question_count // QUESTIONS):
        place = places[number]
        scope, agent = list(SCOPES.values())[place % len(SCOPES)]
        request = Request(
            scope=scope,
            agent=agent,
            period="30d",
            time_zone=ZONES[place % len(ZONES)],
            metric=metric,
            bucket=bucket,
        )
        found += home.disagreements(request, "series")
    assert found == []


def test_hours_of_a_series_are_local_ones(home: Home) -> None:
    request = Request(
        scope="platform",
        period="2d",
        time_zone="Asia/Kolkata",
        metric="agent_messages",
        bucket="hour",
    )
    assert home.disagreements(request, "series") == []


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
