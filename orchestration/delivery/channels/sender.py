"""What a way of telling must offer, and how a try to tell can end.

Belongs here: the interface that the senders of notifications share, its outcomes, and the few words
that several of them say. Does not belong here: any protocol, and the channels of reports (channel).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from types import TracebackType
from typing import Self

from orchestration.delivery.notifications import Notification, NotificationStatus

_ELLIPSIS = "…"
_PREFIXES = {
    NotificationStatus.RESOLVED: "Resolved: ",
    NotificationStatus.NO_DATA: "No data: ",
}


class Fate(StrEnum):
    """What is known of a notification after a try.

    Not accepted is certain, so it may be tried again. Unknown means that everything was sent and no
    answer came; only a receiver that drops repetitions may get it again.
    """

    ACCEPTED = "accepted"
    WRITTEN = "written"
    REFUSED = "refused"
    NOT_ACCEPTED = "not accepted"
    UNKNOWN = "unknown"


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """How one try ended; ``retry_after_seconds`` is how long the receiver asked to be left alone."""

    fate: Fate
    reason: str | None = None
    retry_after_seconds: int | None = None


class Sender(ABC):
    """One way of telling; used in a ``with`` block. ``drops_repetitions`` is the receiver's promise."""

    drops_repetitions: bool = False

    def __enter__(self) -> Self:
        """Get ready; a sender that keeps something open overrides both."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Let go of what was opened."""
        del kind, error, trace

    @abstractmethod
    def send(self, notification: Notification, *, sent_at: datetime) -> Attempt:
        """Try once; ``sent_at`` is the moment of the try, which signatures hold."""


def headline(notification: Notification, *, most: int) -> str:
    """The title on one line, with what became of its subject, cut to a length."""
    words = " ".join(notification.title.split())
    return shortened(f"{_PREFIXES.get(notification.status, '')}{words}", most=most)


def standing(notification: Notification) -> str:
    """How bad, how it stands, since when."""
    return (
        f"{notification.severity.value} · {notification.status.value.replace('_', ' ')} ·"
        f" {notification.transition_at:%Y-%m-%d %H:%M} UTC"
    )


def shortened(text: str, *, most: int) -> str:
    """The text, or its beginning where it is longer than the receiver takes."""
    return text if len(text) <= most else text[: most - len(_ELLIPSIS)] + _ELLIPSIS
