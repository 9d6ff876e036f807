"""The one place that reads the wall clock, for runs without an as-of time.

Belongs here: that one reading. Does not belong here: parsing of times (reporting/periods).
"""

from __future__ import annotations

from datetime import UTC, datetime


def now() -> datetime:
    """The current time, aware, in UTC, to the second."""
    return datetime.now(tz=UTC).replace(microsecond=0)
