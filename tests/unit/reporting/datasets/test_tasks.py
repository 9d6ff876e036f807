"""The task datasets on the worked example of 45 tasks: shapes, rounding, texts and trends."""

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from orchestration.reporting.datasets.dataset import Figures, Question
from orchestration.reporting.datasets.tasks import (
    TASK_COSTS,
    TASK_PERFORMANCE,
    TASK_USAGE,
    duration_text,
)
from orchestration.reporting.periods import parse_period
from orchestration.reporting.tables import to_csv
from tests.support.questions import question
from tests.support.shapes import differences


def _row(
    *,
    tasks: int,
    failed: int = 0,
    steps: int = 0,
    tokens: int = 0,
    minutes: int | None = None,
    cost: str | None = "0",
    **other: Any,
) -> dict[str, Any]:
    """A row as the table functions give it, its quotients taken as they take them."""
    amount = None if cost is None else Decimal(cost)
    seconds = None if minutes is None else minutes * 60
    return {
        "terminal_tasks": tasks,
        "completed_tasks": tasks - failed,
        "failed_tasks": failed,
        "retried_tasks": 0,
        "timed_tasks": tasks if minutes else 0,
        "task_success_rate": (tasks - failed) / tasks if tasks else None,
        "task_error_rate": failed / tasks if tasks else None,
        "task_steps": steps,
        "task_api_calls": 890,
        "avg_task_duration_s": seconds,
        "avg_completed_task_duration_s": seconds,
        "total_tokens": tokens,
        "tokens_per_task": tokens / tasks if tasks else None,
        "task_tokens_per_minute": tokens / (tasks * minutes) if minutes and tasks else None,
        "tasks_per_1k_tokens": tasks * 1000 / tokens if tokens else None,
        "cost_usd": amount,
        "cost_per_task_usd": amount / tasks if tasks and amount is not None else None,
        "cost_per_completed_task_usd": None,
        "unpriced_usage_count": 0,
        "unpriced_tokens": 0,
        **other,
    }


# DI-015..068: the published example, whose parts add up (EX-01..EX-04).
_SUMMARY = _row(
    tasks=45,
    failed=3,
    steps=180,
    tokens=125_000,
    minutes=150,
    cost="187.50",
    open_tasks=2,
    cancelled_tasks=1,
    task_model_calls=400,
)


def _agent(agent_id: str, **figures: Any) -> dict[str, Any]:
    return _row(
        **figures, agent_id=agent_id, agent_key=f"native:{agent_id}", agent_name=agent_id.title()
    )


_AGENTS = [
    _agent("git_agent", tasks=8, steps=32, tokens=15_000, minutes=45, cost="22.50"),
    _agent("document_agent", tasks=7, failed=1, steps=28, tokens=37_000, minutes=150, cost="55.50"),
    _agent("code_agent", tasks=18, failed=1, steps=72, tokens=45_000, minutes=195, cost="67.50"),
    _agent("test_agent", tasks=12, failed=1, steps=48, tokens=28_000, minutes=105, cost="42.00"),
]
_MODELS = [
    _row(tasks=15, failed=1, tokens=35_000, cost="52.50", model_name="openai/gpt-4"),
    _row(tasks=25, failed=1, tokens=75_000, cost="112.50", model_name="anthropic/claude-3-sonnet"),
    _row(tasks=5, failed=1, tokens=15_000, cost="22.50", model_name="deepseek/deepseek-r1"),
]
_DAYS = [
    _row(tasks=1, tokens=2_800, cost="4.20", date_day=date(2026, 3, 14), task_api_calls=15),
    _row(tasks=2, tokens=5_500, cost="8.25", date_day=date(2026, 3, 13), task_api_calls=28),
]
_FIGURES: Figures = {
    "task_summary": [_SUMMARY],
    "tasks_by_agent": _AGENTS,
    "tasks_by_model": _MODELS,
    "tasks_daily": _DAYS,
    # 89.2 % completed, 10.8 % failed, 2 h 45 min, 3,120 tokens a task: the example's month before.
    "previous": [
        _row(
            tasks=1000,
            failed=108,
            tokens=3_120_000,
            minutes=165,
            open_tasks=0,
            cancelled_tasks=0,
            task_model_calls=0,
        )
    ],
}
_EMPTY: Figures = {
    "task_summary": [
        _row(tasks=0, open_tasks=0, cancelled_tasks=0, task_model_calls=0, task_api_calls=0)
    ],
    "tasks_by_agent": [],
    "tasks_by_model": [],
    "tasks_daily": [_row(tasks=0, date_day=date(2026, 3, 13), task_api_calls=0)],
    "previous": [_row(tasks=0)],
}


