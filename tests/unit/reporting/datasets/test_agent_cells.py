"""What a publisher is not shown of one agent: cells that give small ones away go with them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime
from typing import Any, cast

import pytest

from orchestration.errors import UserError
from orchestration.reporting.catalogue import metrics_with_series
from orchestration.reporting.datasets.agent_cells import (
    PARTS_READ,
    AgentCell,
    check_agent_visible,
    complete,
    without_small_buckets,
)
from orchestration.reporting.datasets.dataset import Dataset, Need, Question
from orchestration.reporting.datasets.publisher_dashboard import PUBLISHER_DASHBOARD
from orchestration.reporting.datasets.series import SERIES
from orchestration.reporting.query import Published, Row
from tests.support.questions import question

_DAYS = [date(2026, 3, day) for day in range(2, 6)]


class _Visibility:
    """The published agent_visibility, and nothing else."""

    def __init__(self, rows: Sequence[dict[str, Any]]) -> None:
        self._rows = rows

    def function(self, name: str, **asked: Any) -> Sequence[dict[str, Any]]:
        assert name == "agent_visibility"
        assert asked["scope"].agent_id is None
        return self._rows


def _published(*rows: dict[str, Any]) -> Published:
    return cast(Published, _Visibility(rows))


def _asked(agent: str | None, *, metric: str | None = None) -> Question:
    asked = question("2026-03-02..2026-03-05", scope="publisher")
    return replace(asked, scope=replace(asked.scope, agent_id=agent), metric=metric)


def _shown(
    rows: Sequence[dict[str, Any]], published: Published, asked: Question, *, need: Need
) -> Sequence[Row]:
    return without_small_buckets(rows, published=published, question=asked, need=need)


def _cell(agent: str, day: int, size: int) -> AgentCell:
    on = _DAYS[day]
    return AgentCell(size=size, start_at=_at(on), agent_id=agent, local_date=on)


def _row(agent: str, day: int, size: int | None, *, part: str = "usage") -> dict[str, Any]:
    on = _DAYS[day]
    return {
        "agent_id": agent,
        "part": part,
        "cell_size": size,
        "is_suppressed": size is None,
        "start_at": _at(on),
        "start_local": on,
    }


def _at(on: date) -> datetime:
    return datetime(on.year, on.month, on.day)


def _used(day: int, cost: float) -> dict[str, Any]:
    return {"date_day": _DAYS[day], "cost_usd": cost, "has_data": True}


def test_what_would_be_the_rest_goes_with_it_along_agents_and_along_days() -> None:
    # Day 0: the publisher's day minus b is a. Then of a and of b all days but one are shown: the
    # smallest other goes with each, and those are two of day 1.
    cells = [
        _cell("a", 0, 1), _cell("b", 0, 50), _cell("c", 0, 60),
        _cell("a", 1, 20), _cell("b", 1, 30), _cell("c", 1, 40),
        _cell("a", 2, 70), _cell("b", 2, 80), _cell("c", 2, 90),
    ]  # fmt: skip
    hidden = complete(cells, [cells[0]])
    assert {(cell.agent_id, cell.local_date.day) for cell in hidden} == {
        ("a", 2), ("b", 2), ("a", 3), ("b", 3),
    }  # fmt: skip


def test_an_hour_is_not_its_day_minus_the_other_hours() -> None:
    hours = [
        AgentCell(
            size=hour,
            start_at=datetime(2026, 3, day, hour),
            agent_id="a",
            local_date=date(2026, 3, day),
        )
        for day in (2, 3)
        for hour in (8, 9, 10)
    ]
    # One hour of each day: the total of both days is safe already, each day is not.
    hidden = complete(hours, [hours[0], hours[3]])
    assert {(cell.start_at.day, cell.start_at.hour) for cell in hidden} == {
        (2, 8), (2, 9), (3, 8), (3, 9),
    }  # fmt: skip


def test_nothing_more_is_hidden_where_two_are_or_nothing_is_left() -> None:
    cells = [_cell("a", 0, 1), _cell("a", 1, 2), _cell("b", 0, 3), _cell("b", 1, 4)]
    assert complete(cells, cells) == frozenset(cells)
    assert complete(cells, []) == frozenset()
    assert complete(cells[:1], cells[:1]) == frozenset(cells[:1])


def test_a_day_of_few_tenants_has_no_figure_of_the_agent_and_says_so() -> None:
    published = _published(
        *(_row("x", day, 10 + day) for day in (1, 2, 3)),
        *(_row("y", day, 50) for day in (1, 2, 3)),
        _row("x", 0, None),
        _row("y", 0, None),
        _row("x", 2, None, part="charges"),
    )
    days = [_used(day, 1.5) for day in range(4)]
    shown = _shown(days, published, _asked("x"), need=Need(function="usage_daily"))
    # Day 0 is small; the smallest other day of x goes with it, that of y with both.
    assert [(row["cost_usd"], row.get("is_suppressed", False)) for row in shown] == [
        (None, True), (None, True), (1.5, False), (1.5, False),
    ]  # fmt: skip
    assert [row["has_data"] for row in shown] == [True] * 4


def test_days_of_a_publisher_and_figures_of_the_whole_period_are_left_alone() -> None:
    days = [_used(day, 1.5) for day in range(4)]
    daily, whole = Need(function="usage_daily"), Need(function="usage_summary")
    published = _published(*(_row("x", day, None) for day in range(4)))
    assert _shown(days, published, _asked(None), need=daily) == days
    assert _shown(days, published, _asked("x"), need=whole) == days


def test_findings_of_one_day_are_not_told_of_a_publishers_agent() -> None:
    findings = [{"metric": "day_above_usual"}, {"metric": "cost_usd"}]
    need = Need(function="insight_findings")
    assert _shown(findings, _published(), _asked("x"), need=need) == findings[1:]
    assert _shown(findings, _published(), _asked(None), need=need) == findings


@pytest.mark.parametrize(
    ("part", "dataset", "metric", "is_refused"),
    [
        # Withheld in a breakdown: whatever is asked for.
        ("usage", PUBLISHER_DASHBOARD, None, True),
        ("tasks", SERIES, "gross_usd", True),
        # Else where the dataset reads it.
        ("charges", PUBLISHER_DASHBOARD, None, True),
        ("scores", PUBLISHER_DASHBOARD, None, False),
        ("scores", SERIES, "quality_score", True),
        ("scores", SERIES, "cost_usd", False),
    ],
)
def test_an_agent_is_refused_where_a_part_of_it_is_withheld(
    part: str, dataset: Dataset, metric: str | None, is_refused: bool
) -> None:
    published = _published(_row("x", 0, None, part=part), _row("y", 0, 9, part=part))
    asked = _asked("x", metric=metric)
    check_agent_visible(
        published, replace(asked, scope=replace(asked.scope, agent_id="y")), dataset=dataset
    )
    if not is_refused:
        check_agent_visible(published, asked, dataset=dataset)
        return
    with pytest.raises(UserError, match=r"agent 'x' has too few tenants in .*longer --period"):
        check_agent_visible(published, asked, dataset=dataset)


def test_every_function_that_has_a_series_says_which_parts_it_reads() -> None:
    assert {metric.function for metric in metrics_with_series().values()} <= set(PARTS_READ)
