"""Notifications to queue in tests, and reading where they stand."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from orchestration.delivery.notifications import (
    NewNotification,
    Notification,
    NotificationKind,
    Notifications,
    NotificationStatus,
    Severity,
)
from orchestration.delivery.outbox import MessageState
from orchestration.settings import Settings

AS_OF = datetime(2026, 3, 2, 6, tzinfo=UTC)
FIRING = NewNotification(
    kind=NotificationKind.ALERT,
    subject_key="daily_cost|platform|",
    transition_at=datetime(2026, 3, 1, 17, 42, tzinfo=UTC),
    channel="slack",
    severity=Severity.CRITICAL,
    status=NotificationStatus.FIRING,
    title="Daily cost over 50 USD",
    body="The platform spent 51.20 USD today & <counting>.",
    payload={"rule": "daily_cost", "value": 51},
)


def queue(settings: Settings, *channels: str, **changes: Any) -> list[Notification]:
    """Queue the firing alert, changed as asked, for each channel."""
    new = [replace(FIRING, channel=channel, **changes) for channel in channels]
    return Notifications(settings.state_file).queue(new, as_of=AS_OF)


def states(settings: Settings) -> dict[str, MessageState]:
    """Each channel, with its target if it has one, and where its notification stands."""
    return {
        f"{one.channel} {one.target}".strip(): one.state
        for one in Notifications(settings.state_file).rows()
    }


def only(settings: Settings) -> Notification:
    """The one row there is."""
    (row,) = Notifications(settings.state_file).rows()
    return row
