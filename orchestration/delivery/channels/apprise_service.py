"""SMS and the many services that Apprise knows, each by one URL.

The library comes with the extra ``channels`` and is imported when such a channel is first used.
Belongs here: calling it, and reading from what it logs how far a notification came, because it
itself only says yes or no. Does not belong here: the services.
"""

from __future__ import annotations

import importlib
import logging
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from types import ModuleType

from orchestration.delivery.channels.sender import Attempt, Fate, Sender, headline
from orchestration.delivery.notifications import Notification, NotificationStatus, Severity

_EXTRA = "channels"
_MOST_TITLE = 250
_ANSWERED = re.compile(r"\berror=(\d+)")
# What urllib3 says of connections that never stood: nothing was sent.
_NEVER_CONNECTED = re.compile(
    r"Failed to establish a new connection|Failed to resolve|ConnectTimeoutError"
)
_DELIVERED_TO_ONE = re.compile(r"^Sent\b", re.IGNORECASE)


class AppriseSender(Sender):
    """Tells through one URL of Apprise; nobody drops repetitions there."""

    def __init__(self, url: str, *, variable: str) -> None:
        self._url = url
        self._variable = variable

    def send(self, notification: Notification, *, sent_at: datetime) -> Attempt:
        del sent_at
        try:
            apprise = importlib.import_module("apprise")
        except ImportError as error:
            return Attempt(
                fate=Fate.NOT_ACCEPTED,
                reason=f"{error.name} is not installed; install agentmart[{_EXTRA}]",
            )
        asset = apprise.AppriseAsset(app_id="agentmart", async_mode=False, http_redirects=False)
        with _heard(apprise.LOGGER_NAME) as lines:
            service = apprise.Apprise(asset=asset)
            if not service.add(self._url):
                reason = f"{self._variable} is not a URL that Apprise knows; correct it"
                return Attempt(fate=Fate.REFUSED, reason=reason)
            is_sent = service.notify(
                title=headline(notification, most=_MOST_TITLE),
                body=notification.body or notification.title,
                notify_type=_type(apprise, notification),
                body_format=apprise.NotifyFormat.TEXT,
            )
        return Attempt(fate=Fate.ACCEPTED) if is_sent else _failure(lines)


def _type(apprise: ModuleType, notification: Notification) -> object:
    if notification.status is NotificationStatus.RESOLVED:
        return apprise.NotifyType.SUCCESS
    return {
        Severity.CRITICAL: apprise.NotifyType.FAILURE,
        Severity.WARNING: apprise.NotifyType.WARNING,
        Severity.INFO: apprise.NotifyType.INFO,
    }[notification.severity]


def _failure(lines: Sequence[str]) -> Attempt:
    """How far it came; what was logged is not repeated, for it may hold numbers of people."""
    text = "\n".join(lines)
    if any(_DELIVERED_TO_ONE.search(line) for line in lines):
        reason = "it arrived at some of the receivers of the URL and not at others"
        return Attempt(fate=Fate.UNKNOWN, reason=reason)
    answered = _ANSWERED.search(text)
    if answered is not None:
        code = int(answered.group(1))
        may_succeed_later = code in (408, 429) or 500 <= code <= 599
        return Attempt(
            fate=Fate.NOT_ACCEPTED if may_succeed_later else Fate.REFUSED,
            reason=f"the service answered with error {code}",
        )
    if _NEVER_CONNECTED.search(text):
        return Attempt(fate=Fate.NOT_ACCEPTED, reason="the service cannot be reached")
    return Attempt(
        fate=Fate.UNKNOWN,
        reason="the service never confirmed it, so it may or may not have arrived",
    )


@contextmanager
def _heard(name: str) -> Iterator[list[str]]:
    """What a logger says meanwhile, down to details that hold secrets and so go nowhere else."""
    lines: list[str] = []

    class _Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(record.getMessage())

    logger, listener = logging.getLogger(name), _Listener()
    level, propagates, others = logger.level, logger.propagate, logger.handlers
    logger.handlers, logger.propagate = [listener], False
    logger.setLevel(logging.DEBUG)
    try:
        yield lines
    finally:
        logger.handlers, logger.propagate = others, propagates
        logger.setLevel(level)
