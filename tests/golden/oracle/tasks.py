"""Tasks: how many ended and how, how long they took, what they used.

Belongs here: figures over tasks and the usage of tasks. Does not belong here: the shape of any
dataset.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction

from tests.golden.oracle.facts import Facts, Task, Usage
from tests.golden.oracle.numbers import mean, ratio
from tests.golden.oracle.usage import within
from tests.golden.oracle.windows import Scope, Window


@dataclass(frozen=True, kw_only=True)
class Calls:
    """Model and tool requests that a task made, at the time they are counted (D-25)."""

    at: datetime
    tenant: str
    publisher: str | None
    agent: str
    number: int


@dataclass(frozen=True, kw_only=True)
class Work:
    """The tasks that ended in a window, and what tasks used in it."""

    tasks: list[Task]
    usage: list[Usage]
    calls: list[Calls]

    @property
    def completed(self) -> int:
        return sum(task.status == "completed" for task in self.tasks)

    @property
    def failed(self) -> int:
        return len(self.tasks) - self.completed

    @property
    def completion_rate(self) -> Fraction | None:
        return ratio(self.completed, len(self.tasks))

    @property
    def error_rate(self) -> Fraction | None:
        return ratio(self.failed, len(self.tasks))

    @property
    def steps(self) -> int:
        return sum(task.steps or 0 for task in self.tasks)

    @property
    def tokens(self) -> int:
        return sum(record.tokens for record in self.usage)

    @property
    def api_calls(self) -> int:
        return sum(call.number for call in self.calls)

    @property
    def seconds(self) -> list[Fraction]:
        """Of the tasks that have a start (D-26)."""
        return _seconds(self.tasks)

    @property
    def duration(self) -> Fraction | None:
        return mean(self.seconds)

    @property
    def completed_duration(self) -> Fraction | None:
        """Of the tasks that succeeded alone (DI-074)."""
        return mean(_seconds([task for task in self.tasks if task.status == "completed"]))

    @property
    def tokens_per_minute(self) -> Fraction | None:
        return ratio(self.tokens * 60, sum(self.seconds, Fraction(0)))

    @property
    def tasks_per_1k_tokens(self) -> Fraction | None:
        return ratio(len(self.tasks) * 1000, self.tokens)

    @property
    def tokens_per_task(self) -> Fraction | None:
        return ratio(self.tokens, len(self.tasks))

    def of_agent(self, agent: str) -> Work:
        return Work(
            tasks=[task for task in self.tasks if task.agent == agent],
            usage=[record for record in self.usage if record.agent == agent],
            calls=[call for call in self.calls if call.agent == agent],
        )

    @property
    def agents(self) -> set[str]:
        return {task.agent for task in self.tasks} | {record.agent for record in self.usage}


def _seconds(tasks: list[Task]) -> list[Fraction]:
    return [
        Fraction((task.ended - task.started) // timedelta(microseconds=1), 1_000_000)
        for task in tasks
        if task.started is not None and task.ended is not None
    ]


def work(facts: Facts, scope: Scope, window: Window) -> Work:
    return Work(
        tasks=[
            task
            for task in facts.tasks
            if task.ended is not None and window.holds(task.ended) and scope.owns(task)
        ],
        usage=[row for row in within(facts.usage, scope, window) if row.task is not None],
        calls=within(task_calls(facts), scope, window),
    )


def cancelled(facts: Facts, scope: Scope, window: Window) -> int:
    """Given up in the window; in no total and no rate (DI-015)."""
    return sum(
        task.status == "cancelled" and window.holds(task.last_word) and scope.owns(task)
        for task in facts.tasks
    )


def still_open(facts: Facts, scope: Scope, window: Window) -> int:
    """Created in the window and not at an end of any kind before the window's (DI-015)."""
    over = ("completed", "failed", "cancelled")
    return sum(
        task.created is not None
        and window.holds(task.created)
        and scope.owns(task)
        and (task.status not in over or task.last_word >= window.end)
        for task in facts.tasks
    )


def task_calls(facts: Facts) -> list[Calls]:
    """From the answers of a task when they say so, else from the task's own row."""
    told = {answer.task for answer in facts.answers if answer.task and answer.api_calls is not None}
    of_answers = [
        Calls(
            at=answer.at,
            tenant=answer.tenant,
            publisher=answer.publisher,
            agent=answer.agent,
            number=answer.api_calls,
        )
        for answer in facts.answers
        if answer.task is not None and answer.api_calls is not None
    ]
    of_tasks = [
        Calls(
            at=task.last_word,
            tenant=task.tenant,
            publisher=task.publisher,
            agent=task.agent,
            number=task.api_calls,
        )
        for task in facts.tasks
        if task.api_calls is not None and task.id not in told
    ]
    return sorted(of_answers + of_tasks, key=lambda call: call.at)


def model_label(model: str | None, provider: str | None) -> str:
    """``provider/model``; without a provider the bare name (D-09)."""
    name = model or "unknown"
    return f"{provider}/{name}" if provider else name


def primary_models(facts: Facts) -> dict[str, str]:
    """The model with most tokens of each task, ties by name; else the one its row names."""
    tokens: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for record in facts.usage:
        if record.task is not None:
            tokens[record.task][model_label(record.model, record.provider)] += record.tokens
    named = {task.id: model_label(task.model, None) for task in facts.tasks}
    most = {
        task: min(models, key=lambda model: (-models[model], model))
        for task, models in tokens.items()
    }
    return named | most


def cost_in(facts: Facts, records: list[Usage], currency: str) -> Decimal | None:
    """Each cost at the rate of its own day (DI-056)."""
    known = [record for record in records if record.cost is not None]
    if records and not known:
        return None
    total = Decimal(0)
    for record in known:
        rate = facts.reference.rate(currency, record.at.date())
        assert rate is not None, f"no rate of {currency} on {record.at}"
        total += (record.cost or Decimal(0)) / rate
    return total
