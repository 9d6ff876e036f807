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
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import SplitResult, unquote, urlsplit

from orchestration.delivery.channels.sender import Attempt, Fate, shortened

_TIMEOUT_SECONDS = 10.0
# A receiver that asks for more than this is asked again anyway.
_LONGEST_RETRY_AFTER_SECONDS = 86_400
# Python makes no number of thousands of digits.
_MOST_DIGITS = 20
_MOST_REPLY_BYTES = 4_096
_MOST_REASON = 200
_MAY_SUCCEED_LATER = (408, 429)


@dataclass(frozen=True, kw_only=True)
class HttpClient:
    """How to post: for how long to wait, and through which proxy what goes out encrypted."""

    timeout: float = _TIMEOUT_SECONDS
    https_proxy: str | None = field(default=None, repr=False)
    no_proxy: str = ""

    def post(
        self,
        url: str,
        body: bytes,
        *,
        sent_at: datetime,
        headers: Mapping[str, str] | None = None,
        secrets: Sequence[str] = (),
    ) -> Attempt:
        """Post JSON. ``secrets`` are never repeated in the reason, even where the reply holds them."""
        parts = urlsplit(url)
        place = parts.netloc
        try:
            connection = self._connection(parts)
        except ValueError:
            reason = f"{place} cannot be reached: HTTPS_PROXY is not http://host:port; correct it"
            return Attempt(fate=Fate.NOT_ACCEPTED, reason=reason)
        try:
            try:
                connection.connect()
            except ssl.SSLError as error:
                reason = f"no secure connection to {place}: {_short(error)}"
                return Attempt(fate=Fate.NOT_ACCEPTED, reason=reason)
            except (OSError, http.client.HTTPException, UnicodeError) as error:
                # A proxy may answer with anything, and a name may have no form that DNS knows.
                reason = f"{place} cannot be reached: {_short(error)}"
                return Attempt(fate=Fate.NOT_ACCEPTED, reason=reason)
            with _deadline(connection, seconds=self.timeout):
                path = f"{parts.path or '/'}{'?' if parts.query else ''}{parts.query}"
                return _exchange(
                    connection,
                    _Question(
                        path=path,
                        body=body,
                        headers=headers or {},
                        place=place,
                        secrets=secrets,
                        sent_at=sent_at,
                    ),
                )
        finally:
            connection.close()

    def _connection(self, parts: SplitResult) -> http.client.HTTPConnection:
        """A connection that is not open yet.

        Raises:
            ValueError: the proxy is no URL of one.
        """
        host, port = parts.hostname or "", parts.port
        if parts.scheme != "https":
            return http.client.HTTPConnection(host, port, timeout=self.timeout)
        context = ssl.create_default_context()
        if not self.https_proxy or _is_excepted(host, self.no_proxy):
            return http.client.HTTPSConnection(host, port, timeout=self.timeout, context=context)
        proxy = urlsplit(self.https_proxy if "://" in self.https_proxy else f"//{self.https_proxy}")
        if proxy.scheme not in ("", "http") or not proxy.hostname:
            raise ValueError(proxy.scheme)
        proxy.hostname.encode("idna")
        tunnel = http.client.HTTPSConnection(
            proxy.hostname, proxy.port or 80, timeout=self.timeout, context=context
        )
        user = f"{unquote(proxy.username or '')}:{unquote(proxy.password or '')}".encode()
        login = {"Proxy-Authorization": f"Basic {b64encode(user).decode()}"}
        tunnel.set_tunnel(host, port or 443, headers=login if proxy.username else {})
        return tunnel


def _is_excepted(host: str, no_proxy: str) -> bool:
    """Whether a host, or the domain it is in, stands in a list between commas."""
    names = [name.strip().lstrip(".").lower() for name in no_proxy.split(",")]
    return any(name == "*" or f".{host}".endswith(f".{name}") for name in names if name)


@dataclass(frozen=True, kw_only=True)
class _Question:
    """What is asked over an open connection, and what must be known to tell of its end."""

    path: str
    body: bytes
    headers: Mapping[str, str]
    place: str
    secrets: Sequence[str]
    sent_at: datetime


def _exchange(connection: http.client.HTTPConnection, asked: _Question) -> Attempt:
    try:
        connection.request(
            "POST",
            asked.path,
            body=asked.body,
            headers={
                "Content-Type": "application/json",
                "User-Agent": "agentmart",
                **asked.headers,
            },
        )
    except OSError as error:
        # Nobody acts on a request whose end never left.
        reason = f"{asked.place} broke off: {_short(error)}"
        return Attempt(fate=Fate.NOT_ACCEPTED, reason=reason)
    try:
        response = connection.getresponse()
    except (OSError, http.client.HTTPException) as error:
        reason = (
            f"{asked.place} never answered ({_short(error)}), so it may or may not have arrived"
        )
        return Attempt(fate=Fate.UNKNOWN, reason=reason)
    return _outcome(response, asked)


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


def _outcome(response: http.client.HTTPResponse, asked: _Question) -> Attempt:
    if 200 <= response.status < 300:
        return Attempt(fate=Fate.ACCEPTED)
    said = _words(response, secrets=asked.secrets)
    reason = f"{asked.place} answered {response.status} {said}".rstrip()
    if 300 <= response.status < 400:
        reason = (
            f"{asked.place} answered {response.status}; redirects are not followed: check the URL"
        )
        return Attempt(fate=Fate.REFUSED, reason=reason)
    if response.status >= 500 or response.status in _MAY_SUCCEED_LATER:
        return Attempt(
            fate=Fate.NOT_ACCEPTED,
            reason=reason,
            retry_after_seconds=_retry_after(
                response.getheader("Retry-After"), sent_at=asked.sent_at
            ),
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
    return _plain(text)


def _retry_after(text: str | None, *, sent_at: datetime) -> int | None:
    """Seconds, or the seconds until a date; None when the receiver asked for nothing sensible."""
    if text is None:
        return None
    digits = text.strip()
    if digits.isdecimal():
        if len(digits) > _MOST_DIGITS:
            return _LONGEST_RETRY_AFTER_SECONDS
        seconds = int(digits)
    else:
        try:
            date = parsedate_to_datetime(text)
        except (ValueError, OverflowError):
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
    return _plain(str(error)) or type(error).__name__


def _plain(text: str) -> str:
    """What another side said, on one line, without control characters and cut to a length."""
    printable = "".join(letter for letter in " ".join(text.split()) if letter.isprintable())
    return shortened(printable, most=_MOST_REASON)
