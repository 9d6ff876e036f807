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

# RFC 5321 gives a server ten minutes to take responsibility for a message. Whoever hangs up earlier
# does not know whether it arrived.
_TIMEOUT_SECONDS = 60.0
_CONFIRMATION_SECONDS = 600.0
# A server that does not answer that often in one delivery will not answer the next time.
_MOST_TIMEOUTS = 3
_GOING_AWAY = 421


class SmtpChannel(Channel):
    """One connection for many messages, opened again when the server drops it."""

    def __init__(
        self,
        settings: SmtpSettings,
        *,
        timeout: float = _TIMEOUT_SECONDS,
        confirmation: float = _CONFIRMATION_SECONDS,
    ) -> None:
        self._settings = settings
        self._timeout = timeout
        self._confirmation = confirmation
        self._timeouts = 0
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
        return self.send_to(message.recipient, content)

    def send_to(self, recipient: str, content: bytes) -> Outcome:
        """Try once to bring the content to an address, as ``send`` does for a message."""
        client = self._ready_client()
        try:
            refusal = self._announce(client, recipient)
            if refusal is not None:
                return refusal
            # Everything but the line that ends the message: until that is sent, the server cannot
            # have accepted it.
            client.send(_wire(content))
        except (smtplib.SMTPException, OSError) as error:
            self._lose(error)
            reason = f"the mail server {self._place} broke off: {_short(error)}"
            return Outcome(state=MessageState.PENDING, reason=reason)
        try:
            code, reply = self._confirmed(client)
        except (smtplib.SMTPException, OSError) as error:
            self._lose(error)
            return Outcome(
                state=MessageState.PARKED,
                reason=f"the mail server {self._place} never confirmed the message"
                f" ({_short(error)}), so it may or may not have arrived",
            )
        if 200 <= code <= 299:
            return Outcome(state=MessageState.SENT)
        if not 400 <= code <= 599:
            self._drop()
            return Outcome(
                state=MessageState.PARKED,
                reason=f"the mail server {self._place} ended the message with a reply that means"
                f" nothing ({code} {_text(reply)}), so it may or may not have arrived",
            )
        if code == _GOING_AWAY:
            self._drop()
        return self._refused(code, reply, "the message")

    def _confirmed(self, client: smtplib.SMTP) -> tuple[int, bytes]:
        """End the message, and wait for what the server says to it."""
        if client.sock is not None:
            client.sock.settimeout(self._confirmation)
        client.send(b".\r\n")
        answer = client.getreply()
        if client.sock is not None:
            client.sock.settimeout(self._timeout)
        return answer

    def _announce(self, client: smtplib.SMTP, recipient: str) -> Outcome | None:
        """MAIL, RCPT and DATA; an outcome when the server does not want the message.

        Raises:
            RunFailure: the server will take nothing from this sender.
        """
        sender = self._settings.sender.rpartition("<")[2].strip("<> ")
        code, reply = client.mail(sender)
        if code != 250:
            outcome = self._refused(code, reply, "the sender")
            self._reset(client, code)
            if outcome.state is MessageState.FAILED:
                raise RunFailure(
                    f"{outcome.reason}; check AGENTMART_MAIL_FROM and AGENTMART_SMTP_USER"
                )
            return outcome
        code, reply = client.rcpt(recipient)
        if code not in (250, 251):
            outcome = self._refused(code, reply, "the recipient")
            self._reset(client, code)
            return outcome
        code, reply = client.docmd("DATA")
        if code != 354:
            outcome = self._refused(code, reply, "the message")
            self._reset(client, code)
            return outcome
        return None

    def _refused(self, code: int, reply: bytes, what: str) -> Outcome:
        reason = f"the mail server {self._place} refused {what}: {code} {_text(reply)}"
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
        if self._timeouts >= _MOST_TIMEOUTS:
            raise RunFailure(
                f"the mail server {self._place} did not answer {_MOST_TIMEOUTS} times; what is left"
                " waits for the next delivery"
            )
        if self._client is None or self._client.sock is None:
            self._client = self._connect()
        return self._client

    def _lose(self, error: Exception) -> None:
        """Give up a connection that failed."""
        # smtplib tells a timeout as a lost connection.
        self._timeouts += any(
            isinstance(one, TimeoutError) for one in (error, error.__cause__, error.__context__)
        )
        self._drop()

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
        except UnicodeError as error:
            # Without the error itself, which may repeat a letter of the password.
            raise RunFailure(
                f"the mail server {self._place} cannot be asked: AGENTMART_SMTP_HOST is no host name, or"
                " AGENTMART_SMTP_USER or AGENTMART_SMTP_PASSWORD is not ASCII; correct it"
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


def _text(reply: bytes | str) -> str:
    """What a server said, as one line."""
    text = reply.decode("utf-8", "replace") if isinstance(reply, bytes) else reply
    return " ".join(text.split())


def _short(error: BaseException) -> str:
    """The error in a few words, without what was said in the conversation."""
    if isinstance(error, smtplib.SMTPResponseException):
        return f"{error.smtp_code} {_text(error.smtp_error)}"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return " ".join(str(error).split()) or type(error).__name__
