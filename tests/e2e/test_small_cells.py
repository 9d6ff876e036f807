"""No cell that is withheld from a publisher can be worked out of what it is shown (D-22, X-19).

Each of its breakdowns and trends is asked for as the publisher may, and taken from the totals that are
published beside it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from orchestration.errors import UserError
from orchestration.reporting.datasets.asking import Request, ask, pose
from orchestration.reporting.datasets.registry import DATASETS
from orchestration.reporting.query import Published, Row, read_published
from orchestration.settings import Settings
from tests.e2e.conftest import AS_OF, DeploymentUnderTest

_WEEKS = [f"2026-02-{day:02}..2026-02-{day + 6:02}" for day in (1, 8, 15, 22)]
_AS_OF = datetime.fromisoformat(AS_OF)
_FEWEST = 3
_DAYS = [f"2026-02-{day:02}..2026-02-{day:02}" for day in range(1, 29, 5)]


@pytest.fixture(scope="module")
def published(deployment: DeploymentUnderTest) -> Iterator[Published]:
    with read_published(Settings(home=deployment.home)) as opened:
        yield opened


def test_a_hidden_model_or_provider_is_no_rest_of_what_is_shown(published: Published) -> None:
    hidden = 0
    for publisher in _publishers(published):
        windows = published.rows(
            "select window_key from core.dim_windows where scope_kind = 'publisher' and scope_id = $id",
            {"id": publisher},
        )
        held = {row["window_key"] for row in windows}
        models = _by_window(published, "usage_by_model", held)
        for window_key, providers in _by_window(published, "usage_by_provider", held).items():
            hidden += _assert_families_are_safe(providers, models[window_key])
    assert hidden > 0


def _assert_families_are_safe(providers: list[Row], models: list[Row]) -> int:
    """Shown: the total, each provider and model that is not hidden; the number of hidden models."""
    hidden_providers = {row["provider"] for row in providers if row["is_suppressed"]}
    hidden: dict[str, list[str]] = defaultdict(list)
    for row in models:
        if row["is_suppressed"]:
            hidden[row["provider"] or "unknown"].append(row["model_key"])
    if len(providers) > 1:
        assert len(hidden_providers) != 1, providers
    # A shown provider minus its shown models, and the total minus those and all shown models.
    for provider, names in hidden.items():
        assert provider in hidden_providers or len(names) > 1, (provider, names)
    rest = [name for provider in hidden_providers for name in hidden[provider]]
    if len(models) > 1:
        assert len(rest) != 1, rest
    # A hidden provider of which every model is shown is their sum.
    assert all(hidden[provider] for provider in hidden_providers), (hidden_providers, models)
    return sum(map(len, hidden.values()))


def _by_window(published: Published, mart: str, held: set[str]) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = defaultdict(list)
    for row in published.rows(f"from usage.{mart}"):
        if row["window_key"] in held:
            found[row["window_key"]].append(row)
    return found


def test_an_agent_that_a_breakdown_withholds_is_refused_by_itself(published: Published) -> None:
    refused = 0
    for publisher in _publishers(published):
        for period in (*_WEEKS, *_DAYS):
            request = Request(scope=f"publisher:{publisher}", period=period, as_of=AS_OF)
            question = _pose(published, "publisher-dashboard", request)
            for breakdown in ("usage_by_agent", "agent_quality", "tasks_by_agent"):
                rows = published.function(breakdown, scope=question.scope, window=question.window)
                for agent in (row["agent_id"] for row in rows if row["is_suppressed"]):
                    with pytest.raises(UserError, match="has too few tenants"):
                        _pose(published, "publisher-dashboard", replace(request, agent=agent))
                    refused += 1
    assert refused > 0


@pytest.mark.parametrize("bucket", ["day", "hour"])
def test_a_hidden_bucket_of_an_agent_is_no_rest_of_what_is_shown(
    bucket: str, published: Published
) -> None:
    hidden = 0
    for publisher in _publishers(published):
        request = Request(
            scope=f"publisher:{publisher}",
            period=_WEEKS[1],
            as_of=AS_OF,
            metric="messages",
            bucket=bucket,
        )
        total = _points(published, request)
        agents = {
            agent: points
            for agent in _agents(published, publisher)
            if (points := _points(published, replace(request, agent=agent), may_be_refused=True))
        }
        for points in agents.values():
            withheld = [at for at, value in points.items() if value is None]
            assert len(withheld) != 1 or not any(points.values()), (points, publisher)
            hidden += len(withheld)
        tenants = _tenants(published, publisher, bucket)
        for at in total:
            # The publisher's total minus the agents that are shown: what is left is of at least two.
            unknown = [
                count
                for agent, count in tenants[at].items()
                if agent not in agents or agents[agent][at] is None
            ]
            if len(tenants[at]) > 1 and len(unknown) == 1:
                assert unknown[0] >= _FEWEST, (publisher, at, tenants[at])
    assert hidden > 0


def _tenants(published: Published, publisher: str, bucket: str) -> dict[str, dict[str, int]]:
    """By the start of the bucket and agent: the fewest tenants of its answers or of its messages."""
    found: dict[str, dict[str, int]] = defaultdict(dict)
    for row in published.rows(
        f"""
        select bucket_at, agent_id, min(tenants) as tenants
        from (
            select date_trunc('{bucket}', responded_at) as bucket_at, agent_key, publisher_key,
                count(distinct tenant_key) as tenants
            from core.fct_invocations group by all
            union all
            select date_trunc('{bucket}', sent_at), agent_key, publisher_key, count(distinct tenant_key)
            from core.fct_user_messages group by all
        )
        inner join core.dim_publishers using (publisher_key)
        inner join core.dim_agents using (agent_key)
        where dim_publishers.publisher_id = $publisher
        group by bucket_at, agent_id
        """,
        {"publisher": publisher},
    ):
        at = row["bucket_at"]
        start = datetime(at.year, at.month, at.day, getattr(at, "hour", 0), tzinfo=UTC)
        found[start.isoformat()][row["agent_id"]] = row["tenants"]
    return found


def _points(
    published: Published, request: Request, *, may_be_refused: bool = False
) -> dict[str, Any]:
    try:
        question = _pose(published, "series", request)
    except UserError:
        assert may_be_refused
        return {}
    document: Any = ask(DATASETS["series"], question=question, published=published).document
    return {point["timestamp"]: point["value"] for point in document["points"]}


def _pose(published: Published, dataset: str, request: Request) -> Any:
    return pose(
        request,
        dataset=DATASETS[dataset],
        published=published,
        platform_zone="UTC",
        now=lambda: _AS_OF,
    )


def _publishers(published: Published) -> list[str]:
    rows = published.rows("select publisher_id from core.dim_publishers order by publisher_id")
    return [str(row["publisher_id"]) for row in rows]


def _agents(published: Published, publisher: str) -> list[str]:
    rows = published.rows(
        "select agent_id from core.dim_agents where publisher_id = $id order by agent_id",
        {"id": publisher},
    )
    return [str(row["agent_id"]) for row in rows]
