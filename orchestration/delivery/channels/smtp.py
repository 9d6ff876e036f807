"""Messages through a mail server: STARTTLS or TLS, AUTH, one recipient per message.

Belongs here: the SMTP conversation and what each of its ends means for a message. Does not belong
here: which messages to send and what happens to them afterwards (send).
"""

from __future__ import annotations

import smtplib
import ssl
from types import TracebackType
from typing import Self

from orchestration.delivery.channels.channel import Channel, Outcome
from orchestration.delivery.outbox import Message, MessageState
from orchestration.errors import RunFailure
from orchestration.settings import SmtpSettings

_TIMEOUT_SECONDS = 30.0
_GOING_AWAY = 421


class SmtpChannel(Channel):
    """One connection for many messages, opened again when the server drops it."""

    def __init__(self, settings: SmtpSettings, *, timeout: float = _TIMEOUT_SECONDS) -> None:
        self._settings = settings
        self._timeout = timeout
        self._client: smtplib.SMTP | None = None

    def __enter__(self) -> Self:
        self._client = self._connect()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._client is not None:
            try:
                self._client.quit()
            except (smtplib.SMTPException, OSError):
                self._client.close()
            self._client = None

    def send(self, message: Message, content: bytes) -> Outcome:
        client = self._ready_client()
        try:
            refusal = self._announce(client, message.recipient)
            if refusal is not None:
                return refusal
            # Everything but the line that ends the message: until that is sent, the server cannot
            # have accepted it.
            client.send(_wire(content))
        except (smtplib.SMTPException, OSError) as error:
            self._drop()
            reason = f"the mail server {self._place} broke off: {_short(error)}"
            return Outcome(state=MessageState.PENDING, reason=reason)
        try:
            client.send(b".\r\n")
            code, reply = client.getreply()
        except (smtplib.SMTPException, OSError) as error:
            self._drop()
            return Outcome(
                state=MessageState.PARKED,
                reason=f"the mail server {self._place} never confirmed the message"
                f" ({_short(error)}), so it may or may not have arrived",
            )
        if code == 250:
            return Outcome(state=MessageState.SENT)
        if code == _GOING_AWAY:
            self._drop()
        return self._refused(code, reply, "the message")

    def _announce(self, client: smtplib.SMTP, recipient: str) -> Outcome | None:
        """MAIL, RCPT and DATA; an outcome when the server does not want the message."""
        sender = self._settings.sender.rpartition("<")[2].strip("<> ")
        for what, (code, reply) in (
            ("the sender", client.mail(sender)),
            ("the recipient", client.rcpt(recipient)),
        ):
            if code not in (250, 251):
                outcome = self._refused(code, reply, what)
                self._reset(client, code)
                return outcome
        code, reply = client.docmd("DATA")
        if code != 354:
            outcome = self._refused(code, reply, "the message")
            self._reset(client, code)
            return outcome
        return None

    def _refused(self, code: int, reply: bytes, what: str) -> Outcome:
        text = " ".join(reply.decode("utf-8", "replace").split())
        reason = f"the mail server {self._place} refused {what}: {code} {text}"
        if 500 <= code <= 599:
            return Outcome(state=MessageState.FAILED, reason=reason)
        return Outcome(state=MessageState.PENDING, reason=reason)

    def _reset(self, client: smtplib.SMTP, code: int) -> None:
        """Make the connection fit for the next message, or give it up."""
        if code == _GOING_AWAY:
            self._drop()
            return
        try:
            client.rset()
        except (smtplib.SMTPException, OSError):
            self._drop()

    def _ready_client(self) -> smtplib.SMTP:
        if self._client is None or self._client.sock is None:
            self._client = self._connect()
        return self._client

    def _drop(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None

    @property
    def _place(self) -> str:
        return f"{self._settings.host}:{self._settings.port}"

    def _connect(self) -> smtplib.SMTP:
        try:
            return self._open()
        except smtplib.SMTPAuthenticationError as error:
            raise RunFailure(
                f"the mail server {self._place} refused the user name or password"
                f" ({error.smtp_code}); check AGENTMART_SMTP_USER and AGENTMART_SMTP_PASSWORD"
            ) from error
        except smtplib.SMTPNotSupportedError as error:
            raise RunFailure(
                f"the mail server {self._place} does not offer what AGENTMART_SMTP_SECURITY="
                f"{self._settings.security} or AGENTMART_SMTP_USER needs: {_short(error)}"
            ) from error
        except ssl.SSLError as error:
            raise RunFailure(
                f"no secure connection to the mail server {self._place}: {_short(error)}; check"
                " AGENTMART_SMTP_SECURITY, the port, and the server's certificate"
            ) from error
        except (smtplib.SMTPException, OSError) as error:
            raise RunFailure(
                f"the mail server {self._place} cannot be reached: {_short(error)}; check"
                " AGENTMART_SMTP_HOST and AGENTMART_SMTP_PORT"
            ) from error

    def _open(self) -> smtplib.SMTP:
        settings = self._settings
        client: smtplib.SMTP
        if settings.security == "tls":
            client = smtplib.SMTP_SSL(
                settings.host,
                settings.port,
                timeout=self._timeout,
                context=ssl.create_default_context(),
            )
        else:
            client = smtplib.SMTP(settings.host, settings.port, timeout=self._timeout)
        try:
            if settings.security == "starttls":
                client.starttls(context=ssl.create_default_context())
            client.ehlo_or_helo_if_needed()
            if settings.user is not None and settings.password is not None:
                client.login(settings.user, settings.password)
        except BaseException:
            client.close()
            raise
        return client


def _wire(content: bytes) -> bytes:
    """The content as DATA carries it: leading dots doubled, a line end at the end."""
    lines = content if content.endswith(b"\r\n") else content + b"\r\n"
    stuffed = lines.replace(b"\r\n.", b"\r\n..")
    return b"." + stuffed if stuffed.startswith(b".") else stuffed


def _short(error: BaseException) -> str:
    """The error in a few words, without what was said in the conversation."""
    if isinstance(error, smtplib.SMTPResponseException):
        reply = error.smtp_error
        text = reply.decode("utf-8", "replace") if isinstance(reply, bytes) else str(reply)
        return f"{error.smtp_code} {' '.join(text.split())}"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return " ".join(str(error).split()) or type(error).__name__
