"""How far a load is: figures for a person who waits, and the line each file gets in a log.

Belongs here: counting and wording. Does not belong here: where it is shown (cli/progress.py, the
log of Dagster), and any clock: times come in.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock

# What a load says: a line per file, and its progress as ``progress`` of the record.
LOGGER = logging.getLogger("agentmart.load")


@dataclass(frozen=True, kw_only=True)
class LoadProgress:
    """A moment of a load. Files and bytes are those that were not loaded before."""

    files_done: int
    files_found: int
    bytes_done: int
    bytes_found: int
    rows_read: int
    seconds: float

    @property
    def is_complete(self) -> bool:
        return self.files_done == self.files_found

    @property
    def rows_per_second(self) -> float:
        return self.rows_read / self.seconds if self.seconds else 0.0

    @property
    def seconds_left(self) -> float | None:
        """By the bytes that are left; None before the first were read."""
        if not self.bytes_done:
            return None
        return self.seconds * (self.bytes_found - self.bytes_done) / self.bytes_done

    def line(self) -> str:
        left = "" if self.seconds_left is None else f", {_duration(self.seconds_left)} left"
        return (
            f"{self.files_done:,} of {self.files_found:,} files, {self.rows_read:,} rows,"
            f" {self.rows_per_second:,.0f} rows/s{left}"
        )


def log_progress(progress: LoadProgress) -> None:
    LOGGER.info("%s", progress.line(), extra={"progress": progress})


class ProgressCount:
    """Counts what several threads have done, and tells of every step.

    Args:
        timer: seconds from any beginning.
        tell: called with the progress after each step, by one thread at a time.
    """

    def __init__(
        self, *, timer: Callable[[], float], tell: Callable[[LoadProgress], None] | None
    ) -> None:
        self._timer = timer
        self._tell = tell
        self._lock = Lock()
        self._started = timer()
        self._files_found = self._files_done = 0
        self._bytes_found = self._bytes_done = 0
        self._rows_read = 0

    def found(self, *, files: int, size_bytes: int) -> None:
        with self._lock:
            self._files_found += files
            self._bytes_found += size_bytes
            self._say()

    def done(self, *, files: int = 0, size_bytes: int = 0, rows: int = 0) -> None:
        with self._lock:
            self._files_done += files
            self._bytes_done += size_bytes
            self._rows_read += rows
            self._say()

    def _say(self) -> None:
        if self._tell is not None:
            self._tell(
                LoadProgress(
                    files_done=self._files_done,
                    files_found=self._files_found,
                    bytes_done=self._bytes_done,
                    bytes_found=self._bytes_found,
                    rows_read=self._rows_read,
                    seconds=self._timer() - self._started,
                )
            )


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


class FileCount:
    """The part of one file in the count: its pieces one by one, the rest when it ends."""

    def __init__(self, count: ProgressCount, *, size_bytes: int) -> None:
        self._count = count
        self._bytes_left = size_bytes
        self._size_bytes = size_bytes

    def piece_done(self, *, of: int, rows: int) -> None:
        share = self._size_bytes // of
        self._bytes_left -= share
        self._count.done(size_bytes=share, rows=rows)

    def end(self) -> None:
        self._count.done(files=1, size_bytes=self._bytes_left)
