"""The lock that lets one process at a time write the warehouse file, or parse the project.

DuckDB lets one process write a file and then no other read it. The operating system frees this lock when
its owner dies, so a killed run never blocks the next one (a Dagster pool slot would stay taken).

Belongs here: that lock. Does not belong here: what is done while it is held.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def exclusive_lock(path: Path, *, on_wait: Callable[[str], object]) -> Iterator[None]:
    """Hold the lock; while another process has it, say so through ``on_wait`` and wait."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            owner = file.read().strip() or "unknown"
            on_wait(f"{path.stem} is in use by process {owner}; waiting until it is done.")
            fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        file.truncate()
        file.write(str(os.getpid()))
        file.flush()
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
