"""Alerts of one run: rules checked, decisions taken, notifications queued, memory kept.

The queue takes each change once, and memory is written after it: a run that is killed between the two decides
the same again, and queues nothing twice.

Belongs here: that order, and the texts of notifications. Does not belong here: evaluating rules (dbt),
decisions (decide) and sending (delivery/).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from orchestration.alerting.decide import Alert, Decisions, Held, Message, News, decide
from orchestration.alerting.memory import AlertMemory
from orchestration.alerting.published import read_alerts
from orchestration.alerting.rules import check_overrides, find_rule, read_rules
from orchestration.delivery.notifications import (
    NewNotification,
    Notification,
    NotificationKind,
    Notifications,
    NotificationStatus,
    Severity,
    known_channels,
)
from orchestration.reporting.documents import Json
from orchestration.settings import Settings

_STATUSES: Final[Mapping[News, NotificationStatus]] = {
    News.FIRING: NotificationStatus.FIRING,
    News.RESOLVED: NotificationStatus.RESOLVED,
    News.UNMEASURED: NotificationStatus.NO_DATA,
}


@dataclass(frozen=True, kw_only=True)
class AlertRun:
    """What the alerts of one run came to; ``warnings`` are overrides that change nothing."""

    standing: int
    decisions: Decisions
    queued: int
    warnings: tuple[str, ...]

    def counts(self) -> dict[str, object]:
        """The figures of this run."""
        told = [message.news for message in self.decisions.messages]
        held = [reason for _, reason in self.decisions.held]
        return {
            "standing": self.standing,
            "fired": told.count(News.FIRING),
            "ended": len(told) - told.count(News.FIRING),
            "muted": held.count(Held.MUTED),
            "cooling_down": held.count(Held.COOLING_DOWN),
            "queued": self.queued,
            "warnings": list(self.warnings),
        }


def check_default_rules(settings: Settings) -> None:
    """Look at every default rule.

    Raises:
        UserError: a row has an unknown or senseless value.
    """
    read_rules(known_channels(settings))


def evaluate_alerts(*, settings: Settings, as_of: datetime) -> AlertRun:
    """Queue what is to be told of the alerts in the current publication.

    Raises:
        UserError: a default rule or an override has an unknown or senseless value; nothing is queued.
    """
    channels = known_channels(settings)
    rules = read_rules(channels)
    memory = AlertMemory(settings.state_file)
    memories = memory.read()
    told = [one.standing.fired_at for one in memories.values() if one.standing is not None]
    published = read_alerts(settings, as_of=as_of, standing_since=min(told, default=None))
    if published is None:
        nothing = Decisions(messages=(), held=(), memories={})
        return AlertRun(standing=0, decisions=nothing, queued=0, warnings=())
    warnings = check_overrides(published.overrides, rules=rules, channels=channels)
    decisions = decide(
        published.alerts,
        watches=published.watches,
        memories=memories,
        as_of=as_of,
        lookback=published.lookback,
    )
    notices = [notice for message in decisions.messages for notice in notices_of(message)]
    queued = Notifications(settings.state_file).queue(notices, as_of=as_of) if notices else []
    memory.write(decisions.memories)
    return AlertRun(
        standing=sum(alert.ended_at is None for alert in published.alerts),
        decisions=decisions,
        queued=len(queued),
        warnings=tuple(warnings),
    )


def queue_test(rule_id: str, *, settings: Settings, as_of: datetime) -> list[Notification]:
    """Queue a notification through each channel of a rule that says it is a test.

    Raises:
        UserError: there is no such rule, or a default rule has an unknown value.
    """
    rule = find_rule(read_rules(known_channels(settings)), rule_id)
    notices = [
        NewNotification(
            kind=NotificationKind.TEST,
            subject_key=f"test of {rule.rule_id}",
            transition_at=as_of,
            channel=channel,
            severity=Severity.INFO,
            status=NotificationStatus.INFO,
            title=f"[TEST] Alert rule {rule.rule_id}",
            body=(
                f"This is a test of the alert rule {rule.rule_id} through {channel}. Nothing fired:"
                f" it would when {rule.metric} {rule.comparison} {rule.threshold.normalize():f}."
            ),
            payload={
                "is_test": True,
                "rule": rule.rule_id,
                "metric": rule.metric,
                "comparison": rule.comparison,
                "threshold": rule.threshold,
                "severity": rule.severity,
            },
        )
        for channel in rule.channels
    ]
    return Notifications(settings.state_file).queue(notices, as_of=as_of)


def notices_of(message: Message) -> Iterator[NewNotification]:
    """One notification per channel of the rule."""
    for channel in message.told.channels:
        yield NewNotification(
            kind=NotificationKind.ALERT,
            subject_key=message.subject_key,
            transition_at=message.transition_at,
            channel=channel,
            severity=Severity(message.told.severity),
            status=_STATUSES[message.news],
            title=message.told.title,
            body=_body(message),
            payload=_payload(message),
        )


def _body(message: Message) -> str:
    alert, since = message.alert, f"{message.told.fired_at:%Y-%m-%d %H:%M} UTC"
    if alert is None:
        return f"Data that came late show that what fired at {since} did not stand."
    if message.news is News.FIRING:
        is_over = "" if alert.ended_at is None else f" It ended at {alert.ended_at:%H:%M} UTC."
        return f"{alert.description}{is_over}\n{alert.recommendation}"
    until = f"{message.transition_at:%Y-%m-%d %H:%M} UTC"
    if message.news is News.UNMEASURED:
        return (
            f"It fired at {since}. Since then too little was measured to say whether it goes on"
            f" ({until})."
        )
    if alert.state == "switched_off":
        return f"It fired at {since}. Its rule was switched off at {until}."
    return f"It fired at {since} and ended at {until}.\n{alert.description}"


def _payload(message: Message) -> dict[str, Json]:
    alert = message.alert
    if alert is None:
        return {"rule": message.told.rule_id, "fired_at": message.told.fired_at}
    return {
        "alert_id": alert.alert_id,
        "rule": alert.rule_id,
        "scope": alert.scope,
        "source": alert.source_name,
        "subject_kind": alert.subject_kind,
        "subject_id": alert.subject_id,
        **_measured(alert),
        "fired_at": alert.fired_at,
        "ended_at": alert.ended_at,
    }


def _measured(alert: Alert) -> dict[str, Json]:
    return {
        "metric": alert.metric,
        "comparison": alert.comparison,
        "threshold": alert.threshold,
        "value": alert.value,
        "sample_size": alert.sample_size,
    }
