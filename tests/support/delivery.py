"""A deployment with reports and messages to send, and a channel that tells what it was asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from orchestration.delivery.channels.channel import Channel, Outcome
from orchestration.delivery.message import write_bodies
from orchestration.delivery.outbox import (
    MadeReport,
    Message,
    MessageState,
    NewMessage,
    Outbox,
    ReportKey,
)
from orchestration.errors import RunFailure
from orchestration.reporting.mail_bodies import ATTACHMENT_MARK, UNSUBSCRIBE_MARK, MailBody
from orchestration.settings import Settings

AS_OF = datetime(2026, 3, 2, 6, tzinfo=UTC)
REPORT = ReportKey(
    scope_kind="tenant",
    source_name="native",
    scope_id="acme",
    frequency="weekly",
    period="2026-W09",
)
BODY = MailBody(
    subject="Acme Weekly Analytics Report: Feb 23 – Mar 1, 2026",
    text=f"Zahlen für Acme\n.a line with a dot\n{ATTACHMENT_MARK}\n{UNSUBSCRIBE_MARK}\n",
    html=f"<p>Zahlen für Acme</p><p>{ATTACHMENT_MARK}</p><p>{UNSUBSCRIBE_MARK}</p>",
)


def made_report(settings: Settings, *, key: ReportKey = REPORT) -> MadeReport:
    """A report whose files exist, recorded as made."""
    folder = settings.reports / key.frequency / key.period / f"{key.scope_kind}-{key.scope_id}"
    folder.mkdir(parents=True, exist_ok=True)
    contents: Mapping[str, tuple[str, bytes]] = {
        "pdf": (f"{key.scope_id}.pdf", b"%PDF-1.7 not a real one\n"),
        "csv": (f"{key.scope_id}.csv", b"section,kind\r\noverview,figure\r\n"),
        "mail": (f"{key.scope_id}.mail.json", write_bodies(BODY).encode()),
    }
    files = {}
    for kind, (name, content) in contents.items():
        (folder / name).write_bytes(content)
        files[kind] = (folder / name).relative_to(settings.reports).as_posix()
    report = MadeReport(key=key, as_of=AS_OF, files=files)
    Outbox(settings.state_file).record_reports([report], as_of=AS_OF)
    return report


def queue(
    settings: Settings, *recipients: str, formats: Sequence[str] = ("pdf", "csv")
) -> list[Message]:
    """Queue the report for recipients."""
    return Outbox(settings.state_file).queue(
        [
            NewMessage(report=REPORT, subscription_id="s1", recipient=one, formats=tuple(formats))
            for one in recipients
        ],
        as_of=AS_OF,
    )


def states(settings: Settings) -> dict[str, MessageState]:
    """Each recipient and where its message stands."""
    return {one.recipient: one.state for one in Outbox(settings.state_file).messages()}


@dataclass
class FakeChannel(Channel):
    """Ends every try as ``outcome`` says; ``seen`` holds what it was given."""

    outcome: Callable[[Message], Outcome | RunFailure] = lambda _: Outcome(state=MessageState.SENT)
    refusal: RunFailure | None = None
    seen: list[tuple[str, bytes]] = field(default_factory=list)
    on_send: Callable[[Message], object] = lambda _: None

    def __enter__(self) -> Self:
        if self.refusal is not None:
            raise self.refusal
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        del kind, error, trace

    def send(self, message: Message, content: bytes) -> Outcome:
        self.on_send(message)
        self.seen.append((message.recipient, content))
        result = self.outcome(message)
        if isinstance(result, RunFailure):
            raise result
        return result


def deployment(home: Path) -> Settings:
    """A deployment with one report and nothing queued."""
    settings = Settings(home=home)
    made_report(settings)
    return settings
