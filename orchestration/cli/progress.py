"""How a load, and the making of reports, show themselves while they go on: one line that changes on a
terminal, else a line per file.

Belongs here: writing to stderr. Does not belong here: what the lines say (ingest/, reporting/).
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import click

# The line is drawn again when this much time has passed, and when it is complete.
_SECONDS_BETWEEN = 0.1
_CLEAR = "\r\x1b[2K"


class _TerminalLine(logging.Handler):
    """Draws the progress over itself; files that failed get a line of their own above it."""

    def __init__(self) -> None:
        super().__init__()
        self._drawn_at = float("-inf")
        self._line = ""

    def emit(self, record: logging.LogRecord) -> None:
        progress = getattr(record, "progress", None)
        if progress is None:
            if record.levelno >= logging.WARNING:
                click.echo(f"{_CLEAR}{record.getMessage()}\n{self._line}", nl=False, err=True)
            return
        self._line = f"  {progress.line()}"
        if progress.is_complete or progress.seconds - self._drawn_at >= _SECONDS_BETWEEN:
            self._drawn_at = progress.seconds
            click.echo(f"{_CLEAR}{self._line}", nl=False, err=True)

    def end(self) -> None:
        if self._line:
            click.echo(f"{_CLEAR}{self._line}", err=True)


class _PlainLines(logging.Handler):
    """Writes what is said of each file."""

    def emit(self, record: logging.LogRecord) -> None:
        if getattr(record, "progress", None) is None:
            click.echo(record.getMessage(), err=True)

    def end(self) -> None:
        """Nothing is left to write."""


@contextmanager
def shown_load() -> Iterator[None]:
    """Show on stderr what the logger of loads says meanwhile."""
    from orchestration.ingest.progress import LOGGER

    with _shown(LOGGER):
        yield


@contextmanager
def shown_reports() -> Iterator[None]:
    """Show on stderr what the logger of reports says meanwhile."""
    from orchestration.reporting.progress import LOGGER

    with _shown(LOGGER):
        yield


@contextmanager
def shown_retries() -> Iterator[None]:
    """Show on stderr which steps are tried again meanwhile."""
    from orchestration.defs.retries import LOGGER

    with _shown(LOGGER):
        yield


@contextmanager
def shown_waits() -> Iterator[None]:
    """Show on stderr which other run this one waits for."""
    from orchestration.warehouse.lock import LOGGER

    with _shown(LOGGER):
        yield


@contextmanager
def _shown(logger: logging.Logger) -> Iterator[None]:
    handler = _TerminalLine() if sys.stderr.isatty() else _PlainLines()
    level, propagates = logger.level, logger.propagate
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    # A library that the run loads gives the root logger a handler: each line would be there twice.
    logger.propagate = False
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
        logger.propagate = propagates
        handler.end()
