"""What the extracts say together: answers, requests, usage records, sessions, conversations, tasks.

Belongs here: the rules that join rows of several streams (whose user, whose tokens, which price,
which agent type at which time). Does not belong here: windows, scopes and figures.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cached_property
from typing import Protocol

from tests.golden.oracle.extracts import TERMINAL, Extracts, Record
from tests.golden.oracle.reference import Reference

SESSION_GAP = timedelta(seconds=1800)
SAMPLE_AGE = timedelta(minutes=5)
UNKNOWN = "unknown"

User = tuple[str, str]


@dataclass(frozen=True, kw_only=True, eq=False)
class Answer:
    """A terminal event: one agent message (D-01)."""

    id: str
    invocation: str
    at: datetime
    tenant: str
    publisher: str
    agent: str
    agent_type: str
    user: User | None
    task: str | None
    is_errored: bool
    model: str | None
    provider: str | None
    latency_ms: int | None
    duration_ms: int | None
    tools: tuple[str, ...]
    api_calls: int | None


@dataclass(frozen=True, kw_only=True, eq=False)
class Request:
    """An agent_invoked event: one user message."""

    at: datetime
    tenant: str
    publisher: str
    agent: str
    user: User | None


@dataclass(frozen=True, kw_only=True, eq=False)
class Usage:
    """Tokens and money of one call, else one answer, else one task (D-52)."""

    at: datetime
    tenant: str
    publisher: str | None
    agent: str
    agent_type: str
    task: str | None
    answer: Answer | None
    model: str | None
    provider: str | None
    input_tokens: int | None
    output_tokens: int | None
    cache_read: int | None
    cache_write: int | None
    reasoning: int | None
    latency_ms: int | None
    recorded: Decimal | None
    cost: Decimal | None
    is_call: bool

    @property
    def tokens(self) -> int:
        return (self.input_tokens or 0) + (self.output_tokens or 0)


@dataclass(frozen=True, kw_only=True, eq=False)
class Session:
    """Messages of one user with one agent without a longer silence (X-22)."""

    tenant: str
    publisher: str
    agent: str
    at: datetime
    ended: datetime
    messages: int

    @property
    def micros(self) -> int:
        return (self.ended - self.at) // timedelta(microseconds=1)


@dataclass(frozen=True, kw_only=True, eq=False)
class ToolEvent:
    """An attempt or the failure of one."""

    at: datetime
    tenant: str
    publisher: str
    agent: str
    tool: str
    has_failed: bool


@dataclass(frozen=True, kw_only=True, eq=False)
class Rating:
    """A user's rating, and the load when the rated answer was given (D-18)."""

    at: datetime
    tenant: str
    publisher: str
    agent: str
    agent_type: str
    rating: int
    instances: int | None
    band: str


@dataclass(frozen=True, kw_only=True, eq=False)
class Audit:
    """One audit row; ``message`` is what it is about (D-17)."""

    at: datetime
    tenant: str
    publisher: str | None
    agent: str
    agent_type: str
    message: tuple[str, str]
    is_toxic: bool
    redactions: Mapping[str, int]


@dataclass(frozen=True, kw_only=True, eq=False)
class Charge:
    """A charge or a refund in dollars; None where no rate is known (D-55)."""

    at: datetime
    tenant: str
    publisher: str
    agent: str
    is_refund: bool
    usd: Decimal | None
    fee_usd: Decimal | None


@dataclass(frozen=True, kw_only=True, eq=False)
class Install:
    """An install or uninstall."""

    at: datetime
    tenant: str
    publisher: str
    agent: str
    is_install: bool
    id: str


@dataclass(frozen=True, kw_only=True, eq=False)
class Conversation:
    """The current state of a conversation."""

    at: datetime
    tenant: str
    publisher: str | None
    agent: str
    status: str
    escalated: bool | None
    satisfaction: Decimal | None
    human_cost: Decimal


@dataclass(frozen=True, kw_only=True, eq=False)
class Task:
    """The current state of a task; ``ended`` only when it completed or failed."""

    id: str
    tenant: str
    publisher: str | None
    agent: str
    agent_type: str
    status: str
    created: datetime | None
    started: datetime | None
    ended: datetime | None
    last_word: datetime
    steps: int | None
    api_calls: int | None
    attempts: int | None
    model: str | None


