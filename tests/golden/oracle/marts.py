"""Rows of marts that no export holds as they are: tasks, hours of the week, goals and budgets.

Belongs here: what such a table says of one window, by the names of its columns. Does not belong
here: the figures it shares with exports (tasks, usage, company).
"""

from __future__ import annotations

import operator
from calendar import monthrange
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from zoneinfo import ZoneInfo

from tests.golden.oracle import company, feedback, tasks, usage
from tests.golden.oracle.datasets import Question
from tests.golden.oracle.extracts import Record
from tests.golden.oracle.facts import Facts, Task
from tests.golden.oracle.numbers import P95, Number, mean, percentile, ratio
from tests.golden.oracle.quality import SUPPRESSED_BELOW
from tests.golden.oracle.windows import Scope, Window, instant

Cell = Number | str | bool | date | None
Row = Mapping[str, Cell]

_LEAST_HISTORY = 14
_COMPARED: Mapping[str, Callable[[Fraction, Fraction], bool]] = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}
_NEAR = Fraction(1, 10)
_DAY = timedelta(days=1)


def task_summary(facts: Facts, question: Question) -> list[Row]:
    scope, window = question.scope, question.window
    found = tasks.work(facts, scope, window)
    cost = usage.cost(found.usage)
    unpriced = [record for record in found.usage if record.cost is None]
    return [
        {
            **_ended(found.tasks),
            "task_steps": found.steps,
            "timed_tasks": len(found.seconds),
            "task_error_rate": found.error_rate,
            "total_task_duration_s": sum(found.seconds) if found.seconds else None,
            "avg_completed_task_duration_s": found.completed_duration,
            "task_api_calls": found.api_calls,
            "usage_count": len(found.usage),
            "input_tokens": sum(record.input_tokens or 0 for record in found.usage),
            "output_tokens": sum(record.output_tokens or 0 for record in found.usage),
            "total_tokens": found.tokens,
            "cache_read_tokens": sum(record.cache_read or 0 for record in found.usage),
            "cache_write_tokens": sum(record.cache_write or 0 for record in found.usage),
            "reasoning_tokens": sum(record.reasoning or 0 for record in found.usage),
            "cost_usd": cost,
            "unpriced_usage_count": len(unpriced),
            "unpriced_tokens": sum(record.tokens for record in unpriced),
            "tokens_per_task": found.tokens_per_task,
            "task_tokens_per_minute": found.tokens_per_minute,
            "tasks_per_1k_tokens": found.tasks_per_1k_tokens,
            "cost_per_task_usd": ratio(cost, len(found.tasks)),
            "cost_per_completed_task_usd": ratio(cost, found.completed),
            "task_model_calls": sum(record.is_call for record in found.usage),
            "open_tasks": tasks.still_open(facts, scope, window),
            "cancelled_tasks": tasks.cancelled(facts, scope, window),
        }
    ]


def _ended(found: list[Task]) -> dict[str, Cell]:
    part = tasks.Work(tasks=found, usage=[], calls=[])
    retried = sum((task.attempts or 0) > 1 for task in found)
    return {
        "terminal_tasks": len(found),
        "completed_tasks": part.completed,
        "failed_tasks": part.failed,
        "retried_tasks": retried,
        "task_success_rate": part.completion_rate,
        "retry_rate": ratio(retried, len(found)),
        "avg_task_duration_s": part.duration,
    }


def tasks_by_steps(facts: Facts, question: Question) -> list[Row]:
    """Every band, also one without tasks; of a publisher's, none that few tenants share (D-22)."""
    found = tasks.work(facts, question.scope, question.window).tasks
    banded = {
        int(band["band_order"]): [
            task
            for task in found
            if task.steps is not None
            and task.steps >= int(band["lower_bound"])
            and (not band["upper_bound"] or task.steps < int(band["upper_bound"]))
        ]
        for band in facts.reference.step_bands
    }
    hidden = _hidden(banded) if question.scope.kind == "publisher" else set()
    rows: list[Row] = []
    for band in facts.reference.step_bands:
        order = int(band["band_order"])
        figures = {
            **_ended(banded[order]),
            "active_tenants": len({task.tenant for task in banded[order]}),
        }
        rows.append(
            {
                "band_order": order,
                "steps_range": band["band_label"],
                **(dict.fromkeys(figures) if order in hidden else figures),
                "is_suppressed": order in hidden,
            }
        )
    return rows


