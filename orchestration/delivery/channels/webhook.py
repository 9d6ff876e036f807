"""A JSON webhook signed as Standard Webhooks asks: for dashboards, warehouses and monitoring.

Belongs here: the document and its signature. Does not belong here: posting it (http).

Three headers: ``webhook-id`` stays the same when a notification is sent again, so that the receiver
can drop it; ``webhook-timestamp`` is when it was sent, in seconds; ``webhook-signature`` holds
``v1,`` and the Base64 of HMAC-SHA256 over ``id.timestamp.body``, once per key.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Sequence
from datetime import datetime

from orchestration.delivery.channels.http import HttpClient
from orchestration.delivery.channels.sender import Attempt, Sender
from orchestration.delivery.notifications import Notification, NotificationKind
from orchestration.reporting.documents import Json, to_json


class WebhookSender(Sender):
    """Posts signed documents to one URL, whose receiver drops an id that it has seen."""

    drops_repetitions = True

    def __init__(self, url: str, keys: Sequence[bytes], *, client: HttpClient) -> None:
        self._url = url
        self._keys = tuple(keys)
        self._client = client

    def send(self, notification: Notification, *, sent_at: datetime) -> Attempt:
        content = to_json(webhook_document(notification)).encode()
        identifier, timestamp = notification.idempotency_key, int(sent_at.timestamp())
        signatures = [
            sign(content, key=key, identifier=identifier, timestamp=timestamp) for key in self._keys
        ]
        return self._client.post(
            self._url,
            content,
            sent_at=sent_at,
            headers={
                "webhook-id": identifier,
                "webhook-timestamp": str(timestamp),
                "webhook-signature": " ".join(signatures),
            },
            secrets=(self._url,),
        )


def webhook_document(notification: Notification) -> Json:
    """The day's summary is its dataset's document; everything else stands in one envelope."""
    if notification.kind is NotificationKind.DAILY_SUMMARY:
        return notification.payload
    return {
        "type": f"{notification.kind.value}.{notification.status.value}",
        "timestamp": notification.transition_at,
        "data": {
            "id": notification.idempotency_key,
            "subject_key": notification.subject_key,
            "severity": notification.severity.value,
            "status": notification.status.value,
            "title": notification.title,
            "body": notification.body,
            "details": notification.payload,
        },
    }


def sign(content: bytes, *, key: bytes, identifier: str, timestamp: int) -> str:
    """One signature, as it stands in the header."""
    signed = f"{identifier}.{timestamp}.".encode() + content
    digest = hmac.new(key, signed, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(digest).decode()}"