class Facts:
    """All of it, each list by time and made when first asked for, nothing after as-of (D-11)."""

    def __init__(self, extracts: Extracts, reference: Reference) -> None:
        self.extracts = extracts
        self.reference = reference
        self.as_of = extracts.as_of

    def _events(self, *types: str) -> list[Record]:
        return sorted(
            (
                event
                for event in self.extracts.events
                if event["event_type"] in types and event["timestamp"] < self.as_of
            ),
            key=_by_time,
        )

    def state_at(self, states: Sequence[Record], at: datetime) -> Record | None:
        """The state that held; before the first one that one."""
        held = [state for state in states if state["updated_at"] <= at]
        return held[-1] if held else (states[0] if states else None)

    def agent_type(self, agent: str, at: datetime) -> str:
        """The type at the time; an agent that no row describes is of an unknown one (D-30)."""
        state = self.state_at(self.extracts.agents.get(agent, []), at)
        return UNKNOWN if state is None else str(state["agent_type_id"])

    def agent_publisher(self, agent: str, at: datetime) -> str | None:
        state = self.state_at(self.extracts.agents.get(agent, []), at)
        return None if state is None else state["publisher_id"]

    def agent_name(self, agent: str) -> str:
        """The current name; an agent that no row describes goes by its id (D-30)."""
        states = self.extracts.agents.get(agent)
        return str(states[-1]["agent_name"]) if states else agent

    @cached_property
    def type_names(self) -> dict[str, str | None]:
        """Current name of each agent type: the latest row that names it."""
        rows = [row for states in self.extracts.agents.values() for row in states]
        names: dict[str, str | None] = {UNKNOWN: UNKNOWN}
        for row in sorted(rows, key=lambda row: (row["updated_at"], row["agent_id"])):
            if row["agent_type_name"] is not None or row["agent_type_id"] not in names:
                names[row["agent_type_id"]] = row["agent_type_name"]
        return names

    @cached_property
    def _first_requests(self) -> dict[str, Record]:
        first: dict[str, Record] = {}
        for event in self._events("agent_invoked"):
            if event["invocation_id"] is not None:
                first.setdefault(event["invocation_id"], event)
        return first

    @cached_property
    def answers(self) -> list[Answer]:
        return [self._answer(event) for event in self._events(*TERMINAL)]

    def _answer(self, event: Record) -> Answer:
        invocation = event["invocation_id"] or event["id"]
        request = self._first_requests.get(invocation, {})
        user = event["user_id"] or request.get("user_id")
        return Answer(
            id=event["id"],
            invocation=invocation,
            at=event["timestamp"],
            tenant=event["tenant_id"],
            publisher=event["publisher_id"],
            agent=event["agent_id"],
            agent_type=self.agent_type(event["agent_id"], event["timestamp"]),
            user=None if user is None else (event["tenant_id"], user),
            task=event["task_id"],
            is_errored=event["event_type"] == "agent_errored",
            model=event["model"],
            provider=event["provider"],
            latency_ms=event["llm_latency_ms"],
            duration_ms=event["duration_ms"],
            tools=tuple(event["tool_calls"] or ()),
            api_calls=event["api_calls"],
        )

    @cached_property
    def answers_of(self) -> dict[str, list[Answer]]:
        """The attempts of each invocation, in order."""
        grouped: dict[str, list[Answer]] = defaultdict(list)
        for answer in self.answers:
            grouped[answer.invocation].append(answer)
        return dict(grouped)

    @cached_property
    def requests(self) -> list[Request]:
        return [
            Request(
                at=event["timestamp"],
                tenant=event["tenant_id"],
                publisher=event["publisher_id"],
                agent=event["agent_id"],
                user=None if event["user_id"] is None else (event["tenant_id"], event["user_id"]),
            )
            for event in self._events("agent_invoked")
        ]

    @cached_property
    def usage(self) -> list[Usage]:
        events = {event["id"]: event for event in self._events(*TERMINAL)}
        calls = [call for call in self.extracts.calls if call["timestamp"] < self.as_of]
        called = {call["invocation_id"] for call in calls}
        wrapping = _wrappers(calls)
        records = [self._call_usage(call) for call in calls if id(call) not in wrapping]
        records += [
            self._answer_usage(answer, events[answer.id])
            for answer in self.answers
            if answer.invocation not in called
        ]
        owned = [record for record in records if record is not None]
        carried = {record.task for record in owned} | {answer.task for answer in self.answers}
        owned += [
            self._task_usage(task) for task in self._task_rows if task["task_id"] not in carried
        ]
        return sorted((record for record in owned if _says_something(record)), key=_at)

    def _call_usage(self, call: Record) -> Usage | None:
        """A call belongs to the attempt it served, else to the request; else to nobody (D-03)."""
        attempts = self.answers_of.get(call["invocation_id"], [])
        request = self._first_requests.get(call["invocation_id"])
        if not attempts and request is None:
            return None
        later = [attempt for attempt in attempts if attempt.at >= call["timestamp"]]
        answer = (later[0] if later else attempts[-1]) if attempts else None
        if answer is None:
            assert request is not None
            owner = (request["tenant_id"], request["publisher_id"], request["agent_id"])
            task = request["task_id"]
        else:
            owner = (answer.tenant, answer.publisher, answer.agent)
            task = answer.task
        return self._usage(call, at=call["timestamp"], owner=owner, task=task, answer=answer)

    def _answer_usage(self, answer: Answer, event: Record) -> Usage:
        owner = (answer.tenant, answer.publisher, answer.agent)
        return self._usage(event, at=answer.at, owner=owner, task=answer.task, answer=answer)

    def _task_usage(self, task: Record) -> Usage:
        at = task["ended_at"] or task["updated_at"]
        publisher = self.agent_publisher(task["agent_id"], at)
        owner = (task["tenant_id"], publisher, task["agent_id"])
        return self._usage(task, at=at, owner=owner, task=task["task_id"], answer=None)

    def _usage(
        self,
        row: Record,
        *,
        at: datetime,
        owner: tuple[str, str | None, str],
        task: str | None,
        answer: Answer | None,
    ) -> Usage:
        tenant, publisher, agent = owner
        recorded = row["cost_usd"]
        return Usage(
            at=at,
            tenant=tenant,
            publisher=publisher,
            agent=agent,
            agent_type=self.agent_type(agent, at),
            task=task,
            answer=answer,
            model=row["model"],
            provider=row.get("provider"),
            input_tokens=row["input_tokens"],
            output_tokens=row["output_tokens"],
            cache_read=row.get("cache_read_tokens"),
            cache_write=row.get("cache_write_tokens"),
            reasoning=row.get("reasoning_tokens"),
            latency_ms=row.get("latency_ms"),
            recorded=recorded,
            cost=self._priced(row, at) if recorded is None else recorded,
            is_call="llm_call_id" in row,
        )

    def _priced(self, row: Record, at: datetime) -> Decimal | None:
        price = self.reference.price(row["model"], row.get("provider"), at.date())
        if price is None or (row["input_tokens"] is None and row["output_tokens"] is None):
            return None
        read, write = row.get("cache_read_tokens") or 0, row.get("cache_write_tokens") or 0
        reasoning = row.get("reasoning_tokens") or 0
        fresh = max((row["input_tokens"] or 0) - read - write, 0)
        plain = max((row["output_tokens"] or 0) - reasoning, 0)
        return (
            fresh * price.input
            + read * _own(price.cache_read, price.input)
            + write * _own(price.cache_write, price.input)
            + plain * price.output
            + reasoning * _own(price.reasoning, price.output)
        )

    @cached_property
    def usage_of_answer(self) -> dict[str, list[Usage]]:
        grouped: dict[str, list[Usage]] = defaultdict(list)
        for record in self.usage:
            if record.answer is not None:
                grouped[record.answer.id].append(record)
        return dict(grouped)

    def latency(self, answer: Answer) -> int | None:
        """Time of the model alone: as the answer says, else that of its calls together."""
        if answer.latency_ms is not None:
            return answer.latency_ms
        told = [record.latency_ms for record in self.usage_of_answer.get(answer.id, ())]
        known = [latency for latency in told if latency is not None]
        return sum(known) if known else None

    def primary_model(self, answer: Answer) -> tuple[str | None, str | None]:
        """The model with most tokens in the answer, ties by name (D-07)."""
        tokens: dict[tuple[str | None, str | None], int] = defaultdict(int)
        for record in self.usage_of_answer.get(answer.id, ()):
            tokens[record.model, record.provider] += record.tokens
        if not tokens:
            return answer.model, answer.provider
        return min(tokens, key=lambda one: (-tokens[one], one[0] or "", one[1] or ""))

    @cached_property
    def sessions(self) -> list[Session]:
        said: dict[tuple[User, str], list[Answer | Request]] = defaultdict(list)
        messages: list[Answer | Request] = [*self.answers, *self.requests]
        for message in messages:
            if message.user is not None:
                said[message.user, message.agent].append(message)
        cut = [session for messages in said.values() for session in _cut(messages)]
        return sorted(cut, key=_at)

    @cached_property
    def tool_events(self) -> list[ToolEvent]:
        return [
            ToolEvent(
                at=event["timestamp"],
                tenant=event["tenant_id"],
                publisher=event["publisher_id"],
                agent=event["agent_id"],
                tool=event["tool_name"],
                has_failed=event["event_type"] == "tool_failed",
            )
            for event in self._events("tool_called", "tool_failed")
        ]

    @cached_property
    def ratings(self) -> list[Rating]:
        return [self._rating(event) for event in self._events("user_feedback")]

    def _rating(self, event: Record) -> Rating:
        attempts = self.answers_of.get(event["invocation_id"] or "", [])
        before = [attempt for attempt in attempts if attempt.at <= event["timestamp"]]
        rated = before[-1] if before else (attempts[0] if attempts else None)
        at = event["timestamp"] if rated is None else rated.at
        agent_type = self.agent_type(event["agent_id"], at)
        instances = self.instances(agent_type, event["tenant_id"], at)
        return Rating(
            at=event["timestamp"],
            tenant=event["tenant_id"],
            publisher=event["publisher_id"],
            agent=event["agent_id"],
            agent_type=self.agent_type(event["agent_id"], event["timestamp"]),
            rating=int(event["rating"]),
            instances=instances,
            band=self.reference.band(instances),
        )

    @cached_property
    def gauges(self) -> dict[tuple[str, str | None], tuple[list[datetime], list[int]]]:
        grouped: dict[tuple[str, str | None], list[tuple[datetime, int]]] = defaultdict(list)
        for sample in self.extracts.samples:
            grouped[sample["agent_type_id"], sample["tenant_id"]].append(
                (sample["timestamp"], sample["running_instances"])
            )
        return {
            key: ([at for at, _ in sorted(rows)], [number for _, number in sorted(rows)])
            for key, rows in grouped.items()
        }

    def instances(self, agent_type: str, tenant: str, at: datetime) -> int | None:
        """The tenant's own last sample if fresh, else the one without a tenant (D-19)."""
        for owner in (tenant, None):
            times, numbers = self.gauges.get((agent_type, owner), ([], []))
            place = bisect_right(times, at)
            if place and at - times[place - 1] <= SAMPLE_AGE:
                return numbers[place - 1]
        return None

    def band_of_answer(self, answer: Answer) -> str:
        """The load at an answer's own time, read as that of a rating of it would be."""
        return self.reference.band(self.instances(answer.agent_type, answer.tenant, answer.at))

    @cached_property
    def audits(self) -> list[Audit]:
        rows = [row for row in self.extracts.audits if row["timestamp"] < self.as_of]
        return sorted((self._audit(row) for row in rows), key=_at)

    def _audit(self, row: Record) -> Audit:
        score = row["toxicity_score"]
        guessed = score is not None and score >= Decimal("0.5")
        invocation = row["invocation_id"]
        attempts = self.answers_of.get(invocation or "", [])
        request = self._first_requests.get(invocation or "")
        publisher = attempts[-1].publisher if attempts else None
        if publisher is None and request is not None:
            publisher = request["publisher_id"]
        return Audit(
            at=row["timestamp"],
            tenant=row["tenant_id"],
            publisher=publisher or self.agent_publisher(row["agent_id"], row["timestamp"]),
            agent=row["agent_id"],
            agent_type=self.agent_type(row["agent_id"], row["timestamp"]),
            message=("audit", row["audit_id"])
            if invocation is None
            else ("invocation", invocation),
            is_toxic=guessed if row["is_toxic"] is None else row["is_toxic"],
            redactions=row["pii_redactions"],
        )

    @cached_property
    def charges(self) -> list[Charge]:
        rows = [row for row in self.extracts.charges if row["charged_at"] < self.as_of]
        return sorted((self._charge(row) for row in rows), key=_at)

    def _charge(self, row: Record) -> Charge:
        day = row["charged_at"].date()
        fee = row["platform_fee"] or Decimal(0)
        return Charge(
            at=row["charged_at"],
            tenant=row["tenant_id"],
            publisher=row["publisher_id"],
            agent=row["agent_id"],
            is_refund=row["kind"] == "refund",
            usd=self.reference.to_usd(row["amount"], row["currency"], day),
            fee_usd=self.reference.to_usd(fee, row["currency"], day),
        )

    @cached_property
    def installs(self) -> list[Install]:
        return [
            Install(
                at=event["timestamp"],
                tenant=event["tenant_id"],
                publisher=event["publisher_id"],
                agent=event["agent_id"],
                is_install=event["event_type"] == "install",
                id=event["id"],
            )
            for event in self._events("install", "uninstall")
        ]

    @cached_property
    def conversations(self) -> list[Conversation]:
        rows = [row for row in self.extracts.conversations if row["created_at"] < self.as_of]
        return sorted((self._conversation(row) for row in rows), key=_at)

    def _conversation(self, row: Record) -> Conversation:
        return Conversation(
            at=row["created_at"],
            tenant=row["tenant_id"],
            publisher=self.agent_publisher(row["agent_id"], row["created_at"]),
            agent=row["agent_id"],
            status=row["status"],
            escalated=row["escalated"],
            satisfaction=row["satisfaction_score"],
            human_cost=self._human_cost(row["tenant_id"], row["created_at"]),
        )

    def _human_cost(self, tenant: str, at: datetime) -> Decimal:
        """The tenant's value when the conversation began, else its use case's (D-23)."""
        held = [
            state for state in self.extracts.tenants.get(tenant, []) if state["updated_at"] <= at
        ]
        if not held:
            return self.reference.human_costs["unset"]
        own: Decimal | None = held[-1]["cost_per_human_interaction_usd"]
        return (
            own if own is not None else self.reference.human_costs[held[-1]["use_case"] or "unset"]
        )

    @cached_property
    def _task_rows(self) -> list[Record]:
        return [
            row
            for row in self.extracts.tasks
            if (row["ended_at"] or row["updated_at"]) < self.as_of
        ]

    @cached_property
    def tasks(self) -> list[Task]:
        return [self._task(row) for row in self._task_rows]

    def _task(self, row: Record) -> Task:
        last_word = row["ended_at"] or row["updated_at"]
        is_over = row["status"] in ("completed", "failed")
        return Task(
            id=row["task_id"],
            tenant=row["tenant_id"],
            publisher=self.agent_publisher(row["agent_id"], last_word),
            agent=row["agent_id"],
            agent_type=self.agent_type(row["agent_id"], last_word),
            status=row["status"],
            created=row["created_at"],
            started=row["started_at"],
            ended=last_word if is_over else None,
            last_word=last_word,
            steps=row["steps"],
            api_calls=row["api_calls"],
            attempts=row["attempts"],
            model=row["model"],
        )


