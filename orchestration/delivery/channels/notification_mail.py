"""Notifications as e-mails: plain text, one recipient per message, one thread per subject.

Belongs here: the message, and what each end of the conversation means for it. Does not belong here:
the conversation itself (smtp) and the mails that bring reports (message).
"""

from __future__ import annotations

import hashlib
from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from types import TracebackType

from orchestration.delivery.addresses import address_problem
from orchestration.delivery.channels.sender import Attempt, Fate, Sender, headline, standing
from orchestration.delivery.channels.smtp import SmtpChannel
from orchestration.delivery.notifications import Notification
from orchestration.delivery.outbox import MessageState
from orchestration.errors import RunFailure
from orchestration.settings import SmtpSettings

# Headers and bodies in plain ASCII pass every server.
_POLICY = SMTP.clone(cte_type="7bit")
_MOST_SUBJECT = 200
_FATES = {
    MessageState.SENT: Fate.ACCEPTED,
    MessageState.FAILED: Fate.REFUSED,
    MessageState.PENDING: Fate.NOT_ACCEPTED,
    MessageState.PARKED: Fate.UNKNOWN,
}


class MailSender(Sender):
    """Sends through the mail server of reports."""

    def __init__(self, settings: SmtpSettings) -> None:
        self._settings = settings
        self._channel: SmtpChannel | None = None

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._channel is not None:
            self._channel.__exit__(kind, error, trace)
            self._channel = None

    def send(self, notification: Notification, *, sent_at: datetime) -> Attempt:
        del sent_at
        problem = address_problem(notification.target)
        if problem is not None:
            return Attempt(fate=Fate.REFUSED, reason=f"{problem}; see AGENTMART_ALERT_EMAIL_TO")
        content = notification_mail(notification, sender=self._settings.sender)
        try:
            if self._channel is None:
                self._channel = SmtpChannel(self._settings).__enter__()
            outcome = self._channel.send_to(notification.target, content)
        except RunFailure as error:
            return Attempt(fate=Fate.NOT_ACCEPTED, reason=str(error))
        return Attempt(fate=_FATES[outcome.state], reason=outcome.reason)


def notification_mail(notification: Notification, *, sender: str) -> bytes:
    """The message as it goes over the wire; the same bytes for the same row."""
    domain = sender.rpartition("@")[2].strip("<> ") or "localhost"
    subject = f"{notification.kind.value}\x1f{notification.subject_key}"
    thread = f"<{hashlib.sha256(subject.encode()).hexdigest()[:32]}@{domain}>"
    message = EmailMessage(policy=_POLICY)
    message["From"] = sender
    message["To"] = notification.target
    message["Subject"] = headline(notification, most=_MOST_SUBJECT)
    message["Date"] = format_datetime(notification.queued_as_of)
    identifier = f"{notification.idempotency_key}.{notification.notification_id}"
    message["Message-ID"] = f"<{identifier}@{domain}>"
    message["References"] = thread
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(f"{notification.body.strip()}\n\n{standing(notification)}\n")
    return message.as_bytes()
