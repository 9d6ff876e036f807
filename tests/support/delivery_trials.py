"""Trials of delivery: senders that are killed and a server that misbehaves, then what became of it.

Belongs here: one trial and what must hold after it. Does not belong here: how many are made, and
with which seeds (the tests), and how the server misbehaves (faulty_smtp_server).
"""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from orchestration.delivery.channels.smtp import SmtpChannel
from orchestration.delivery.outbox import MessageState, Outbox
from orchestration.delivery.send import DeliveryRun, deliver, resend
from orchestration.settings import PROJECT_ROOT, Settings, SmtpSettings
from tests.support import faulty_smtp_server
from tests.support.delivery import AS_OF, deployment, queue
from tests.support.faulty_smtp_server import SLOW_SECONDS, Plan, accepted, announce_sender, faults

GOOD = tuple(f"{name}@example.org" for name in ("ann", "bob", "cy", "dee"))
BAD = ("refused-x@example.org", "rejected-x@example.org")
# In the order of the outbox, the bad among the good.
RECIPIENTS = (GOOD[0], BAD[0], GOOD[1], BAD[1], *GOOD[2:])

_READY = "sending"
# How long an undisturbed delivery of the six takes at most on a busy machine.
_DELIVERY_SECONDS = 0.4
_MOST_ROUNDS = 6


@dataclass
class Tally:
    """What came to pass in some trials."""

    trials: int = 0
    kills: int = 0
    sent: int = 0
    failed: int = 0
    parked: int = 0
    parked_yet_arrived: int = 0
    faults: Counter[str] = field(default_factory=Counter)


@contextmanager
def misbehaving_server(folder: Path) -> Iterator[int]:
    """The server's port, while it runs."""
    Plan(seed="", is_healthy=True).write(folder)
    with subprocess.Popen(
        [sys.executable, faulty_smtp_server.__file__, str(folder)],
        stdout=subprocess.PIPE,
        text=True,
    ) as server:
        try:
            assert server.stdout is not None
            yield int(server.stdout.readline())
        finally:
            server.kill()


def try_delivery(home: Path, *, seed: str, port: int, server: Path, tally: Tally) -> None:
    """Send six messages through up to three disturbed senders and then undisturbed ones.

    Whatever happened, each good recipient has the message once, or its fate is unknown and it waits
    for a person; each bad one is listed with the server's words.
    """
    chance = random.Random(seed)
    settings = replace(deployment(home), smtp=_smtp(port))
    queue(settings, *RECIPIENTS)
    arrived_before, faults_before = len(accepted(server)), len(faults(server))
    for number in range(chance.randint(1, 3)):
        Plan(seed=f"{seed} {number}").write(server)
        after = chance.uniform(0, _DELIVERY_SECONDS) if chance.random() < 0.5 else None
        tally.kills += _send_and_kill(home, port, server, after=after)
    Plan(seed=seed, is_healthy=True).write(server)
    outcome = _send_undisturbed(settings)
    arrived = Counter(accepted(server)[arrived_before:])
    tally.trials += 1
    tally.faults.update(faults(server)[faults_before:])
    _check(settings, outcome, arrived, tally)
    _check_resent(settings, arrived, server)


def _check(settings: Settings, outcome: DeliveryRun, arrived: Counter[str], tally: Tally) -> None:
    listed = {message.message_id: message for message in outcome.waiting}
    for message in Outbox(settings.state_file).messages():
        copies = arrived[message.recipient]
        assert copies <= 1, f"{message} arrived {copies} times"
        if message.state is MessageState.SENT:
            tally.sent += 1
            assert (message.recipient in GOOD, copies) == (True, 1), message
            continue
        assert message.message_id in listed, message
        if message.state is MessageState.FAILED:
            tally.failed += 1
            assert (message.recipient in BAD, copies) == (True, 0), message
            assert " 550 " in str(message.reason) or " 554 " in str(message.reason)
        else:
            assert message.state is MessageState.PARKED, message
            tally.parked += 1
            tally.parked_yet_arrived += copies
            assert f"--resend {message.message_id}" in str(message.reason)


def _check_resent(settings: Settings, arrived: Counter[str], server: Path) -> None:
    """A parked message goes again when a person asks, once, and no other does."""
    parked = Outbox(settings.state_file).messages(MessageState.PARKED)
    before = len(accepted(server))
    for message in parked:
        resend(settings=settings, message_id=message.message_id, as_of=AS_OF)
    outcome = _send_undisturbed(settings)
    again = Counter(accepted(server)[before:])
    assert again == Counter(one.recipient for one in parked if one.recipient in GOOD)
    assert {one.recipient for one in outcome.waiting} == set(BAD)
    assert all((arrived + again)[recipient] >= 1 for recipient in GOOD)


def _send_undisturbed(settings: Settings) -> DeliveryRun:
    for _ in range(_MOST_ROUNDS):
        outcome = deliver(settings=settings, as_of=AS_OF)
        if not Outbox(settings.state_file).messages(MessageState.PENDING):
            return outcome
    raise AssertionError(f"still waiting: {[str(one) for one in outcome.waiting]}")


def _send_and_kill(home: Path, port: int, server: Path, *, after: float | None) -> bool:
    """Start a sender, and kill it after so many seconds if the server does not; True when killed."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.support.delivery_trials", str(home), str(port), str(server)],
        cwd=PROJECT_ROOT,
        stdout=subprocess.PIPE,
        text=True,
    ) as sender:
        try:
            assert sender.stdout is not None
            assert sender.stdout.readline().strip() == _READY
            if after is not None:
                time.sleep(after)
                sender.kill()
            exit_code = sender.wait(timeout=60)
        finally:
            sender.kill()
            faulty_smtp_server.forget_sender(server)
    assert exit_code in (0, -signal.SIGKILL)
    return exit_code != 0


def _smtp(port: int) -> SmtpSettings:
    return SmtpSettings(
        host="127.0.0.1", port=port, security="none", sender="Reports <reports@example.org>"
    )


if __name__ == "__main__":
    announce_sender(Path(sys.argv[3]))
    sending = Settings(home=Path(sys.argv[1]), smtp=_smtp(int(sys.argv[2])))
    impatient = SmtpChannel(
        _smtp(int(sys.argv[2])), timeout=SLOW_SECONDS / 2, confirmation=SLOW_SECONDS / 2
    )
    sys.stdout.write(f"{_READY}\n")
    sys.stdout.flush()
    deliver(settings=sending, as_of=AS_OF, channel=impatient)
