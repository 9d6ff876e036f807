"""Sending the notifications that wait: each channel by itself, each failure listed with its reason.

Belongs here: which sender serves a channel, the order of steps that makes a crash at any point
harmless, and when a failed try is repeated. Does not belong here: any protocol (channels), the rows
(notifications) and the e-mails that bring reports (send).

A row is marked as being sent, on disk, before the first byte leaves. Whoever finds that mark later
sends it again where the receiver drops repetitions; elsewhere it is parked for a person.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from orchestration.clock import now
from orchestration.delivery.channels.apprise_service import AppriseSender
from orchestration.delivery.channels.files import JsonFileSender, MailFileSender
from orchestration.delivery.channels.http import HttpClient
from orchestration.delivery.channels.notification_mail import MailSender
from orchestration.delivery.channels.pagerduty import PagerDutySender
from orchestration.delivery.channels.sender import Attempt, Fate, Sender
from orchestration.delivery.channels.slack import SlackSender
from orchestration.delivery.channels.teams import TeamsSender
from orchestration.delivery.channels.webhook import WebhookSender
from orchestration.delivery.notifications import (
    Notification,
    Notifications,
    undelivered_notifications,
)
from orchestration.delivery.outbox import MessageState
from orchestration.delivery.send import only_sender
from orchestration.errors import UserError
from orchestration.settings import CHANNEL_PREFIX, Settings

# A channel gets this many tries in one call. The pauses are short: a run waits for them.
_PAUSES_SECONDS = (0, 1, 3)
# A receiver that asks for a longer pause is left alone until a later call.
_LONGEST_PAUSE_SECONDS = 5
# The wait until a later call doubles with every call, from the first to the longest.
_FIRST_WAIT = timedelta(minutes=1)
_LONGEST_WAIT = timedelta(hours=6)
# Older news is no news; a person may still send it.
_GIVEN_UP_AFTER = timedelta(days=3)

_STATES = {
    Fate.ACCEPTED: MessageState.SENT,
    Fate.WRITTEN: MessageState.WRITTEN,
    Fate.REFUSED: MessageState.FAILED,
    Fate.NOT_ACCEPTED: MessageState.PENDING,
    Fate.UNKNOWN: MessageState.PARKED,
}


@dataclass(frozen=True, kw_only=True)
class NotificationRun:
    """What one call did; ``waiting`` is what a person should know of afterwards."""

    settled: tuple[Notification, ...]
    waiting: tuple[Notification, ...]

    @property
    def sent(self) -> int:
        return sum(one.state is MessageState.SENT for one in self.settled)

    @property
    def written(self) -> int:
        return sum(one.state is MessageState.WRITTEN for one in self.settled)

    @property
    def undelivered(self) -> int:
        return len(self.waiting)

    def counts(self) -> dict[str, object]:
        """The figures of this call, without any address."""
        return {"sent": self.sent, "written": self.written, "undelivered": self.undelivered}


def send_notifications(
    *,
    settings: Settings,
    as_of: datetime,
    dry_run: bool = False,
    on_notification: Callable[[Notification], object] | None = None,
    clock: Callable[[], datetime] = now,
    sleep: Callable[[float], object] = time.sleep,
) -> NotificationRun:
    """Send every notification whose time has come, or write it where its channel is not configured.

    With ``dry_run`` nothing is sent, written or changed; the result lists what waits. ``clock`` is
    read for signatures, which a receiver compares with its own clock: the as-of time may be past.
    """
    queue = Notifications(settings.state_file)
    if dry_run:
        return NotificationRun(settled=(), waiting=tuple(queue.rows(MessageState.PENDING)))
    with only_sender(settings.state_file.with_name("notify.lock")), ExitStack() as stack:
        attempt = _Delivery(
            settings=settings, queue=queue, as_of=as_of, clock=clock, sleep=sleep, stack=stack
        )
        settled = attempt.send_all(on_notification or (lambda _: None))
    return NotificationRun(
        settled=tuple(settled), waiting=tuple(undelivered_notifications(settings))
    )


def resend_notification(
    *, settings: Settings, notification_id: int, as_of: datetime
) -> Notification:
    """Let a failed or parked notification wait to be sent again; only a person asks for this.

    Raises:
        UserError: there is no such notification, or it is not one that may be sent again.
    """
    queue = Notifications(settings.state_file)
    found = _found(queue, notification_id)
    if not queue.release(notification_id, as_of=as_of):
        # Somebody else may have been first, so what it is now is asked again.
        state = _found(queue, notification_id).state
        raise UserError(
            f"notification n{notification_id} is {state.value}; only failed and parked ones go again"
        )
    return found


def _found(queue: Notifications, notification_id: int) -> Notification:
    found = next((one for one in queue.rows() if one.notification_id == notification_id), None)
    if found is None:
        raise UserError(
            f"notification n{notification_id} does not exist; `agentmart status` lists them"
        )
    return found


def sender_for(channel: str, settings: Settings) -> Sender:
    """What tells through a channel here; one that is not configured writes files."""
    configured = settings.channels
    client = HttpClient(https_proxy=settings.https_proxy, no_proxy=settings.no_proxy)
    match channel:
        case "email" if configured.email_to and settings.smtp is not None:
            return MailSender(settings.smtp)
        case "email" if configured.email_to:
            return MailFileSender(
                settings.outbox,
                sender=settings.mail_from,
                reason="AGENTMART_SMTP_HOST is not set",
            )
        case "slack" if configured.slack_url:
            return SlackSender(configured.slack_url, client=client)
        case "teams" if configured.teams_url:
            return TeamsSender(configured.teams_url, client=client)
        case "pagerduty" if configured.pagerduty_key:
            return PagerDutySender(
                configured.pagerduty_url, configured.pagerduty_key, client=client
            )
        case "webhook" if configured.webhook_url:
            return WebhookSender(configured.webhook_url, configured.webhook_keys, client=client)
        case _ if channel in configured.apprise_urls:
            return AppriseSender(configured.apprise_urls[channel], variable=_variable(channel))
        case _:
            return JsonFileSender(settings.outbox, reason=f"{_variable(channel)} is not set")


class _Delivery:
    """One call: the senders it opened and the rows it tries."""

    def __init__(
        self,
        *,
        settings: Settings,
        queue: Notifications,
        as_of: datetime,
        clock: Callable[[], datetime],
        sleep: Callable[[float], object],
        stack: ExitStack,
    ) -> None:
        self._settings = settings
        self._queue = queue
        self._as_of = as_of
        self._clock = clock
        self._sleep = sleep
        self._stack = stack
        self._senders: dict[str, Sender] = {}

    def send_all(self, on_notification: Callable[[Notification], object]) -> list[Notification]:
        """Try each channel's rows in turn; a channel that failed goes again after the others."""
        self._settle_interrupted()
        self._address_mails()
        last: dict[int, Notification] = {}
        lanes = _by_channel(self._queue.waiting(as_of=self._as_of))
        asked_for = 0
        for pause in _PAUSES_SECONDS:
            if not lanes:
                break
            if pause:
                self._sleep(max(pause, asked_for))
            asked_for, again = 0, {}
            for channel, rows in lanes.items():
                rest, wish = self._try_lane(channel, rows, last)
                if rest:
                    again[channel] = rest
                    asked_for = max(asked_for, wish)
            lanes = again
        for row in last.values():
            on_notification(row)
        return list(last.values())

    def _try_lane(
        self, channel: str, rows: Sequence[Notification], last: dict[int, Notification]
    ) -> tuple[list[Notification], int]:
        """Try rows until one fails; returns those to try in this call still, and the pause asked for.

        What failed goes behind what was not tried, with what is to be told of its subject after it,
        so that it keeps no other subject from going; and a receiver that is down costs a few
        timeouts, however much waits for it.
        """
        for position, row in enumerate(rows):
            attempt = self._try(row, last)
            if attempt.fate not in (Fate.NOT_ACCEPTED, Fate.UNKNOWN):
                continue
            rest, settled = list(rows[position + 1 :]), last[row.notification_id]
            if settled.state is MessageState.PENDING:
                after = [one for one in rest if one.thread == row.thread]
                rest = [one for one in rest if one.thread != row.thread]
                rest += [settled, *after]
            wish = attempt.retry_after_seconds or 0
            if wish > _LONGEST_PAUSE_SECONDS:
                self._queue.postpone(channel, until=self._as_of + timedelta(seconds=wish))
                return [], 0
            return rest, wish
        return [], 0

    def _try(self, row: Notification, last: dict[int, Notification]) -> Attempt:
        self._queue.change_state(row.notification_id, MessageState.SENDING, as_of=self._as_of)
        sender = self._sender(row.channel)
        attempt = sender.send(row, sent_at=self._clock())
        if attempt.fate is Fate.UNKNOWN and sender.drops_repetitions:
            attempt = replace(attempt, fate=Fate.NOT_ACCEPTED)
        attempts = row.attempts + 1
        settled = replace(
            row, state=_STATES[attempt.fate], reason=attempt.reason, attempts=attempts
        )
        if settled.state is MessageState.PENDING:
            if self._as_of - row.queued_as_of >= _GIVEN_UP_AFTER:
                reason = f"{attempt.reason}; given up after {_GIVEN_UP_AFTER.days} days"
                settled = replace(settled, state=MessageState.FAILED, reason=reason)
            else:
                wait = max(_wait(attempts), timedelta(seconds=attempt.retry_after_seconds or 0))
                settled = replace(settled, next_attempt_at=self._as_of + wait)
        if settled.state is MessageState.PARKED:
            settled = replace(settled, reason=_parked_reason(row, str(attempt.reason)))
        last[row.notification_id] = settled
        self._queue.change_state(
            row.notification_id,
            settled.state,
            as_of=self._as_of,
            reason=settled.reason,
            counts_as_attempt=True,
            next_attempt_at=settled.next_attempt_at,
        )
        return attempt

    def _sender(self, channel: str) -> Sender:
        if channel not in self._senders:
            sender = sender_for(channel, self._settings)
            self._senders[channel] = self._stack.enter_context(sender)
        return self._senders[channel]

    def _settle_interrupted(self) -> None:
        for row in self._queue.rows(MessageState.SENDING):
            if self._sender(row.channel).drops_repetitions:
                state, reason = MessageState.PENDING, None
            else:
                state = MessageState.PARKED
                reason = _parked_reason(
                    row, "the process stopped while sending it, so it may or may not have arrived"
                )
            self._queue.change_state(row.notification_id, state, as_of=self._as_of, reason=reason)

    def _address_mails(self) -> None:
        recipients = self._settings.channels.email_to
        if recipients:
            for row in self._queue.waiting(as_of=self._as_of):
                if row.channel == "email" and not row.target:
                    self._queue.address(row, recipients)


def _by_channel(rows: Iterable[Notification]) -> Mapping[str, Sequence[Notification]]:
    lanes: dict[str, list[Notification]] = {}
    for row in rows:
        lanes.setdefault(row.channel, []).append(row)
    return lanes


def _wait(attempts: int) -> timedelta:
    doublings = min((attempts - 1) // len(_PAUSES_SECONDS), 10)
    return min(_FIRST_WAIT * (1 << doublings), _LONGEST_WAIT)


def _parked_reason(row: Notification, reason: str) -> str:
    return f"{reason}; to send it again: agentmart deliver --resend n{row.notification_id}"


def _variable(channel: str) -> str:
    """The variable of the environment that configures a channel."""
    return {
        "email": "AGENTMART_ALERT_EMAIL_TO",
        "slack": "AGENTMART_SLACK_URL",
        "teams": "AGENTMART_TEAMS_URL",
        "pagerduty": "AGENTMART_PAGERDUTY_KEY",
        "webhook": "AGENTMART_WEBHOOK_URL",
    }.get(channel, f"{CHANNEL_PREFIX}{channel.upper()}")
