"""Alerts: every rule looked at minute by minute, or as each local day ends, and what follows from that.

Belongs here: states of rules over time, and alerts from them. Does not belong here: which rules there are
(reference data and the stream alert_rules) and texts.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any, Protocol, TypeVar

from tests.golden.oracle.facts import Facts
from tests.golden.oracle.numbers import P95, Number, percentile, ratio, rounded
from tests.golden.oracle.windows import Document, Scope, Window, instant

_MINUTE, _DAY = timedelta(minutes=1), timedelta(days=1)
_HISTORY = timedelta(days=100)
_NO_DATA_ENDS_AFTER = timedelta(hours=24)
_Item = TypeVar("_Item")
_FOREVER = datetime(9999, 12, 31, tzinfo=UTC)
_COMPARE: Mapping[str, Callable[[Number, Number], bool]] = {
    ">": lambda value, limit: value > limit,
    "<": lambda value, limit: value < limit,
}


class _Timed(Protocol):
    @property
    def at(self) -> datetime: ...


@dataclass(frozen=True, kw_only=True)
class Span:
    """A rule with the numbers that hold for a scope from one moment to another."""

    rule: Mapping[str, str]
    limit: Decimal
    minutes: int
    least: int
    is_active: bool
    valid_from: datetime
    valid_to: datetime


@dataclass(frozen=True, kw_only=True)
class Look:
    """What a rule was seen to be at a moment, over the time since ``start``."""

    at: datetime
    start: datetime
    state: str
    value: Number | None
    sample: int
    limit: Decimal


def alerts(facts: Facts, scope: Scope, window: Window) -> Document:
    """The alerts that stood in the window, as they were known at its end."""
    found = [
        _shown(rule, alert, window)
        for rule in facts.reference.alert_rules
        for alert in _alerts_of(facts, scope, rule)
        if alert.fired.at < window.end and (alert.ended is None or alert.ended > window.start)
    ]
    if scope.agent is not None:
        found = []
    return {"alerts": sorted(found, key=lambda alert: (alert["fired_at"], alert["rule_id"]))}


@dataclass(frozen=True, kw_only=True)
class _Alert:
    fired: Look
    ended: datetime | None
    state: str


def _shown(rule: Mapping[str, str], alert: _Alert, window: Window) -> dict[str, Any]:
    is_over = alert.ended is not None and alert.ended <= window.end
    return {
        "rule_id": rule["rule_id"],
        "severity": rule["severity"],
        "metric": rule["metric"],
        "comparison": rule["comparison"],
        "threshold": rounded(alert.fired.limit, 6),
        "value": rounded(alert.fired.value, 6),
        "sample_size": alert.fired.sample,
        "observed_from": _text(alert.fired.start),
        "fired_at": _text(alert.fired.at),
        "ended_at": _text(alert.ended) if is_over and alert.ended else None,
        "state": alert.state if is_over or alert.ended is None else "firing",
    }


def _text(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _alerts_of(facts: Facts, scope: Scope, rule: Mapping[str, str]) -> Iterator[_Alert]:
    spans = _spans(facts, scope, rule)
    looks = _changes(look for span in spans for look in _looks(facts, scope, span))
    fired: Look | None = None
    for look, following in _with_next(looks):
        if look.state == "firing" and fired is None:
            fired = look
        elif look.state in ("ok", "inactive") and fired is not None:
            state = "resolved" if look.state == "ok" else "switched_off"
            yield _Alert(fired=fired, ended=look.at, state=state)
            fired = None
        elif look.state == "no_data" and fired is not None:
            limit = look.at + _NO_DATA_ENDS_AFTER
            if limit <= facts.as_of and (following is None or following.at > limit):
                yield _Alert(fired=fired, ended=limit, state="unmeasured")
                fired = None
    if fired is not None:
        yield _Alert(fired=fired, ended=None, state=looks[-1].state)


def _with_next(items: Sequence[_Item]) -> Iterator[tuple[_Item, _Item | None]]:
    for number, item in enumerate(items, start=1):
        yield item, items[number] if number < len(items) else None


def _changes(looks: Iterator[Look]) -> list[Look]:
    changed: list[Look] = []
    for look in looks:
        if not changed or look.state != changed[-1].state:
            changed.append(look)
    return changed


def _spans(facts: Facts, scope: Scope, rule: Mapping[str, str]) -> list[Span]:
    """The default until a scope first says otherwise, then each of its states until the next."""
    states = facts.extracts.alert_rules.get(
        (rule["rule_id"], scope.kind, scope.id or scope.kind), []
    )
    first = states[0]["updated_at"] if states else _FOREVER
    spans = []
    if scope.kind in rule["scope_kinds"].split("|"):
        spans.append(_span(rule, {}, datetime(1900, 1, 1, tzinfo=UTC), first))
    for state, following in _with_next(states):
        end = _FOREVER if following is None else following["updated_at"]
        spans.append(_span(rule, state, state["updated_at"], end))
    return spans


def _span(rule: Mapping[str, str], own: Mapping[str, Any], start: datetime, end: datetime) -> Span:
    def number(name: str) -> Decimal:
        return Decimal(rule[name]) if own.get(name) is None else Decimal(own[name])

    return Span(
        rule=rule,
        limit=number("threshold"),
        minutes=int(number("window_minutes")),
        least=int(number("min_samples")),
        is_active=own.get("is_active") is not False,
        valid_from=start,
        valid_to=end,
    )


def _looks(facts: Facts, scope: Scope, span: Span) -> Iterator[Look]:
    today = facts.as_of.astimezone(UTC).date()
    oldest = datetime.combine(today, datetime.min.time(), UTC) - _HISTORY
    start = max(span.valid_from, oldest)
    if not span.is_active:
        if span.valid_from >= oldest:
            at = span.valid_from
            yield Look(at=at, start=at, state="inactive", value=None, sample=0, limit=span.limit)
        return
    until = min(span.valid_to - timedelta(seconds=1), facts.as_of)
    measure = _MEASURES[span.rule["metric"]](facts, scope)
    match span.rule["evaluation"]:
        case "trailing":
            windows = _trailing(measure, span, start, until)
        case "closed_day":
            windows = _closed_days(span, start, until, zone=_zone(facts, scope))
        case _:
            windows = _days_so_far(measure, start, until, zone=_zone(facts, scope))
    for at, since, before in windows:
        value, sample = measure.between(since, before)
        yield _look(span, at=at, start=since, value=value, sample=sample)


def _look(span: Span, *, at: datetime, start: datetime, value: Number | None, sample: int) -> Look:
    if sample < span.least or value is None:
        state = "no_data"
    else:
        fires = _COMPARE[span.rule["comparison"]](value, span.limit)
        state = "firing" if fires else "ok"
    return Look(at=at, start=start, state=state, value=value, sample=sample, limit=span.limit)


_Windows = Iterator[tuple[datetime, datetime, datetime]]


def _trailing(measure: _Measure, span: Span, start: datetime, until: datetime) -> _Windows:
    """At the start and at every minute, over the whole minutes that ended by then."""
    length = span.minutes * _MINUTE
    yield start, _floor(start) - length, _floor(start)
    at = _floor(start) + _MINUTE
    if measure.first is None or measure.last is None:
        return
    at = max(at, _floor(measure.first))
    data_end = _floor(measure.last) + _MINUTE
    while at <= until:
        if at <= data_end or measure.between(at - length, at)[1] == 0:
            yield at, at - length, at
        at += _MINUTE


def _closed_days(span: Span, start: datetime, until: datetime, *, zone: str) -> _Windows:
    """At the start and at every local midnight, over the whole local days before it."""
    days = span.minutes // 1440
    day = Window(first=date.min, after=date.max, zone=zone, as_of=until).day_of(start)
    yield start, instant(day - days * _DAY, zone), instant(day, zone)
    while (end := instant(day + _DAY, zone)) <= until:
        day += _DAY
        yield end, instant(day - days * _DAY, zone), end


def _days_so_far(measure: _Measure, start: datetime, until: datetime, *, zone: str) -> _Windows:
    """At the start, at midnight and at every minute with usage, since local midnight."""
    clock = Window(first=date.min, after=date.max, zone=zone, as_of=until)
    looks = {start: clock.day_of(start)}
    for row_at in measure.times:
        day = clock.day_of(row_at)
        end = instant(day + _DAY, zone)
        looks[min(_floor(row_at) + _MINUTE, end - timedelta(seconds=1))] = day
        looks.setdefault(end, day + _DAY)
    for at, day in sorted(looks.items()):
        if start <= at <= until:
            is_last_minute = _floor(at) != at and at != start
            before = instant(day + _DAY, zone) if is_last_minute else _floor(at)
            yield at, instant(day, zone), before


def _floor(at: datetime) -> datetime:
    return at.replace(second=0, microsecond=0)


def _zone(facts: Facts, scope: Scope) -> str:
    if scope.kind != "tenant" or scope.id is None:
        return "UTC"
    states = facts.extracts.tenants.get(scope.id)
    return (states[-1]["timezone"] if states else None) or "UTC"


class _Measure:
    """Rows of a scope by time, and a figure over those of any span with its sample.

    ``first`` and ``last`` are of the rows of everybody: an extract that ends, ends for all.
    """

    def __init__(
        self,
        facts: Facts,
        scope: Scope,
        everybody: Sequence[Any],
        figure: Callable[[Sequence[Any]], tuple[Number | None, int]],
    ) -> None:
        known = sorted((row for row in everybody if row.at < facts.as_of), key=_at)
        self._rows = [row for row in known if scope.owns(row)]
        self._figure = figure
        self.times = [row.at for row in self._rows]
        self.first = known[0].at if known else None
        self.last = known[-1].at if known else None

    def between(self, start: datetime, end: datetime) -> tuple[Number | None, int]:
        first, after = bisect_left(self.times, start), bisect_left(self.times, end)
        return self._figure(self._rows[first:after])


def _at(row: _Timed) -> datetime:
    return row.at


def _error_rate(rows: Sequence[Any]) -> tuple[Number | None, int]:
    return ratio(sum(row.is_errored for row in rows), len(rows)), len(rows)


def _p95(rows: Sequence[Any]) -> tuple[Number | None, int]:
    durations = [row.duration_ms for row in rows if row.duration_ms is not None]
    return percentile(durations, P95), len(durations)


def _users(rows: Sequence[Any]) -> tuple[Number | None, int]:
    return len({row.user for row in rows if row.user is not None}), len(rows)


def _cost(rows: Sequence[Any]) -> tuple[Number | None, int]:
    return sum((Fraction(row.cost) for row in rows if row.cost is not None), Fraction(0)), len(rows)


class _ToxicRate(_Measure):
    """Toxic messages by their audits, over answers."""

    def __init__(self, facts: Facts, scope: Scope) -> None:
        super().__init__(facts, scope, facts.audits, lambda rows: (None, len(rows)))
        self._answers = _Measure(facts, scope, facts.answers, lambda rows: (None, len(rows)))
        self._audits = _Measure(
            facts,
            scope,
            facts.audits,
            lambda rows: (len({(row.tenant, row.message) for row in rows if row.is_toxic}), 0),
        )

    def between(self, start: datetime, end: datetime) -> tuple[Number | None, int]:
        answers = self._answers.between(start, end)[1]
        return ratio(self._audits.between(start, end)[0], answers), answers


_MEASURES: Mapping[str, Callable[[Facts, Scope], _Measure]] = {
    "message_error_rate": lambda facts, scope: _Measure(facts, scope, facts.answers, _error_rate),
    "p95_response_time_ms": lambda facts, scope: _Measure(facts, scope, facts.answers, _p95),
    "active_users": lambda facts, scope: _Measure(facts, scope, facts.requests, _users),
    "cost_usd": lambda facts, scope: _Measure(facts, scope, facts.usage, _cost),
    "toxic_rate": _ToxicRate,
}