def _hidden(banded: Mapping[int, list[Task]]) -> set[int]:
    tenants = {order: len({task.tenant for task in part}) for order, part in banded.items()}
    hidden = {order for order, count in tenants.items() if 0 < count < SUPPRESSED_BELOW}
    shown = [order for order, count in tenants.items() if count >= SUPPRESSED_BELOW]
    if len(hidden) == 1 and shown:
        hidden.add(min(shown, key=lambda order: (len(banded[order]), order)))
    return hidden


def usage_by_weekday_hour(facts: Facts, question: Question) -> list[Row]:
    zone = ZoneInfo(question.window.zone)
    said = Counter(
        (local.isoweekday(), local.hour)
        for answer in usage.within(facts.answers, question.scope, question.window)
        for local in [answer.at.astimezone(zone)]
    )
    return [
        {"iso_weekday": weekday, "hour_of_day": hour, "agent_messages": said[weekday, hour]}
        for weekday, hour in sorted(said)
    ]


def goals(facts: Facts, question: Question) -> list[Row]:
    """A goal of the scope's own before the default one, and that before the target of the metric."""
    scope = question.scope
    aims: dict[str, tuple[str, str | None, Decimal]] = {}
    for row in facts.reference.targets:
        aims[row["metric"]] = ("target", row["comparison"], Decimal(row["target"]))
    for row in facts.reference.default_goals:
        if scope.agent is None and row["scope_kind"] in ("any", scope.kind):
            aims[row["metric"]] = ("default", row["comparison"], Decimal(row["target"]))
    for goal in _meant_for(scope, facts.extracts.goals):
        aims[goal["metric"]] = ("goal", None, goal["target"])
    asked = _Asked(
        facts=facts,
        scope=scope,
        window=question.window,
        found=usage.activity(facts, scope, question.window),
        state=company.health(facts, question.window),
    )
    return [_goal(asked, metric, *aims[metric]) for metric in sorted(aims)]


def _goal(asked: _Asked, metric: str, set_by: str, comparison: str | None, goal: Decimal) -> Row:
    target = Fraction(goal)
    label, unit = asked.facts.reference.metrics[metric]
    known = _VALUES[metric](asked)
    value = None if known is None else Fraction(known)
    is_more_better = asked.facts.reference.higher_is_better[metric]
    way = comparison or (">=" if is_more_better else "<=")
    if value is None:
        status = "no_data"
    elif _COMPARED[way](value, target):
        status = "met"
    elif abs(value - target) <= abs(target) * _NEAR:
        status = "near"
    else:
        status = "missed"
    return {
        "metric": metric,
        "metric_label": label,
        "metric_unit": unit,
        "set_by": set_by,
        "comparison": way,
        "goal_target": target,
        "metric_value": value,
        "goal_attainment": ratio(value, target) if way in (">", ">=") else ratio(target, value),
        "goal_status": status,
    }


def _meant_for(scope: Scope, plans: Iterable[Record]) -> list[Record]:
    """The plans of the scope itself, or of its one agent; a tenant's use of one has none."""
    if scope.agent is not None:
        kind, identifier = "agent", scope.agent
        if scope.kind == "tenant":
            return []
    else:
        kind, identifier = scope.kind, scope.id or ""
    return [
        plan
        for plan in plans
        if plan["scope_kind"] == kind and (kind == "platform" or plan["scope_id"] == identifier)
    ]