def _month(zone: str = "UTC") -> Question:
    as_of = datetime(2026, 3, 15, tzinfo=UTC)
    return replace(question("month"), window=parse_period("month", as_of=as_of, time_zone=zone))


@pytest.mark.parametrize("dataset", [TASK_USAGE, TASK_PERFORMANCE, TASK_COSTS])
@pytest.mark.parametrize("figures", [_FIGURES, _EMPTY])
def test_the_document_has_the_agreed_shape(dataset: Any, figures: Figures) -> None:
    assert differences(dataset.name, dataset.answer(_month(), figures).document) == []


def test_usage_repeats_the_worked_example() -> None:
    document: Any = TASK_USAGE.answer(_month(), _FIGURES).document
    data = document["data"]
    assert data["summary"] == {
        "total_tasks": 45,
        "completed_tasks": 42,
        "failed_tasks": 3,
        "success_rate": Decimal("93.3"),
        "total_steps": 180,
        "total_tokens": 125_000,
        "total_api_calls": 890,
        "average_task_duration": "2h 30m",
    }
    assert list(data["by_agent"]) == ["code_agent", "test_agent", "git_agent", "document_agent"]
    assert [one["success_rate"] for one in data["by_agent"].values()] == [
        Decimal("94.4"),
        Decimal("91.7"),
        Decimal("100.0"),
        Decimal("85.7"),
    ]
    assert [
        (name, one["tasks"], one["average_tokens_per_task"], one["success_rate"])
        for name, one in data["by_model"].items()
    ] == [
        ("anthropic/claude-3-sonnet", 25, 3000, Decimal("96.0")),
        ("openai/gpt-4", 15, 2333, Decimal("93.3")),
        ("deepseek/deepseek-r1", 5, 3000, Decimal("80.0")),
    ]
    assert data["daily_breakdown"] == [
        {"date": date(2026, 3, 13), "tasks": 2, "tokens": 5500, "api_calls": 28},
        {"date": date(2026, 3, 14), "tasks": 1, "tokens": 2800, "api_calls": 15},
    ]
    assert (document["extra"]["most_used_agent"], document["extra"]["preferred_model"]) == (
        "code_agent",
        "anthropic/claude-3-sonnet",
    )


@pytest.mark.parametrize(
    ("zone", "start", "end"),
    [
        ("UTC", "2026-03-01T00:00:00Z", "2026-03-31T23:59:59Z"),
        ("Asia/Kolkata", "2026-03-01T00:00:00+05:30", "2026-03-31T23:59:59+05:30"),
        # The clock goes forward on 29 March: the last second is in summer time.
        ("Europe/Berlin", "2026-03-01T00:00:00+01:00", "2026-03-31T23:59:59+02:00"),
    ],
)
def test_an_open_month_shows_its_last_second_and_where_its_data_end(
    zone: str, start: str, end: str
) -> None:
    document: Any = TASK_USAGE.answer(_month(zone), _FIGURES).document
    assert (document["data"]["from_date"], document["data"]["to_date"]) == (start, end)
    assert document["extra"]["is_partial"] is True
    assert document["extra"]["data_to"] == datetime(2026, 3, 15, tzinfo=UTC)


