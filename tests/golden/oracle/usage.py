"""Usage: messages, tokens, cost, users, sessions and times of a window.

Belongs here: figures over answers, requests, usage records and sessions. Does not belong here: the
shape of any dataset.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from typing import Protocol, TypeVar
from zoneinfo import ZoneInfo

from tests.golden.oracle.facts import Answer, Facts, Request, Session, Usage, User
from tests.golden.oracle.numbers import P50, mean, percentile, ratio
from tests.golden.oracle.windows import Owned, Scope, Window


class Timed(Owned, Protocol):
    """A row of somebody at a time."""

    @property
    def at(self) -> datetime: ...


Row = TypeVar("Row", bound=Timed)
Item = TypeVar("Item")
Key = TypeVar("Key", bound=Hashable)


def within(rows: Sequence[Row], scope: Scope, window: Window) -> list[Row]:
    """The rows of a list by time that are somebody's and of a window."""
    first = bisect_left(rows, window.start, key=_time)
    after = bisect_left(rows, window.end, key=_time)
    return [row for row in rows[first:after] if scope.owns(row)]


def _time(row: Timed) -> datetime:
    return row.at


def grouped(rows: Iterable[Item], key: Callable[[Item], Key]) -> dict[Key, list[Item]]:
    groups: dict[Key, list[Item]] = defaultdict(list)
    for row in rows:
        groups[key(row)].append(row)
    return dict(groups)


