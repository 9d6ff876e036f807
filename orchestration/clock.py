"""The one place that reads the wall clock, and the options that replace it."""

from __future__ import annotations

from datetime import UTC, datetime


def now() -> datetime:
    """The current time, aware, in UTC, to the second."""
    return datetime.now(tz=UTC).replace(microsecond=0)
