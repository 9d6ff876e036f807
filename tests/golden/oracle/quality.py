"""Quality: conversations and what became of them, and tools.

Belongs here: figures over conversations and tool attempts. Does not belong here: ratings
(feedback.py) and the shape of any dataset.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from fractions import Fraction

from tests.golden.oracle.facts import Answer, Conversation, Facts, ToolEvent
from tests.golden.oracle.numbers import mean, ratio
from tests.golden.oracle.usage import grouped, within
from tests.golden.oracle.windows import Scope, Window

SUPPRESSED_BELOW = 3


@dataclass(frozen=True, kw_only=True)
class Talks:
    """The conversations that began in a window."""

    rows: list[Conversation]

    @property
    def completed(self) -> list[Conversation]:
        return [row for row in self.rows if row.status == "completed"]

    @property
    def resolved(self) -> list[Conversation]:
        """Completed and known not to have been escalated (RO-024, RO-029)."""
        return [row for row in self.completed if row.escalated is False]

    @property
    def resolution_rate(self) -> Fraction | None:
        return ratio(len(self.resolved), len(self.completed))

    @property
    def satisfaction(self) -> Fraction | None:
        return mean([row.satisfaction for row in self.completed if row.satisfaction is not None])

    @property
    def gross_savings(self) -> Decimal:
        return sum((row.human_cost for row in self.resolved), Decimal(0))

    def days(self, window: Window) -> int:
        return len({window.day_of(row.at) for row in self.rows})


def talks(facts: Facts, scope: Scope, window: Window) -> Talks:
    return Talks(rows=within(facts.conversations, scope, window))


@dataclass(frozen=True, kw_only=True)
class Tool:
    """One tool in a window; figures of few tenants are withheld from a publisher (D-22)."""

    name: str
    completed_occurrences: int
    occurrences: int
    attempts: int
    failures: int
    tenants: frozenset[str]

    @property
    def failure_rate(self) -> Fraction | None:
        return ratio(self.failures, self.attempts)


def tools(facts: Facts, scope: Scope, window: Window) -> list[Tool]:
    answers = within(facts.answers, scope, window)
    events = within(facts.tool_events, scope, window)
    names = {name for answer in answers for name in answer.tools}
    names |= {event.tool for event in events}
    return [_tool(name, answers, events, window) for name in sorted(names)]


def _tool(name: str, answers: list[Answer], events: list[ToolEvent], window: Window) -> Tool:
    own = [event for event in events if event.tool == name]
    listing = [answer for answer in answers if name in answer.tools]
    occurrences = sum(answer.tools.count(name) for answer in listing)
    has_attempts = any(not event.has_failed for event in own)
    return Tool(
        name=name,
        completed_occurrences=sum(
            answer.tools.count(name) for answer in listing if not answer.is_errored
        ),
        occurrences=occurrences,
        attempts=_attempts(own, window) if has_attempts else occurrences,
        failures=sum(event.has_failed for event in own),
        tenants=frozenset({row.tenant for row in own} | {row.tenant for row in listing}),
    )


def _attempts(events: list[ToolEvent], window: Window) -> int:
    """Calls; on a day with more failures than calls both together (D-20)."""
    days: dict[date, list[ToolEvent]] = grouped(events, lambda event: window.day_of(event.at))
    total = 0
    for on_day in days.values():
        outcomes = Counter(event.has_failed for event in on_day)
        called, failed = outcomes[False], outcomes[True]
        total += called + failed if failed > called else called
    return total


def suppressed(cells: list[Tool]) -> set[str]:
    """Cells of few tenants, and the next smallest where one alone could be worked out (D-22)."""
    hidden = {cell.name for cell in cells if 0 < len(cell.tenants) < SUPPRESSED_BELOW}
    shown = [cell for cell in cells if cell.name not in hidden]
    if len(hidden) == 1 and shown:
        hidden.add(min(shown, key=lambda cell: (cell.occurrences, cell.name)).name)
    return hidden
