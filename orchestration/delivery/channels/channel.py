"""What a way of sending must offer, and how a try to send can end.

Belongs here: the interface and its outcomes. Does not belong here: any protocol.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from orchestration.delivery.outbox import Message, MessageState


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a try ended, as the state the message gets, and why.

    Pending means certainly not accepted, so it may be tried again. Parked means nobody knows
    whether it was accepted, so only a person may send it again.
    """

    state: MessageState
    reason: str | None = None


class Channel(ABC):
    """One way of sending; used in a ``with`` block that opens and closes what it needs."""

    @abstractmethod
    def __enter__(self) -> Self:
        """Get ready to send.

        Raises:
            RunFailure: nothing can be sent at all now; every message keeps waiting.
        """

    @abstractmethod
    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Let go of what was opened."""

    @abstractmethod
    def send(self, message: Message, content: bytes) -> Outcome:
        """Try once to bring one message to its recipient.

        Raises:
            RunFailure: nothing more can be sent now; this message was certainly not accepted.
        """