def budgets(facts: Facts, question: Question) -> list[Row]:
    """Each month of the window that has a budget: what whole local days of it have cost so far."""
    scope, window = question.scope, question.window
    months = {day.replace(day=1) for day in _all_days(window)}
    ends_on = window.day_of(window.end)
    rows: list[Row] = []
    for month in sorted(months):
        planned = [
            plan["amount_usd"]
            for plan in _meant_for(scope, facts.extracts.budgets)
            if plan["month"] == f"{month:%Y-%m}"
        ]
        if planned:
            after = month + timedelta(days=monthrange(month.year, month.month)[1])
            until = max(month, min(ends_on, after))
            rows.append(_budget(facts, question, month, after, until, sum(planned)))
    return rows


def _all_days(window: Window) -> list[date]:
    last = window.after
    if window.is_partial:
        last = min(last, window.day_of(window.as_of) + _DAY)
    return [window.first + number * _DAY for number in range((last - window.first).days)]


def _budget(
    facts: Facts, question: Question, month: date, after: date, until: date, planned: Decimal
) -> Row:
    zone = question.window.zone
    start, end = instant(month, zone), instant(until, zone)
    owned = [record for record in facts.usage if question.scope.owns(record)]
    spent = usage.cost([record for record in owned if start <= record.at < end])
    used = [question.window.day_of(record.at) for record in owned if record.at < end]
    days, elapsed = (after - month).days, (until - month).days
    is_projected = until == after or bool(used and (until - min(used)).days >= _LEAST_HISTORY)
    pace = None
    if is_projected and spent is not None:
        pace = ratio(spent * days, elapsed)
    if spent is None:
        status = "no_data"
    elif spent > planned:
        status = "over"
    elif pace is not None and pace > planned:
        status = "at_risk"
    else:
        status = "within"
    return {
        "month_start": month,
        "month_days": days,
        "month_elapsed_days": elapsed,
        "month_budget_usd": planned,
        "month_spent_usd": spent,
        "month_left_usd": None if spent is None else planned - spent,
        "month_budget_utilization": ratio(spent, planned),
        "month_run_rate_usd": pace,
        "budget_status": status,
    }


@dataclass(frozen=True, kw_only=True)
class _Asked:
    """What a goal is about, gathered once for all goals of a window."""

    facts: Facts
    scope: Scope
    window: Window
    found: usage.Activity
    state: company.Health

    @property
    def daily_users(self) -> Fraction | None:
        days = self.window.days()
        return mean([usage.reach(self.facts, self.scope, self.window, day, 1) for day in days])

    @property
    def uptime(self) -> Fraction | None:
        length = self.window.end - self.window.start
        if not length or self.state.downtime is None:
            return None
        micro = timedelta(microseconds=1)
        return 1 - Fraction(self.state.downtime // micro, length // micro)


_VALUES: Mapping[str, Callable[[_Asked], Number | None]] = {
    "avg_dau": lambda asked: asked.daily_users,
    "dau": lambda asked: asked.daily_users,
    "cost_per_user_usd": lambda asked: ratio(asked.found.cost, len(asked.found.users)),
    "message_error_rate": lambda asked: asked.found.error_rate,
    "avg_response_time_ms": lambda asked: mean(asked.found.durations),
    "p95_response_time_ms": lambda asked: percentile(asked.found.durations, P95),
    "average_rating": lambda asked: (
        feedback.ratings(asked.facts, asked.scope, asked.window).average
    ),
    "uptime": lambda asked: asked.uptime,
    "request_success_rate": lambda asked: asked.state.success_rate,
    "zero_queue_share": lambda asked: ratio(asked.state.depths.count(0), len(asked.state.depths)),
}

MARTS: Mapping[str, Callable[[Facts, Question], list[Row]]] = {
    "task_summary": task_summary,
    "tasks_by_steps": tasks_by_steps,
    "usage_by_weekday_hour": usage_by_weekday_hour,
    "goals": goals,
    "budgets": budgets,
}
