"""Notifications as files in the outbox folder, where their channel is not configured.

Belongs here: writing the files. Does not belong here: what a mail or a document says.
"""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path

from orchestration.delivery.channels.notification_mail import notification_mail
from orchestration.delivery.channels.sender import Attempt, Fate, Sender
from orchestration.delivery.channels.webhook import webhook_document
from orchestration.delivery.notifications import Notification
from orchestration.reporting.documents import to_json
from orchestration.reporting.files import write_atomically

_UNSAFE = re.compile(r"[^a-z0-9_]+")


class JsonFileSender(Sender):
    """Writes what a webhook would get; writing a file again changes nothing."""

    drops_repetitions = True

    def __init__(self, folder: Path, *, reason: str) -> None:
        self._folder = folder
        self._reason = reason

    def send(self, notification: Notification, *, sent_at: datetime) -> Attempt:
        del sent_at
        content = to_json(webhook_document(notification)).encode()
        return _written(self._folder, notification, content, suffix="json", reason=self._reason)


class MailFileSender(Sender):
    """Writes each mail as an .eml file, as reports are without a mail server."""

    drops_repetitions = True

    def __init__(self, folder: Path, *, sender: str, reason: str) -> None:
        self._folder = folder
        self._sender = sender
        self._reason = reason

    def send(self, notification: Notification, *, sent_at: datetime) -> Attempt:
        del sent_at
        content = notification_mail(notification, sender=self._sender)
        return _written(self._folder, notification, content, suffix="eml", reason=self._reason)


def _written(
    folder: Path, notification: Notification, content: bytes, *, suffix: str, reason: str
) -> Attempt:
    channel = _UNSAFE.sub("-", notification.channel)[:40]
    kind = notification.kind.value
    path = folder / f"{kind}-{channel}-{notification.notification_id}.{suffix}"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_atomically(path, content)
        path.chmod(0o600)
    except OSError as error:
        problem = f"{path} cannot be written: {error.strerror or error}"
        return Attempt(fate=Fate.NOT_ACCEPTED, reason=problem)
    return Attempt(fate=Fate.WRITTEN, reason=reason)
