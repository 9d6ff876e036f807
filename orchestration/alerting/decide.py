"""Who is to be told what: alerts as they stand against what was told before. Pure.

Each alert is told once as it fires and once as it ends. Not told are: alerts of the past (their moment lies
before what an earlier run knew, or too long ago), those within the cool-down of the last one told, and those
of a muted rule. An alert that goes on firing is told as soon as none of this holds any more.

Belongs here: these decisions. Does not belong here: what fires (dbt_project/models/alerts), where memory is
kept (memory), and channels (delivery/).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum


class News(StrEnum):
    """What became of an alert."""

    FIRING = "firing"
    RESOLVED = "resolved"
    UNMEASURED = "unmeasured"


class Held(StrEnum):
    """Why an alert is not told."""

    PAST = "past"
    COOLING_DOWN = "cooling down"
    MUTED = "muted"


@dataclass(frozen=True, kw_only=True)
class Alert:
    """One alert. ``ended_at`` is None while it stands; ``is_firing`` is whether it is measured to."""

    alert_id: str
    subject_key: str
    rule_id: str
    scope: str
    source_name: str | None
    subject_kind: str
    subject_id: str
    severity: str
    title: str
    description: str
    recommendation: str
    metric: str
    comparison: str
    threshold: Decimal | None
    value: Decimal | None
    sample_size: int
    fired_at: datetime
    ended_at: datetime | None
    state: str
    channels: tuple[str, ...]
    cooldown: timedelta
    notify_on: tuple[str, ...]
    muted_until: datetime | None

    @property
    def is_firing(self) -> bool:
        return self.state == "firing"


@dataclass(frozen=True, kw_only=True)
class Watch:
    """A rule on a scope: until when its data reach (None without any), and its mute now."""

    subject_key: str
    known_until: datetime | None
    muted_until: datetime | None


@dataclass(frozen=True, kw_only=True)
class Told:
    """The alert that was last told as firing and not yet as over."""

    rule_id: str
    fired_at: datetime
    title: str
    severity: str
    channels: tuple[str, ...]
    tells_end: bool


@dataclass(frozen=True, kw_only=True)
class Memory:
    """What earlier runs knew and told of one subject.

    ``told_at`` is the moment of the data up to which the last firing was told.
    """

    known_until: datetime
    told_at: datetime | None = None
    standing: Told | None = None


@dataclass(frozen=True, kw_only=True)
class Message:
    """One thing to tell. ``alert`` is None when late data took the alert back."""

    subject_key: str
    news: News
    transition_at: datetime
    told: Told
    alert: Alert | None


@dataclass(frozen=True, kw_only=True)
class Decisions:
    """What to tell now, what is held and why, and what to remember."""

    messages: tuple[Message, ...]
    held: tuple[tuple[Alert, Held], ...]
    memories: Mapping[str, Memory]


def decide(
    alerts: Iterable[Alert],
    *,
    watches: Sequence[Watch],
    memories: Mapping[str, Memory],
    as_of: datetime,
    lookback: timedelta,
) -> Decisions:
    """Compare the alerts of every subject with what was told of it.

    A subject that no run knew before has no past to tell: of it, only what fires now is told. One whose data
    reach less far than before (an older state was taken back) is left alone.
    """
    by_subject: dict[str, list[Alert]] = {watch.subject_key: [] for watch in watches}
    for alert in sorted(alerts, key=lambda one: one.fired_at):
        by_subject[alert.subject_key].append(alert)
    messages: list[Message] = []
    held: list[tuple[Alert, Held]] = []
    kept: dict[str, Memory] = {}
    for watch in watches:
        memory = memories.get(watch.subject_key)
        if memory and watch.known_until and watch.known_until < memory.known_until:
            continue
        subject = _Subject(watch=watch, memory=memory, as_of=as_of, lookback=lookback)
        subject.follow(by_subject[watch.subject_key])
        messages += subject.messages
        held += subject.held
        kept[watch.subject_key] = subject.remembered()
    return Decisions(messages=tuple(messages), held=tuple(held), memories=kept)


class _Subject:
    """The alerts of one subject, in the order in which they fired."""

    def __init__(
        self, *, watch: Watch, memory: Memory | None, as_of: datetime, lookback: timedelta
    ) -> None:
        self.messages: list[Message] = []
        self.held: list[tuple[Alert, Held]] = []
        self._watch = watch
        self._before = memory.known_until if memory else None
        self._told_at = memory.told_at if memory else None
        self._standing = memory.standing if memory else None
        self._as_of = as_of
        self._oldest = as_of - lookback

    def follow(self, alerts: Sequence[Alert]) -> None:
        waiting = list(alerts)
        if self._standing is not None:
            same = next((one for one in waiting if self._is_the_one_told(one)), None)
            if same is None:
                self._take_back(self._standing)
            else:
                waiting = waiting[waiting.index(same) + 1 :]
                self._tell_end(same)
        for alert in waiting:
            reason = self._reason_to_hold(alert)
            if reason is not None:
                if reason is not Held.PAST:
                    self.held.append((alert, reason))
                continue
            if News.FIRING in alert.notify_on:
                self._tell(_told(alert), News.FIRING, at=alert.fired_at, alert=alert)
            self._told_at = self._moment(alert)
            self._standing = _told(alert)
            self._tell_end(alert)

    def remembered(self) -> Memory:
        return Memory(
            known_until=self._watch.known_until or self._before or self._as_of,
            told_at=self._told_at,
            standing=self._standing,
        )

    def _is_the_one_told(self, alert: Alert) -> bool:
        """Late data may move the moment it fired; what began after all that was known is another."""
        assert self._standing is not None
        is_over = alert.ended_at is not None and alert.ended_at <= self._standing.fired_at
        known = self._before or self._standing.fired_at
        return not is_over and alert.fired_at <= max(known, self._standing.fired_at)

    def _reason_to_hold(self, alert: Alert) -> Held | None:
        if not self._is_news(alert):
            return Held.PAST
        moment = self._moment(alert)
        mute = self._watch.muted_until if alert.ended_at is None else alert.muted_until
        if mute is not None and mute > (self._as_of if alert.ended_at is None else alert.fired_at):
            return Held.MUTED
        if self._told_at is not None and moment < self._told_at + alert.cooldown:
            return Held.COOLING_DOWN
        return None

    def _is_news(self, alert: Alert) -> bool:
        if self._before is None:
            return alert.is_firing
        if alert.fired_at > self._before and alert.fired_at >= self._oldest:
            return True
        known = self._watch.known_until
        return alert.is_firing and known is not None and known > self._before

    def _moment(self, alert: Alert) -> datetime:
        """When it would be told: as it fired, or while it goes on, as far as it is known to."""
        if alert.ended_at is not None or self._watch.known_until is None:
            return alert.fired_at
        return max(alert.fired_at, self._watch.known_until)

    def _tell_end(self, alert: Alert) -> None:
        """Tell that the alert that was told is over."""
        if alert.ended_at is None:
            return
        is_measured = alert.state != News.UNMEASURED
        news = News.RESOLVED if is_measured else News.UNMEASURED
        self._close(_told(alert), news, at=alert.ended_at, alert=alert)

    def _take_back(self, told: Told) -> None:
        """Data that came late say that it never stood."""
        self._close(told, News.RESOLVED, at=told.fired_at, alert=None)

    def _close(self, told: Told, news: News, *, at: datetime, alert: Alert | None) -> None:
        """The standing alert stands no more; while its rule is muted, that waits."""
        mute = self._watch.muted_until
        if told.tells_end:
            if mute is not None and mute > self._as_of:
                return
            self._tell(told, news, at=at, alert=alert)
        self._standing = None

    def _tell(self, told: Told, news: News, *, at: datetime, alert: Alert | None) -> None:
        self.messages.append(
            Message(
                subject_key=self._watch.subject_key,
                news=news,
                transition_at=at,
                told=told,
                alert=alert,
            )
        )


def _told(alert: Alert) -> Told:
    return Told(
        rule_id=alert.rule_id,
        fired_at=alert.fired_at,
        title=alert.title,
        severity=alert.severity,
        channels=alert.channels,
        tells_end=News.RESOLVED in alert.notify_on,
    )
