"""A real mail server in a process of its own, for tests of delivery.

It listens on a free loopback port with STARTTLS and AUTH, and keeps each message it accepts as a
file. The local part of a recipient says how the server treats the message:

    refused-…    550 at RCPT               later-…     450 at RCPT
    rejected-…   554 after the message     greylist-…  451 after the message
    drop-…       accepted and kept, then the connection is cut before the reply
    vanish-…     the connection is cut at RCPT
"""

from __future__ import annotations

import argparse
import asyncio
import ssl
import sys
from pathlib import Path

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

USER = "reports"
PASSWORD = "correct horse"


class _Mailbox:
    """Treats messages as the recipient's name asks, and keeps the accepted ones."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._count = 0

    async def handle_RCPT(  # noqa: N802 - the library's name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        del session, options
        if address.startswith("refused-"):
            return "550 no such mailbox"
        if address.startswith("later-"):
            return "450 mailbox busy, try again later"
        if address.startswith("vanish-"):
            _cut(server)
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(  # noqa: N802 - the library's name
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        del session
        (recipient,) = envelope.rcpt_tos
        if recipient.startswith("rejected-"):
            return "554 not wanted here"
        if recipient.startswith("greylist-"):
            return "451 come back later"
        self._count += 1
        content = envelope.content
        if not isinstance(content, bytes):
            raise TypeError("the server keeps messages as bytes")
        (self._folder / f"{self._count:04d}-{recipient}.eml").write_bytes(content)
        if recipient.startswith("drop-"):
            _cut(server)
        return "250 kept"


def _cut(server: SMTP) -> None:
    transport = server.transport
    if isinstance(transport, asyncio.WriteTransport):
        transport.abort()


def _authenticate(
    server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: object
) -> AuthResult:
    del server, session, envelope, mechanism
    is_known = isinstance(data, LoginPassword) and (
        data.login.decode() == USER and data.password.decode() == PASSWORD
    )
    return AuthResult(success=is_known, handled=False)


async def _serve(folder: Path, certificate: Path, key: Path) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    mailbox = _Mailbox(folder)

    def session() -> SMTP:
        return SMTP(
            mailbox,
            tls_context=context,
            require_starttls=True,
            authenticator=_authenticate,
            auth_required=True,
            hostname="localhost",
        )

    server = await asyncio.get_running_loop().create_server(session, host="127.0.0.1", port=0)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("certificate", type=Path)
    parser.add_argument("key", type=Path)
    chosen = parser.parse_args()
    asyncio.run(_serve(chosen.folder, chosen.certificate, chosen.key))
