"""Messages as files in the outbox folder, for a deployment without a mail server.

Belongs here: writing the files. Does not belong here: the outbox table.
"""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Self

from orchestration.delivery.channels.channel import Channel, Outcome
from orchestration.delivery.outbox import Message, MessageState
from orchestration.reporting.files import edition_slug, scope_slug, write_atomically


class EmlChannel(Channel):
    """Writes each message as an .eml file that any mail program opens."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __enter__(self) -> Self:
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Nothing stays open between files."""

    def send(self, message: Message, content: bytes) -> Outcome:
        report = message.report
        scope = scope_slug(report.scope_kind, report.scope_id, source_name=report.source_name)
        period = edition_slug(report.period)
        name = f"{report.frequency}-{period}-{scope}-{message.idempotency_key[:8]}.eml"
        try:
            write_atomically(self._folder / name, content)
            (self._folder / name).chmod(0o600)
        except OSError as error:
            reason = f"{self._folder / name} cannot be written: {error.strerror or error}"
            return Outcome(state=MessageState.PENDING, reason=reason)
        return Outcome(state=MessageState.WRITTEN)