def duration_at_rank(facts: Facts, scope: Scope, window: Window) -> int | None:
    """The completed answers' time at the 0-based place floor(0.95 n), ascending (MP-042)."""
    times = sorted(
        answer.duration_ms
        for answer in within(facts.answers, scope, window)
        if not answer.is_errored and answer.duration_ms is not None
    )
    return times[len(times) * 95 // 100] if times else None


def cost(records: Sequence[Usage]) -> Decimal | None:
    """What is known of the cost; None when there is usage and none of it has a price (D-04)."""
    known = [record.cost for record in records if record.cost is not None]
    return None if records and not known else sum(known, Decimal(0))


@dataclass(frozen=True, kw_only=True)
class Activity:
    """Everything that happened in a window, of one scope or of a part of it."""

    facts: Facts
    answers: list[Answer]
    requests: list[Request]
    usage: list[Usage]
    sessions: list[Session]

    @property
    def errored(self) -> int:
        return sum(answer.is_errored for answer in self.answers)

    @property
    def messages(self) -> int:
        return len(self.answers) + len(self.requests)

    @property
    def anonymous(self) -> int:
        """Messages of both sides without a user: in no session (X-22)."""
        users = [answer.user for answer in self.answers]
        return (users + [request.user for request in self.requests]).count(None)

    @property
    def users(self) -> set[User]:
        return {request.user for request in self.requests if request.user is not None}

    @property
    def input_tokens(self) -> int:
        return sum(record.input_tokens or 0 for record in self.usage)

    @property
    def output_tokens(self) -> int:
        return sum(record.output_tokens or 0 for record in self.usage)

    @property
    def tokens(self) -> int:
        return self.input_tokens + self.output_tokens

    @property
    def cost(self) -> Decimal | None:
        return cost(self.usage)

    @property
    def unpriced(self) -> list[Usage]:
        return [record for record in self.usage if record.cost is None]

    @property
    def active_agents(self) -> int:
        return len({answer.agent for answer in self.answers})

    @property
    def error_rate(self) -> Fraction | None:
        return ratio(self.errored, len(self.answers))

    @property
    def latency(self) -> Fraction | None:
        """Mean time of the model over the answers that carry one (AG-004)."""
        told = [self.facts.latency(answer) for answer in self.answers]
        return mean([latency for latency in told if latency is not None])

    @property
    def durations(self) -> list[int]:
        """Times end to end, errored answers included (D-05)."""
        return [a.duration_ms for a in self.answers if a.duration_ms is not None]

    def _timed(self) -> list[tuple[int, int]]:
        """Output tokens and milliseconds of the answers that carry both (D-08)."""
        found = []
        for answer in self.answers:
            outputs = [
                record.output_tokens
                for record in self.facts.usage_of_answer.get(answer.id, ())
                if record.output_tokens is not None
            ]
            latency = self.facts.latency(answer)
            if outputs and latency is not None:
                found.append((sum(outputs), latency))
        return found

    @property
    def tokens_per_second(self) -> Fraction | None:
        timed = self._timed()
        return ratio(1000 * sum(made for made, _ in timed), sum(took for _, took in timed))

    @property
    def tokens_per_second_of_messages(self) -> Fraction | None:
        """The mean of each answer's own speed, where no time at all is no speed (AG-005)."""
        speeds = [ratio(1000 * made, took) for made, took in self._timed()]
        return mean([speed for speed in speeds if speed is not None])

    @property
    def session_seconds(self) -> list[Fraction]:
        return [Fraction(session.micros, 1_000_000) for session in self.sessions]

    @property
    def median_session_seconds(self) -> Fraction | None:
        return percentile(self.session_seconds, P50)

    @property
    def messages_per_session(self) -> Fraction | None:
        return ratio(sum(session.messages for session in self.sessions), len(self.sessions))

    @property
    def single_message_share(self) -> Fraction | None:
        single = sum(session.messages == 1 for session in self.sessions)
        return ratio(single, len(self.sessions))

    def of_agent(self, agent: str) -> Activity:
        return Activity(
            facts=self.facts,
            answers=[answer for answer in self.answers if answer.agent == agent],
            requests=[request for request in self.requests if request.agent == agent],
            usage=[record for record in self.usage if record.agent == agent],
            sessions=[session for session in self.sessions if session.agent == agent],
        )

    @property
    def agents(self) -> set[str]:
        """Agents with anything in the window."""
        agents = {row.agent for row in self.answers} | {row.agent for row in self.requests}
        return agents | {row.agent for row in self.usage} | {row.agent for row in self.sessions}


def activity(facts: Facts, scope: Scope, window: Window) -> Activity:
    return Activity(
        facts=facts,
        answers=within(facts.answers, scope, window),
        requests=within(facts.requests, scope, window),
        usage=within(facts.usage, scope, window),
        sessions=within(facts.sessions, scope, window),
    )


@dataclass(frozen=True, kw_only=True)
class ModelUse:
    """One model of one provider: its tokens, and the answers it is the primary model of (D-07)."""

    model: str | None
    provider: str | None
    usage: list[Usage]
    answers: Activity


def by_model(facts: Facts, found: Activity) -> list[ModelUse]:
    usage = grouped(found.usage, lambda record: (record.model, record.provider))
    answers = grouped(found.answers, facts.primary_model)
    if (None, None) not in usage:
        # What failed before any model was asked is an answer of none.
        answers.pop((None, None), None)
    return [
        ModelUse(
            model=model,
            provider=provider,
            usage=usage.get((model, provider), []),
            answers=Activity(
                facts=facts,
                answers=answers.get((model, provider), []),
                requests=[],
                usage=[],
                sessions=[],
            ),
        )
        for model, provider in {**usage, **answers}
    ]


def reach(facts: Facts, scope: Scope, window: Window, day: date, days: int) -> int:
    """Distinct users with a message on the local days that end with ``day`` (FL-004..006)."""
    by_day = _users_by_day(facts, scope, window.zone)
    return len(set().union(*(by_day.get(day - timedelta(days=back), ()) for back in range(days))))


@lru_cache(maxsize=64)
def _users_by_day(facts: Facts, scope: Scope, zone: str) -> dict[date, set[User]]:
    users: dict[date, set[User]] = defaultdict(set)
    for request in facts.requests:
        if request.user is not None and scope.owns(request):
            users[request.at.astimezone(ZoneInfo(zone)).date()].add(request.user)
    return users