def test_performance_compares_with_the_period_before() -> None:
    data: Any = TASK_PERFORMANCE.answer(_month(), _FIGURES).document
    assert data["data"]["metrics"] == {
        "task_completion_rate": {
            "current": Decimal("93.3"),
            "previous": Decimal("89.2"),
            "trend": "up",
            # 42 / 45 - 0.892 = 0.04133...
            "change": Decimal("4.1"),
        },
        "average_task_duration": {
            "current": "2h 30m",
            "previous": "2h 45m",
            "trend": "down",
            "change": "-15m",
        },
        # 125,000 / 45 = 2,777.78 tokens a task: fewer than before, and a change with that sign.
        "token_efficiency": {
            "current": Decimal("2777.78"),
            "previous": Decimal("3120.00"),
            "trend": "down",
            "change": Decimal("-342.22"),
            "unit": "tokens_per_task",
        },
        "error_rate": {
            "current": Decimal("6.7"),
            "previous": Decimal("10.8"),
            "trend": "down",
            "change": Decimal("-4.1"),
        },
    }
    extra = data["extra"]
    assert {key: one["assessment"] for key, one in extra["metrics"].items()} == {
        "task_completion_rate": "improving",
        "average_task_duration": "improving",
        "token_efficiency": "improving",
        "error_rate": "improving",
    }
    # 125,000 / (45 x 150) = 18.5 a minute; 45 / 125 = 0.36 tasks per 1,000 tokens.
    assert extra["tokens_per_minute"]["current"] == Decimal("18.52")
    assert extra["tasks_per_1k_tokens"]["current"] == Decimal("0.36")


def test_the_efficiency_of_each_agent_is_tokens_per_task_with_the_other_two_beside() -> None:
    document: Any = TASK_PERFORMANCE.answer(_month(), _FIGURES).document
    shown = document["data"]["performance_by_agent"]
    assert {
        agent: (one["avg_duration"], one["token_efficiency"]) for agent, one in shown.items()
    } == {
        "code_agent": ("3h 15m", Decimal("2500.00")),
        "test_agent": ("1h 45m", Decimal("2333.33")),
        "git_agent": ("45m", Decimal("1875.00")),
        "document_agent": ("2h 30m", Decimal("5285.71")),
    }
    others = document["extra"]["performance_by_agent"]
    assert [one["tokens_per_minute"] for one in others.values()] == [
        Decimal("12.82"),
        Decimal("22.22"),
        Decimal("41.67"),
        Decimal("35.24"),
    ]
    assert [one["tasks_per_1k_tokens"] for one in others.values()] == [
        Decimal("0.40"),
        Decimal("0.43"),
        Decimal("0.53"),
        Decimal("0.19"),
    ]


def test_one_metric_of_the_performance_may_be_chosen_by_either_of_its_names() -> None:
    for name in ("duration", "average_task_duration"):
        asked = replace(_month(), metric=name)
        document: Any = TASK_PERFORMANCE.answer(asked, _FIGURES).document
        assert list(document["data"]["metrics"]) == ["average_task_duration"]


def test_a_change_within_the_band_is_flat_and_one_from_nothing_has_no_trend() -> None:
    nearly = _row(tasks=10_000, failed=667, tokens=27_778_000, minutes=150)
    flat: Any = TASK_PERFORMANCE.answer(_month(), {**_FIGURES, "previous": [nearly]}).document
    assert {one["trend"] for one in flat["data"]["metrics"].values()} == {"flat"}
    assert flat["data"]["metrics"]["average_task_duration"]["change"] == "0s"
    none: Any = TASK_PERFORMANCE.answer(
        _month(), {**_FIGURES, "previous": [_row(tasks=0)]}
    ).document
    rate = none["data"]["metrics"]["task_completion_rate"]
    assert (rate["previous"], rate["trend"], rate["change"]) == (None, None, None)


def test_costs_repeat_the_worked_example() -> None:
    document: Any = TASK_COSTS.answer(_month(), _FIGURES).document
    data = document["data"]
    assert (data["total_cost"], data["average_cost_per_task"]) == (
        Decimal("187.50"),
        Decimal("4.17"),
    )
    assert data["cost_by_model"]["anthropic/claude-3-sonnet"] == {
        "tokens": 75_000,
        "cost": Decimal("112.50"),
        "cost_per_token": Decimal("0.0015"),
        "percentage": Decimal("60.0"),
    }
    assert [one["percentage"] for one in data["cost_by_model"].values()] == [
        Decimal("60.0"),
        Decimal("28.0"),
        Decimal("12.0"),
    ]
    assert {agent: one["percentage"] for agent, one in data["cost_by_agent"].items()} == {
        "code_agent": Decimal("36.0"),
        "document_agent": Decimal("29.6"),
        "test_agent": Decimal("22.4"),
        "git_agent": Decimal("12.0"),
    }
    assert data["daily_costs"][0] == {
        "date": date(2026, 3, 13),
        "cost": Decimal("8.25"),
        "tokens": 5500,
    }
    assert document["extra"]["cost_by_model"]["openai/gpt-4"] == {
        "cost_per_1k_tokens": Decimal("1.500000"),
        "cost_per_1m_tokens": Decimal("1500.000000"),
    }


