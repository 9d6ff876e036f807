"""The mail server of the tests as a process: started, killed, and asked what it received.

Belongs here: that process. Does not belong here: how it answers (smtp_server.py).
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path

from tests.support import smtp_server


@dataclass(frozen=True, kw_only=True)
class MailServer:
    """Where a server listens, or listened, and keeps what it accepted."""

    port: int
    folder: Path
    certificate: Path

    @property
    def environ(self) -> dict[str, str]:
        """What makes a deployment send through it."""
        return {
            "AGENTMART_SMTP_HOST": "127.0.0.1",
            "AGENTMART_SMTP_PORT": str(self.port),
            "AGENTMART_SMTP_USER": smtp_server.USER,
            "AGENTMART_SMTP_PASSWORD": smtp_server.PASSWORD,
            "AGENTMART_MAIL_FROM": "Reports <reports@example.org>",
            "SSL_CERT_FILE": str(self.certificate),
        }


def received(folder: Path) -> list[tuple[str, EmailMessage]]:
    """Each accepted message with its recipient, of every server that kept them below the folder."""
    return [
        (path.stem.partition("-")[2], message_from_bytes(path.read_bytes(), policy=default))
        for path in sorted(folder.rglob("*.eml"))
    ]


@contextmanager
def mail_server(folder: Path, *, certificate: tuple[Path, Path]) -> Iterator[MailServer]:
    """A server that listens on loopback until the block ends."""
    folder.mkdir(parents=True)
    with subprocess.Popen(
        [sys.executable, smtp_server.__file__, str(folder), *map(str, certificate)],
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            port = int(process.stdout.readline())
            yield MailServer(port=port, folder=folder, certificate=certificate[0])
        finally:
            process.kill()
            process.wait()
