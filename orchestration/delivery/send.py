"""Sending what the outbox holds: each message once, each failure listed with its reason.

Belongs here: the order of steps that makes a crash at any point harmless. Does not belong here: the
protocol (channels), the rows (outbox) and what a message says (message).

A message is marked as being sent, on disk, before the first byte leaves. Whoever finds that mark
later knows that the process died in between and that nobody can tell whether the message arrived;
it is parked for a person.
"""

from __future__ import annotations

import fcntl
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from orchestration.delivery.addresses import address_problem
from orchestration.delivery.channels.channel import Channel, Outcome
from orchestration.delivery.channels.eml import EmlChannel
from orchestration.delivery.channels.smtp import SmtpChannel
from orchestration.delivery.message import Envelope, build_message, read_bodies
from orchestration.delivery.outbox import (
    MadeReport,
    Message,
    MessageState,
    Outbox,
    ReportKey,
    undelivered,
)
from orchestration.errors import RunFailure, UserError
from orchestration.settings import Settings

# A server that puts a message off this many times does not want it.
MOST_ATTEMPTS = 20


@dataclass(frozen=True, kw_only=True)
class DeliveryRun:
    """What one delivery did. ``problem`` says why nothing could be sent at all."""

    settled: tuple[Message, ...]
    waiting: tuple[Message, ...]
    problem: str | None = None

    @property
    def sent(self) -> int:
        return sum(message.state is MessageState.SENT for message in self.settled)

    @property
    def written(self) -> int:
        return sum(message.state is MessageState.WRITTEN for message in self.settled)

    @property
    def undelivered(self) -> int:
        return len(self.waiting)

    def counts(self) -> dict[str, object]:
        """The figures of this delivery, without any address."""
        return {
            "sent": self.sent,
            "written": self.written,
            "undelivered": self.undelivered,
            "problem": self.problem,
        }


def deliver(
    *,
    settings: Settings,
    as_of: datetime,
    dry_run: bool = False,
    on_message: Callable[[Message], object] | None = None,
    channel: Channel | None = None,
) -> DeliveryRun:
    """Send every waiting message through the mail server, or write it to the outbox folder.

    With ``dry_run`` nothing is sent, written or changed; the result lists what waits. ``channel``
    replaces the one that the settings name.
    """
    outbox = Outbox(settings.state_file)
    if dry_run:
        return DeliveryRun(settled=(), waiting=tuple(outbox.messages(MessageState.PENDING)))
    with only_sender(settings.state_file.with_name("deliver.lock")):
        _park_interrupted(outbox, as_of=as_of)
        settled: list[Message] = []
        problem = None
        # What was tried least goes first, so that a few slow recipients never hold up the others.
        pending = sorted(outbox.messages(MessageState.PENDING), key=lambda one: one.attempts)
        if pending:
            try:
                with channel or _channel(settings) as opened:
                    for message in _send_each(
                        opened, pending, outbox=outbox, settings=settings, as_of=as_of
                    ):
                        settled.append(message)
                        if on_message is not None:
                            on_message(message)
            except RunFailure as error:
                problem = str(error)
    return DeliveryRun(
        settled=tuple(settled), waiting=tuple(undelivered(settings)), problem=problem
    )


def resend(*, settings: Settings, message_id: int, as_of: datetime) -> Message:
    """Let a failed or parked message wait to be sent again; only a person asks for this.

    Raises:
        UserError: there is no such message, or it is not one that may be sent again.
    """
    outbox = Outbox(settings.state_file)
    found = outbox.message(message_id)
    if found is None:
        raise UserError(f"message {message_id} does not exist; `agentmart status` lists them")
    if not outbox.release(message_id, as_of=as_of):
        raise UserError(
            f"message {message_id} is {found.state.value}; only failed and parked ones go again"
        )
    return found


def _send_each(
    channel: Channel,
    pending: Sequence[Message],
    *,
    outbox: Outbox,
    settings: Settings,
    as_of: datetime,
) -> Iterator[Message]:
    reports = outbox.made_reports()
    for message in pending:
        problem = address_problem(message.recipient)
        try:
            content = b"" if problem else _content(message, reports, settings=settings)
        except (OSError, KeyError, ValueError) as error:
            outcome = Outcome(
                state=MessageState.FAILED,
                reason=f"its report cannot be read ({error}); make it again with `agentmart run`,"
                f" then send it with `agentmart deliver --resend {message.message_id}`",
            )
        else:
            if problem is None:
                outcome = _sent_once(channel, message, content, outbox=outbox, as_of=as_of)
            else:
                outcome = Outcome(state=MessageState.FAILED, reason=problem)
        if outcome.state is MessageState.PARKED:
            outcome = replace(outcome, reason=_parked_reason(message, str(outcome.reason)))
        if outcome.state is MessageState.PENDING and message.attempts + 1 >= MOST_ATTEMPTS:
            outcome = Outcome(
                state=MessageState.FAILED, reason=f"{outcome.reason}; tried {MOST_ATTEMPTS} times"
            )
        outbox.change_state(
            message.message_id,
            outcome.state,
            as_of=as_of,
            reason=outcome.reason,
            counts_as_attempt=True,
        )
        yield replace(
            message, state=outcome.state, reason=outcome.reason, attempts=message.attempts + 1
        )


def _sent_once(
    channel: Channel, message: Message, content: bytes, *, outbox: Outbox, as_of: datetime
) -> Outcome:
    """One try, marked on disk before it begins.

    Raises:
        RunFailure: nothing more can be sent now; the message waits.
    """
    outbox.change_state(message.message_id, MessageState.SENDING, as_of=as_of)
    try:
        return channel.send(message, content)
    except RunFailure as error:
        outbox.change_state(
            message.message_id, MessageState.PENDING, as_of=as_of, reason=str(error)
        )
        raise


def _content(
    message: Message, reports: dict[ReportKey, MadeReport], *, settings: Settings
) -> bytes:
    report = reports[message.report]
    attachments = [
        settings.reports / report.files[kind] for kind in message.formats if kind in report.files
    ]
    return build_message(
        Envelope(
            key=message.idempotency_key,
            sender=settings.smtp.sender if settings.smtp else settings.mail_from,
            recipient=message.recipient,
            subscription_id=message.subscription_id,
            as_of=report.as_of,
        ),
        read_bodies(settings.reports / report.files["mail"]),
        attachments=attachments,
    )


def _channel(settings: Settings) -> Channel:
    return SmtpChannel(settings.smtp) if settings.smtp else EmlChannel(settings.outbox)


def _park_interrupted(outbox: Outbox, *, as_of: datetime) -> None:
    for message in outbox.messages(MessageState.SENDING):
        outbox.change_state(
            message.message_id,
            MessageState.PARKED,
            as_of=as_of,
            reason=_parked_reason(
                message, "the process stopped while sending it, so it may or may not have arrived"
            ),
        )


def _parked_reason(message: Message, reason: str) -> str:
    return f"{reason}; to send it again: agentmart deliver --resend {message.message_id}"


@contextmanager
def only_sender(path: Path) -> Iterator[None]:
    """One process sends at a time; the operating system frees the lock when its owner dies."""
    with path.open("a", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