def test_a_real_rate_per_token_keeps_its_digits() -> None:
    cheap = _row(tasks=1, tokens=1_000_000, cost="2.5", model_name="m")
    document: Any = TASK_COSTS.answer(_month(), {**_FIGURES, "tasks_by_model": [cheap]}).document
    assert document["data"]["cost_by_model"]["m"]["cost_per_token"] == Decimal("0.0000025")


def test_the_costs_are_in_the_currency_asked_for() -> None:
    asked = replace(_month(), currency="EUR")
    document: Any = TASK_COSTS.answer(asked, _FIGURES).document
    assert document["data"]["currency"] == "EUR"


def test_nothing_has_zeros_for_counts_and_nothing_for_quotients() -> None:
    usage: Any = TASK_USAGE.answer(_month(), _EMPTY).document
    assert usage["data"]["summary"] == {
        "total_tasks": 0,
        "completed_tasks": 0,
        "failed_tasks": 0,
        "success_rate": None,
        "total_steps": 0,
        "total_tokens": 0,
        "total_api_calls": 0,
        "average_task_duration": None,
    }
    costs: Any = TASK_COSTS.answer(_month(), _EMPTY).document
    assert costs["data"]["total_cost"] == Decimal("0.00")
    assert costs["data"]["average_cost_per_task"] is None
    assert costs["data"]["daily_costs"][0]["cost"] == Decimal("0.00")


def test_unpriced_tokens_have_no_cost_and_no_share() -> None:
    unpriced = _row(tasks=1, tokens=10, cost=None, model_name="m")
    document: Any = TASK_COSTS.answer(_month(), {**_FIGURES, "tasks_by_model": [unpriced]}).document
    assert document["data"]["cost_by_model"]["m"] == {
        "tokens": 10,
        "cost": None,
        "cost_per_token": None,
        "percentage": None,
    }


def test_two_agents_of_one_id_are_told_apart_by_their_source() -> None:
    namesake = {**_agent("code_agent", tasks=1), "agent_key": "other:code_agent"}
    document: Any = TASK_USAGE.answer(
        _month(), {**_FIGURES, "tasks_by_agent": [*_AGENTS, namesake]}
    ).document
    by_agent = document["data"]["by_agent"]
    assert (by_agent["native:code_agent"]["tasks"], by_agent["other:code_agent"]["tasks"]) == (
        18,
        1,
    )
    assert sum(one["tasks"] for one in by_agent.values()) == 46


def test_each_list_is_a_table_of_its_own() -> None:
    assert {
        dataset.name: [table.name for table in dataset.answer(_month(), _FIGURES).tables]
        for dataset in (TASK_USAGE, TASK_PERFORMANCE, TASK_COSTS)
    } == {
        "task-usage": ["task_usage", "by_agent", "by_model", "daily_breakdown"],
        "task-performance": ["task_performance", "performance_by_agent"],
        "task-costs": ["task_costs", "cost_by_model", "cost_by_agent", "daily_costs"],
    }
    table = TASK_PERFORMANCE.answer(_month(), _FIGURES).tables[0]
    assert to_csv(table).splitlines()[:3] == [
        "metric,unit,current,previous,change,trend,assessment",
        "task_completion_rate,percent,93.33,89.2,4.13,up,improving",
        "average_task_duration,s,9000.0,9900.0,-900.0,down,improving",
    ]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (59, "59s"),
        (Decimal("59.4"), "59s"),
        (60, "1m"),
        (2700, "45m"),
        (3569, "59m"),
        (3570, "1h 0m"),
        (9000, "2h 30m"),
        (9029, "2h 30m"),
        (9030, "2h 31m"),
        (90_000, "25h 0m"),
    ],
)
def test_a_duration_is_told_in_hours_minutes_or_seconds(seconds: Any, text: str) -> None:
    assert duration_text(seconds) == text
