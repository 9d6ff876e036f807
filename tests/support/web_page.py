"""`agentmart ui` as a person starts it, on a free port of this machine, stopped with all it started.

Belongs here: its process. Does not belong here: the browser (browser.py).
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from orchestration.settings import PROJECT_ROOT
from tests.support.command_line import command_environment

_SECONDS_TO_STOP = 20


@contextmanager
def served_ui(home: Path, *, log: Path, most_seconds: float) -> Iterator[str]:
    """The address of the page on a deployment, once it answers."""
    port = _free_port()
    with log.open("w", encoding="utf-8") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "orchestration.cli.main", "ui", "--port", str(port)],
            env=command_environment(home),
            cwd=PROJECT_ROOT,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            address = f"http://127.0.0.1:{port}"
            _wait_for(address, process=process, log=log, most_seconds=most_seconds)
            yield address
        finally:
            _stop(process)


def _free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


def _wait_for(
    address: str, *, process: subprocess.Popen[bytes], log: Path, most_seconds: float
) -> None:
    until = time.monotonic() + most_seconds
    while time.monotonic() < until:
        assert process.poll() is None, log.read_text(encoding="utf-8")
        try:
            with urllib.request.urlopen(f"{address}/server_info", timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.5)
    raise AssertionError(f"{address} does not answer: {log.read_text(encoding='utf-8')}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Ask the whole session to stop, as Ctrl-C does, then make it."""
    for sign in (signal.SIGINT, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, sign)
        with suppress(subprocess.TimeoutExpired):
            process.wait(_SECONDS_TO_STOP)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
