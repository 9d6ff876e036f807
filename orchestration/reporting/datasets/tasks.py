"""``task-usage``, ``task-performance`` and ``task-costs`` (DI-006..068).

Belongs here: the fields, order, rounding and texts of these three. Does not belong here: when a task
counts and what belongs to it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from orchestration.reporting.datasets.dataset import (
    TENANT_OR_PLATFORM,
    Answer,
    Choice,
    Dataset,
    Figures,
    Need,
    Question,
    about,
    count,
    needs,
    only_row,
)
from orchestration.reporting.documents import Json
from orchestration.reporting.formats import Change, Unit, compare
from orchestration.reporting.periods import Window
from orchestration.reporting.query import Row
from orchestration.reporting.rounding import Figure, exact, half_up, ratio, whole
from orchestration.reporting.tables import Cell, Table


def _usage(question: Question, figures: Figures) -> Answer:
    row = only_row(figures, "task_summary")
    window = question.window
    summary: dict[str, Cell] = {
        "total_tasks": count(row, "terminal_tasks"),
        "completed_tasks": count(row, "completed_tasks"),
        "failed_tasks": count(row, "failed_tasks"),
        "success_rate": _percent(row["task_success_rate"]),
        "total_steps": count(row, "task_steps"),
        "total_tokens": count(row, "total_tokens"),
        "total_api_calls": count(row, "task_api_calls"),
        "average_task_duration": duration_text(row["avg_task_duration_s"]),
    }
    agents = {
        key: {
            "tasks": count(agent, "terminal_tasks"),
            "steps": count(agent, "task_steps"),
            "tokens": count(agent, "total_tokens"),
            "success_rate": _percent(agent["task_success_rate"]),
            "agent_name": agent["agent_name"],
        }
        for key, agent in _by_agent(figures["tasks_by_agent"], first=_most_tasks)
    }
    models = {
        model["model_name"]: {
            "tasks": count(model, "terminal_tasks"),
            "tokens": count(model, "total_tokens"),
            "average_tokens_per_task": whole(model["tokens_per_task"]),
            "success_rate": _percent(model["task_success_rate"]),
        }
        for model in sorted(
            figures["tasks_by_model"], key=lambda row: (*_most_tasks(row), row["model_name"])
        )
    }
    daily = [
        {
            "date": day["date_day"],
            "tasks": count(day, "terminal_tasks"),
            "tokens": count(day, "total_tokens"),
            "api_calls": count(day, "task_api_calls"),
        }
        for day in _days(figures["tasks_daily"])
    ]
    data: dict[str, Json] = {
        "period": window.label,
        "from_date": _on_the_wall(window.start_at, window),
        "to_date": _on_the_wall(window.last_second, window),
        "summary": summary,
        "by_agent": agents,
        "by_model": models,
        "daily_breakdown": daily,
    }
    extra: dict[str, Json] = {
        "open_tasks": count(row, "open_tasks"),
        "cancelled_tasks": count(row, "cancelled_tasks"),
        "retried_tasks": count(row, "retried_tasks"),
        "timed_tasks": count(row, "timed_tasks"),
        "model_calls": count(row, "task_model_calls"),
        "average_task_duration_s": half_up(row["avg_task_duration_s"], 1),
        "average_completed_task_duration_s": half_up(row["avg_completed_task_duration_s"], 1),
        "most_used_agent": next(iter(agents), None),
        "preferred_model": next(iter(models), None),
    }
    counted = {"tasks": "BIGINT", "steps": "BIGINT", "tokens": "BIGINT"}
    return Answer(
        document=_envelope("Usage statistics retrieved successfully", data, question, extra),
        tables=(
            Table.of(
                "task_usage",
                {
                    "total_tasks": "BIGINT",
                    "completed_tasks": "BIGINT",
                    "failed_tasks": "BIGINT",
                    "success_rate": "DECIMAL(38,1)",
                    "total_steps": "BIGINT",
                    "total_tokens": "BIGINT",
                    "total_api_calls": "BIGINT",
                    "average_task_duration": "VARCHAR",
                },
                [summary],
            ),
            Table.of(
                "by_agent",
                {
                    "agent_id": "VARCHAR",
                    "agent_name": "VARCHAR",
                    **counted,
                    "success_rate": "DECIMAL(38,1)",
                },
                _with_key("agent_id", agents),
            ),
            Table.of(
                "by_model",
                {
                    "model": "VARCHAR",
                    "tasks": "BIGINT",
                    "tokens": "BIGINT",
                    "average_tokens_per_task": "BIGINT",
                    "success_rate": "DECIMAL(38,1)",
                },
                _with_key("model", models),
            ),
            Table.of(
                "daily_breakdown",
                {"date": "DATE", "tasks": "BIGINT", "tokens": "BIGINT", "api_calls": "BIGINT"},
                daily,
            ),
        ),
    )


@dataclass(frozen=True, kw_only=True)
class _Metric:
    """A metric that ``task-performance`` compares with the period before.

    ``scale`` brings the stored value into the unit that is shown; ``places`` is None for a duration
    in words. ``kind`` decides the band within which a change is flat (X-06).
    """

    column: str
    unit: str
    kind: Unit
    higher_is_better: bool
    scale: int = 1
    places: int | None = 1
    shows_unit: bool = False


_PERCENT = 100
_METRICS = {
    "task_completion_rate": _Metric(
        column="task_success_rate",
        unit="percent",
        kind=Unit.FRACTION,
        higher_is_better=True,
        scale=_PERCENT,
    ),
    "average_task_duration": _Metric(
        column="avg_task_duration_s",
        unit="s",
        kind=Unit.SECONDS,
        higher_is_better=False,
        places=None,
    ),
    "token_efficiency": _Metric(
        column="tokens_per_task",
        unit="tokens_per_task",
        kind=Unit.AVERAGE,
        higher_is_better=False,
        places=2,
        shows_unit=True,
    ),
    "error_rate": _Metric(
        column="task_error_rate",
        unit="percent",
        kind=Unit.FRACTION,
        higher_is_better=False,
        scale=_PERCENT,
    ),
}
# What else "efficiency" may mean (D-27, DI-043).
_OTHER_METRICS = {
    "tokens_per_minute": _Metric(
        column="task_tokens_per_minute",
        unit="tokens_per_minute",
        kind=Unit.AVERAGE,
        higher_is_better=True,
        places=2,
    ),
    "tasks_per_1k_tokens": _Metric(
        column="tasks_per_1k_tokens",
        unit="tasks_per_1k_tokens",
        kind=Unit.AVERAGE,
        higher_is_better=True,
        places=2,
    ),
}
# The names by which one metric is asked for (DI-040); each metric also goes by its own.
_FOCUS = {"duration": "average_task_duration", "success_rate": "task_completion_rate"}


def _performance(question: Question, figures: Figures) -> Answer:
    now, before = only_row(figures, "task_summary"), only_row(figures, "previous")
    focus = None if question.metric is None else _FOCUS.get(question.metric, question.metric)
    chosen = {key: metric for key, metric in _METRICS.items() if focus in (None, key)}
    agents = _by_agent(figures["tasks_by_agent"], first=_most_tasks)
    by_agent = {
        key: {
            "avg_duration": duration_text(agent["avg_task_duration_s"]),
            "success_rate": _percent(agent["task_success_rate"]),
            "token_efficiency": half_up(agent["tokens_per_task"], 2),
            "agent_name": agent["agent_name"],
        }
        for key, agent in agents
    }
    previous = question.window.previous()
    data: dict[str, Json] = {
        "period": question.window.label,
        "metrics": {
            key: _compared(metric, now=now, before=before) for key, metric in chosen.items()
        },
        "performance_by_agent": by_agent,
    }
    extra: dict[str, Json] = {
        "from_date": _on_the_wall(question.window.start_at, question.window),
        "to_date": _on_the_wall(question.window.last_second, question.window),
        "previous_first_day": previous.first_day,
        "previous_last_day": previous.last_day,
        "metrics": {
            key: _assessed(metric, now=now, before=before) for key, metric in chosen.items()
        },
        **{
            key: {
                **_compared(metric, now=now, before=before),
                **_assessed(metric, now=now, before=before),
            }
            for key, metric in _OTHER_METRICS.items()
        },
        "performance_by_agent": {
            key: {
                "tasks": count(agent, "terminal_tasks"),
                "avg_duration_s": half_up(agent["avg_task_duration_s"], 1),
                "tokens_per_minute": half_up(agent["task_tokens_per_minute"], 2),
                "tasks_per_1k_tokens": half_up(agent["tasks_per_1k_tokens"], 2),
            }
            for key, agent in agents
        },
    }
    return Answer(
        document=_envelope("Performance metrics retrieved successfully", data, question, extra),
        tables=(
            Table.of(
                "task_performance",
                {
                    "metric": "VARCHAR",
                    "unit": "VARCHAR",
                    "current": "DECIMAL(38,2)",
                    "previous": "DECIMAL(38,2)",
                    "change": "DECIMAL(38,2)",
                    "trend": "VARCHAR",
                    "assessment": "VARCHAR",
                },
                [
                    _flat(key, metric, now=now, before=before)
                    for key, metric in {**chosen, **_OTHER_METRICS}.items()
                ],
            ),
            Table.of(
                "performance_by_agent",
                {
                    "agent_id": "VARCHAR",
                    "agent_name": "VARCHAR",
                    "avg_duration": "VARCHAR",
                    "success_rate": "DECIMAL(38,1)",
                    "token_efficiency": "DECIMAL(38,2)",
                },
                _with_key("agent_id", by_agent),
            ),
        ),
    )


def _compared(metric: _Metric, *, now: Row, before: Row) -> dict[str, Cell]:
    """The metric as the shape shows it; no trend without both values (DI-046)."""
    change = _change(metric, now=now, before=before)
    return {
        "current": _shown(metric, now[metric.column]),
        "previous": _shown(metric, before[metric.column]),
        "trend": None if change is None else change.direction.value,
        "change": None if change is None else _shown_change(metric, change.absolute),
        **({"unit": metric.unit} if metric.shows_unit else {}),
    }


def _assessed(metric: _Metric, *, now: Row, before: Row) -> dict[str, Cell]:
    change = _change(metric, now=now, before=before)
    return {
        "unit": metric.unit,
        "assessment": None if change is None else change.assessment.value,
        "relative_change": None if change is None else half_up(change.relative, 4),
    }


def _flat(key: str, metric: _Metric, *, now: Row, before: Row) -> dict[str, Cell]:
    change = _change(metric, now=now, before=before)
    return {
        "metric": key,
        "unit": metric.unit,
        "current": _scaled(metric, now[metric.column], places=2),
        "previous": _scaled(metric, before[metric.column], places=2),
        "change": None if change is None else _scaled(metric, change.absolute, places=2),
        "trend": None if change is None else change.direction.value,
        "assessment": None if change is None else change.assessment.value,
    }


def _change(metric: _Metric, *, now: Row, before: Row) -> Change | None:
    current, previous = now[metric.column], before[metric.column]
    return compare(
        None if current is None else exact(current),
        None if previous is None else exact(previous),
        unit=metric.kind,
        higher_is_better=metric.higher_is_better,
    )


def _shown(metric: _Metric, value: Figure) -> Cell:
    if metric.places is None:
        return duration_text(value)
    return _scaled(metric, value, places=metric.places)


def _shown_change(metric: _Metric, value: Figure) -> Cell:
    if metric.places is None and value is not None:
        text = duration_text(exact(value).copy_abs())
        sign = "+" if value > 0 else "-"
        return text if text == duration_text(0) else f"{sign}{text}"
    return _shown(metric, value)


def _scaled(metric: _Metric, value: Figure, *, places: int) -> Decimal | None:
    return None if value is None else half_up(exact(value) * metric.scale, places)


def _costs(question: Question, figures: Figures) -> Answer:
    row = only_row(figures, "task_summary")
    total = row["cost_usd"]
    models = sorted(figures["tasks_by_model"], key=lambda row: (*_dearest(row), row["model_name"]))
    by_model = {
        model["model_name"]: {
            "tokens": count(model, "total_tokens"),
            "cost": half_up(model["cost_usd"], 2),
            # Unrounded but for the twelve places that money is kept with: at 4 dp a real rate is 0.
            "cost_per_token": ratio(model["cost_usd"], model["total_tokens"], places=12),
            "percentage": ratio(model["cost_usd"], total, places=1, times=_PERCENT),
        }
        for model in models
    }
    by_agent = {
        key: {
            "cost": half_up(agent["cost_usd"], 2),
            "percentage": ratio(agent["cost_usd"], total, places=1, times=_PERCENT),
        }
        for key, agent in _by_agent(figures["tasks_by_agent"], first=_dearest)
    }
    daily = [
        {
            "date": day["date_day"],
            "cost": half_up(day["cost_usd"], 2),
            "tokens": count(day, "total_tokens"),
        }
        for day in _days(figures["tasks_daily"])
    ]
    summary: dict[str, Cell] = {
        "currency": question.currency,
        "total_cost": half_up(total, 2),
        "total_tokens": count(row, "total_tokens"),
        "average_cost_per_task": half_up(row["cost_per_task_usd"], 2),
    }
    data: dict[str, Json] = {
        "period": question.window.label,
        **summary,
        "cost_by_model": by_model,
        "cost_by_agent": by_agent,
        "daily_costs": daily,
    }
    extra: dict[str, Json] = {
        "from_date": _on_the_wall(question.window.start_at, question.window),
        "to_date": _on_the_wall(question.window.last_second, question.window),
        "total_tasks": count(row, "terminal_tasks"),
        "average_cost_per_completed_task": half_up(row["cost_per_completed_task_usd"], 2),
        "unpriced_usage_count": count(row, "unpriced_usage_count"),
        "unpriced_tokens": count(row, "unpriced_tokens"),
        "cost_by_model": {
            model["model_name"]: {
                "cost_per_1k_tokens": _per_tokens(model, 1_000),
                "cost_per_1m_tokens": _per_tokens(model, 1_000_000),
            }
            for model in models
        },
    }
    shared = {"cost": "DECIMAL(38,2)", "percentage": "DECIMAL(38,1)"}
    return Answer(
        document=_envelope("Cost analysis retrieved successfully", data, question, extra),
        tables=(
            Table.of(
                "task_costs",
                {
                    "currency": "VARCHAR",
                    "total_cost": "DECIMAL(38,2)",
                    "total_tokens": "BIGINT",
                    "average_cost_per_task": "DECIMAL(38,2)",
                },
                [summary],
            ),
            Table.of(
                "cost_by_model",
                {
                    "model": "VARCHAR",
                    "tokens": "BIGINT",
                    "cost": "DECIMAL(38,2)",
                    "cost_per_token": "DECIMAL(38,12)",
                    "percentage": "DECIMAL(38,1)",
                },
                _with_key("model", by_model),
            ),
            Table.of(
                "cost_by_agent", {"agent_id": "VARCHAR", **shared}, _with_key("agent_id", by_agent)
            ),
            Table.of(
                "daily_costs",
                {"date": "DATE", "cost": "DECIMAL(38,2)", "tokens": "BIGINT"},
                daily,
            ),
        ),
    )


def duration_text(seconds: Figure) -> str | None:
    """A duration in words: hours and minutes from an hour on, minutes from one on, else seconds."""
    if seconds is None:
        return None
    whole_seconds = whole(seconds) or 0
    if whole_seconds < 60:
        return f"{whole_seconds}s"
    minutes = whole(exact(seconds) / 60) or 0
    return f"{minutes}m" if minutes < 60 else f"{minutes // 60}h {minutes % 60}m"


def _envelope(
    message: str, data: Mapping[str, Json], question: Question, extra: Mapping[str, Json]
) -> Json:
    return {
        "status": "success",
        "message": message,
        "data": data,
        "extra": {**about(question), **extra},
    }


def _on_the_wall(moment: datetime, window: Window) -> str:
    """An instant as the clock of the zone shows it, with its offset; Z for none (DI-013, DI-014)."""
    local = moment.astimezone(ZoneInfo(window.time_zone)).isoformat(timespec="seconds")
    return local.replace("+00:00", "Z")


def _by_agent(
    rows: Sequence[Row], *, first: Callable[[Row], tuple[Decimal | int, ...]]
) -> list[tuple[str, Row]]:
    """The rows of agents in order, each with its id; where two sources use one id for two agents,
    with the key that tells them apart (D-33)."""
    uses = Counter(row["agent_id"] for row in rows)
    ordered = sorted(rows, key=lambda row: (*first(row), row["agent_id"], row["agent_key"]))
    return [
        (row["agent_id"] if uses[row["agent_id"]] == 1 else row["agent_key"], row)
        for row in ordered
    ]


def _with_key(name: str, members: Mapping[str, Mapping[str, Cell]]) -> list[dict[str, Cell]]:
    return [{name: key, **member} for key, member in members.items()]


def _days(rows: Sequence[Row]) -> list[Row]:
    return sorted(rows, key=lambda row: row["date_day"])


def _most_tasks(row: Row) -> tuple[int, int]:
    return (-count(row, "terminal_tasks"), -count(row, "total_tokens"))


def _dearest(row: Row) -> tuple[Decimal]:
    cost = row["cost_usd"]
    return (Decimal(0) if cost is None else -exact(cost),)


def _percent(rate: Figure) -> Decimal | None:
    return None if rate is None else half_up(exact(rate) * _PERCENT, 1)


def _per_tokens(row: Row, tokens: int) -> Decimal | None:
    return ratio(row["cost_usd"], row["total_tokens"], places=6, times=tokens)


TASK_USAGE = Dataset(
    name="task-usage",
    default_period="month",
    scopes=TENANT_OR_PLATFORM,
    needs=needs("task_summary", "tasks_by_agent", "tasks_by_model", "tasks_daily"),
    answer=_usage,
)
TASK_PERFORMANCE = Dataset(
    name="task-performance",
    default_period="month",
    scopes=TENANT_OR_PLATFORM,
    needs={
        **needs("task_summary", "tasks_by_agent"),
        "previous": Need(function="task_summary", window=Window.previous),
    },
    answer=_performance,
    metric=Choice(allowed=lambda: (*_METRICS, *_FOCUS)),
)
TASK_COSTS = Dataset(
    name="task-costs",
    default_period="month",
    scopes=TENANT_OR_PLATFORM,
    needs=needs("task_summary", "tasks_by_agent", "tasks_by_model", "tasks_daily"),
    answer=_costs,
)
