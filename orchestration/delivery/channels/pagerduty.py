"""PagerDuty's Events API v2: trigger and resolve, joined by the subject.

Belongs here: the event. Does not belong here: posting it (http).
"""

from __future__ import annotations

import hashlib
from datetime import datetime

from orchestration.delivery.channels.http import HttpClient
from orchestration.delivery.channels.sender import Attempt, Sender, headline
from orchestration.delivery.notifications import Notification, NotificationStatus
from orchestration.reporting.documents import Json, to_json

_MOST_SUMMARY = 1_024


class PagerDutySender(Sender):
    """Posts events for one integration; PagerDuty joins those of one key to one incident."""

    drops_repetitions = True

    def __init__(self, url: str, key: str, *, client: HttpClient) -> None:
        self._url = url
        self._key = key
        self._client = client

    def send(self, notification: Notification, *, sent_at: datetime) -> Attempt:
        content = to_json(pagerduty_event(notification, routing_key=self._key)).encode()
        secrets = (self._url, self._key)
        return self._client.post(self._url, content, sent_at=sent_at, secrets=secrets)


def pagerduty_event(notification: Notification, *, routing_key: str) -> Json:
    """What is over resolves its incident; everything else opens it or adds to it."""
    is_over = notification.status is NotificationStatus.RESOLVED
    return {
        "routing_key": routing_key,
        "event_action": "resolve" if is_over else "trigger",
        "dedup_key": _dedup_key(notification),
        "client": "agentmart",
        "payload": {
            "summary": headline(notification, most=_MOST_SUMMARY),
            "source": "agentmart",
            "severity": notification.severity.value,
            "timestamp": notification.transition_at,
            "class": notification.kind.value,
            "custom_details": {"description": notification.body, **notification.payload},
        },
    }


def _dedup_key(notification: Notification) -> str:
    """The same from firing to resolved; a hash, because subjects may be longer than 255 letters."""
    subject = f"{notification.kind.value}\x1f{notification.subject_key}"
    return f"agentmart-{hashlib.sha256(subject.encode()).hexdigest()}"