class _Timed(Protocol):
    @property
    def at(self) -> datetime: ...


def _at(row: _Timed) -> datetime:
    return row.at


def _by_time(event: Record) -> tuple[datetime, str]:
    return event["timestamp"], event["id"]


def _own(price: Decimal | None, otherwise: Decimal) -> Decimal:
    return otherwise if price is None else price


def _says_something(record: Usage) -> bool:
    known = (record.model, record.input_tokens, record.output_tokens, record.recorded)
    return any(value is not None for value in known)


def _wrappers(calls: Iterable[Record]) -> set[int]:
    """Calls above another call that carries usage: they repeat it (D-53)."""
    spans = {call["span_id"]: call for call in calls if call["span_id"] is not None}
    wrapping: set[int] = set()
    for call in calls:
        if not _carries_usage(call):
            continue
        above, passed = spans.get(call["parent_span_id"]), {id(call)}
        while above is not None and id(above) not in passed:
            passed.add(id(above))
            above = spans.get(above["parent_span_id"])
        wrapping |= passed - {id(call)}
    return wrapping


def _carries_usage(call: Record) -> bool:
    fields = ("input_tokens", "output_tokens", "cost_usd")
    return any(call[name] is not None for name in fields)


def _cut(messages: list[Answer | Request]) -> list[Session]:
    ordered = sorted(messages, key=lambda message: message.at)
    runs: list[list[Answer | Request]] = []
    for message in ordered:
        if runs and message.at - runs[-1][-1].at <= SESSION_GAP:
            runs[-1].append(message)
        else:
            runs.append([message])
    return [
        Session(
            tenant=run[0].tenant,
            publisher=run[0].publisher,
            agent=run[0].agent,
            at=run[0].at,
            ended=run[-1].at,
            messages=len(run),
        )
        for run in runs
    ]
