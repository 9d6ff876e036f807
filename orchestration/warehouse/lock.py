"""The lock that lets one process at a time write the warehouse file, or parse the project.

DuckDB lets one process write a file and then no other read it. The operating system frees this lock when
its owner dies, so a killed run never blocks the next one (a Dagster pool slot would stay taken).

Belongs here: that lock, and the one that every run shares while it is at work. Does not belong here: what is
done while they are held.
"""

from __future__ import annotations

import fcntl
import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

# What a terminal shows of waiting.
LOGGER = logging.getLogger("agentmart.lock")


@contextmanager
def exclusive_lock(path: Path, *, on_wait: Callable[[str], object]) -> Iterator[None]:
    """Hold the lock; while another process has it, say so through ``on_wait`` and wait."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            on_wait(f"{path.stem} is in use by {_owner(file)}; waiting until it is done.")
            fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        file.truncate()
        file.write(str(os.getpid()))
        file.flush()
        yield


def _owner(file: IO[str]) -> str:
    """Who holds the lock, and since when: it wrote its number into the file as it took it."""
    file.seek(0)
    number = file.read().strip() or "unknown"
    since = datetime.fromtimestamp(int(os.fstat(file.fileno()).st_mtime), tz=UTC)
    return f"process {number} since {since:%Y-%m-%d %H:%M:%S} UTC"


@contextmanager
def shared_lock(path: Path) -> Iterator[None]:
    """Hold the lock together with any number of others, while nobody has it for itself."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        yield


@contextmanager
def lock_if_free(path: Path) -> Iterator[bool]:
    """Hold the lock if nobody has it; False, without waiting, if a process has."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
