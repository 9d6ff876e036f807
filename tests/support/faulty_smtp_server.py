"""A mail server in a process of its own that misbehaves as it is told, for trials of delivery.

Before each sender the trial writes a plan (``Plan``) into the server's folder. For each connection
the server draws from it, by its seed, whether something goes wrong and where:

    cut       the connection ends after so many bytes from the sender, be it within a message
    drop      the connection ends instead of a reply
    hang up   the connection ends right after a reply
    slow      a reply comes later than the sender waits for it
    kill      the sender is killed (SIGKILL) just before a reply goes out, or just after
    nonsense  a message is kept, and confirmed with a reply that is none
    put off   451 to MAIL, RCPT or the message; 421 instead of the greeting

Whatever the plan, ``refused-…`` gets 550 at RCPT and ``rejected-…`` 554 after the message. What the
server has accepted stands in ``accepted``, one line per message, before it says so.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import signal
import sys
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, AnyStr

from aiosmtpd.smtp import SMTP, Envelope, Session

SLOW_SECONDS = 0.5
KINDS = ("cut", "drop", "hang up", "slow", "kill before", "kill after", "nonsense", "put off")
# Most of the replies to a sender of six messages, from the greeting on.
_MOST_REPLIES = 32
_MOST_BYTES = 12_000
_SENDER_FILE = "sender.pid"


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What may go wrong from now on."""

    seed: str
    is_healthy: bool = False

    def write(self, folder: Path) -> None:
        (folder / "plan.json").write_text(json.dumps(asdict(self)))


def announce_sender(folder: Path) -> None:
    """Called by a sender, so that the server can kill it."""
    (folder / _SENDER_FILE).write_text(str(os.getpid()))


def forget_sender(folder: Path) -> None:
    """Called once the sender has ended: its number may become another's."""
    (folder / _SENDER_FILE).unlink(missing_ok=True)


def accepted(folder: Path) -> list[str]:
    """The recipient of each message that the server took, in order."""
    return _lines(folder / "accepted")


def faults(folder: Path) -> list[str]:
    """The kind of each fault that came to pass."""
    return _lines(folder / "faults")


def _lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


class _Fault:
    """What goes wrong in one connection, if anything, and when."""

    def __init__(self, folder: Path, plan: Plan, *, connection: int) -> None:
        self._folder = folder
        chance = random.Random(f"{plan.seed} {connection}")
        is_faulty = not plan.is_healthy and chance.random() < 0.9
        self.kind = chance.choice(KINDS) if is_faulty else ""
        self.at_reply = chance.randrange(_MOST_REPLIES)
        self.at_byte = chance.randrange(_MOST_BYTES)

    def comes_to_pass(self, kind: str) -> None:
        with (self._folder / "faults").open("a") as file:
            file.write(f"{kind}\n")
        self.kind = ""

    def puts_off(self, where: int) -> bool:
        """Whether the greeting (0), MAIL, RCPT or the message (3) is to be put off."""
        is_meant = self.kind == "put off" and self.at_reply % 4 == where
        if is_meant:
            self.comes_to_pass("put off")
        return is_meant

    def kill_sender(self) -> None:
        file = self._folder / _SENDER_FILE
        if file.exists():
            os.kill(int(file.read_text()), signal.SIGKILL)


class _Server(SMTP):
    def __init__(self, folder: Path, fault: _Fault, **options: Any) -> None:
        self.fault = fault
        self._replies = self._received = 0
        super().__init__(_Mailbox(folder, fault), **options)

    def data_received(self, data: bytes) -> None:
        left = self.fault.at_byte - self._received
        self._received += len(data)
        if self.fault.kind == "cut" and left < len(data):
            self.fault.comes_to_pass("cut")
            super().data_received(data[:left])
            self._cut()
            return
        super().data_received(data)

    async def push(self, status: AnyStr) -> None:
        number, kind = self._replies, self.fault.kind
        self._replies += 1
        if number == 0 and self.fault.puts_off(0):
            await super().push("421 too busy")
            self._cut()
            return
        if number != self.fault.at_reply or kind in ("", "cut", "nonsense", "put off"):
            await super().push(status)
            return
        self.fault.comes_to_pass(kind)
        if kind == "slow":
            await asyncio.sleep(SLOW_SECONDS)
        if kind == "kill before":
            self.fault.kill_sender()
        if kind == "drop":
            self._cut()
            return
        await super().push(status)
        if kind == "kill after":
            self.fault.kill_sender()
        if kind == "hang up":
            self._cut()

    def _cut(self) -> None:
        if isinstance(self.transport, asyncio.WriteTransport):
            self.transport.abort()


class _Mailbox:
    """Keeps what it accepts, as lines in a file."""

    def __init__(self, folder: Path, fault: _Fault) -> None:
        self._folder = folder
        self._fault = fault

    async def handle_MAIL(  # noqa: N802 - the library's name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        del server, session, options
        if self._fault.puts_off(1):
            return "451 not now"
        envelope.mail_from = address
        return "250 OK"

    async def handle_RCPT(  # noqa: N802 - the library's name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        del server, session, options
        if address.startswith("refused-"):
            return "550 no such mailbox"
        if self._fault.puts_off(2):
            return "451 mailbox busy"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(  # noqa: N802 - the library's name
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        del server, session
        (recipient,) = envelope.rcpt_tos
        if recipient.startswith("rejected-"):
            return "554 not wanted here"
        if self._fault.puts_off(3):
            return "451 come back later"
        with (self._folder / "accepted").open("a") as file:
            file.write(f"{recipient}\n")
            file.flush()
            os.fsync(file.fileno())
        if self._fault.kind == "nonsense":
            self._fault.comes_to_pass("nonsense")
            return "kept it"
        return "250 kept"


async def _serve(folder: Path) -> None:
    connections: Counter[str] = Counter()

    def connected() -> SMTP:
        plan = Plan(**json.loads((folder / "plan.json").read_text()))
        connections[plan.seed] += 1
        fault = _Fault(folder, plan, connection=connections[plan.seed])
        return _Server(folder, fault, hostname="localhost")

    server = await asyncio.get_running_loop().create_server(connected, host="127.0.0.1", port=0)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    asyncio.run(_serve(parser.parse_args().folder))
