"""Telling a full disk from other failures, whichever library met it.

Belongs here: recognising it, and the one line that says so. Does not belong here: cleaning up after
it, which each writer does by writing beside and renaming.
"""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator
from pathlib import Path

# A disk, a quota, and a limit of the process (ulimit -f), which ends a file in the same way.
_ERRNOS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
# How the operating system, DuckDB and SQLite say it; an error that crossed a library is text only.
_TEXTS = (
    "No space left on device",
    "Disk quota exceeded",
    "File too large",
    "database or disk is full",
)
# SQLite says no more than this where its log cannot grow.
_VAGUE_TEXT = "disk I/O error"
_NEARLY_NOTHING_BYTES = 1_000_000


def is_out_of_space(error: BaseException, *, home: Path) -> bool:
    """Whether an error, or what it came from, is that a disk is full."""
    return any(
        (isinstance(one, OSError) and one.errno in _ERRNOS)
        or says_out_of_space(str(one), home=home)
        for one in _chain(error)
    )


def says_out_of_space(text: str, *, home: Path) -> bool:
    """Whether the text of an error is that a disk is full."""
    if any(known in text for known in _TEXTS):
        return True
    return _VAGUE_TEXT in text and shutil.disk_usage(home).free < _NEARLY_NOTHING_BYTES


def out_of_space(home: Path) -> str:
    """What to tell a person: object, value, fix."""
    return (
        f"the disk that holds {home} is full, or a quota or file size limit is reached; free space or"
        " raise the limit, then run again (what is published stays as it was)"
    )


def _chain(error: BaseException) -> Iterator[BaseException]:
    current: BaseException | None = error
    while current is not None:
        yield current
        current = current.__cause__ or current.__context__
