"""One HTTP POST, told apart by how far it came: refused, not sent, sent without an answer.

Belongs here: the conversation and what each of its ends means. Does not belong here: what is posted.

Redirects are not followed: what is posted is signed, or goes to a URL that is itself a secret. A
request ends at its deadline however slowly the other side drips.
"""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

from orchestration.delivery.channels.sender import Attempt, Fate, shortened

TIMEOUT_SECONDS = 10.0
# A receiver that asks for more than this is asked again anyway.
_LONGEST_RETRY_AFTER_SECONDS = 86_400
_MOST_REPLY_BYTES = 4_096
_MOST_REASON = 200
_MAY_SUCCEED_LATER = (408, 429)


def post(
    url: str,
    body: bytes,
    *,
    sent_at: datetime,
    headers: Mapping[str, str] | None = None,
    secrets: Sequence[str] = (),
    timeout: float = TIMEOUT_SECONDS,
) -> Attempt:
    """Post JSON. ``secrets`` are never repeated in the reason, even where the reply holds them."""
    parts = urlsplit(url)
    place = parts.netloc
    connection = _connection(parts.scheme, parts.hostname or "", parts.port, timeout=timeout)
    try:
        try:
            connection.connect()
        except ssl.SSLError as error:
            reason = f"no secure connection to {place}: {_short(error)}"
            return Attempt(fate=Fate.NOT_ACCEPTED, reason=reason)
        except OSError as error:
            reason = f"{place} cannot be reached: {_short(error)}"
            return Attempt(fate=Fate.NOT_ACCEPTED, reason=reason)
        with _deadline(connection, seconds=timeout):
            try:
                connection.request(
                    "POST",
                    f"{parts.path or '/'}{'?' if parts.query else ''}{parts.query}",
                    body=body,
                    headers={
                        "Content-Type": "application/json",
                        "User-Agent": "agentmart",
                        **(headers or {}),
                    },
                )
            except OSError as error:
                # Nobody acts on a request whose end never left.
                reason = f"{place} broke off: {_short(error)}"
                return Attempt(fate=Fate.NOT_ACCEPTED, reason=reason)
            try:
                response = connection.getresponse()
            except (OSError, http.client.HTTPException) as error:
                reason = (
                    f"{place} never answered ({_short(error)}), so it may or may not have arrived"
                )
                return Attempt(fate=Fate.UNKNOWN, reason=reason)
            return _outcome(response, place=place, secrets=secrets, sent_at=sent_at)
    finally:
        connection.close()


def _connection(
    scheme: str, host: str, port: int | None, *, timeout: float
) -> http.client.HTTPConnection:
    if scheme == "https":
        context = ssl.create_default_context()
        return http.client.HTTPSConnection(host, port, timeout=timeout, context=context)
    return http.client.HTTPConnection(host, port, timeout=timeout)


@contextmanager
def _deadline(connection: http.client.HTTPConnection, *, seconds: float) -> Iterator[None]:
    """Cut the connection when its time is over: a timeout alone starts anew with every byte."""
    peer: socket.socket = connection.sock

    def cut() -> None:
        try:
            # The plain socket's own: that of TLS would change under the thread that reads.
            socket.socket.shutdown(peer, socket.SHUT_RDWR)
        except OSError:
            # It ended by itself in the meantime.
            return

    timer = threading.Timer(seconds, cut)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _outcome(
    response: http.client.HTTPResponse, *, place: str, secrets: Sequence[str], sent_at: datetime
) -> Attempt:
    if 200 <= response.status < 300:
        return Attempt(fate=Fate.ACCEPTED)
    said = _words(response, secrets=secrets)
    reason = f"{place} answered {response.status} {said}".rstrip()
    if 300 <= response.status < 400:
        reason = f"{place} answered {response.status}; redirects are not followed: check the URL"
        return Attempt(fate=Fate.REFUSED, reason=reason)
    if response.status >= 500 or response.status in _MAY_SUCCEED_LATER:
        return Attempt(
            fate=Fate.NOT_ACCEPTED,
            reason=reason,
            retry_after_seconds=_retry_after(response.getheader("Retry-After"), sent_at=sent_at),
        )
    return Attempt(fate=Fate.REFUSED, reason=reason)


def _words(response: http.client.HTTPResponse, *, secrets: Sequence[str]) -> str:
    """The first words of the reply, which usually say what was wrong with the request."""
    try:
        content = response.read(_MOST_REPLY_BYTES)
    except (OSError, http.client.HTTPException):
        content = b""
    text = " ".join(content.decode("utf-8", "replace").split())
    for secret in secrets:
        text = text.replace(secret, "***")
    printable = "".join(letter for letter in text if letter.isprintable())
    return shortened(printable, most=_MOST_REASON)


def _retry_after(text: str | None, *, sent_at: datetime) -> int | None:
    """Seconds, or the seconds until a date; None when the receiver asked for nothing sensible."""
    if text is None:
        return None
    if text.strip().isdecimal():
        seconds = int(text.strip())
    else:
        try:
            date = parsedate_to_datetime(text)
        except ValueError:
            return None
        if date.tzinfo is None:
            date = date.replace(tzinfo=UTC)
        seconds = int((date - sent_at).total_seconds())
    return min(max(seconds, 0), _LONGEST_RETRY_AFTER_SECONDS)


def _short(error: BaseException) -> str:
    """The error in a few words."""
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return " ".join(str(error).split()) or type(error).__name__
