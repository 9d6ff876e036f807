"""How far the making of reports is: figures for a person who waits.

Belongs here: counting and wording. Does not belong here: where it is shown (cli/progress.py), and
any clock: times come in.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

# What the making of reports says: its progress as ``progress`` of the record.
LOGGER = logging.getLogger("agentmart.reports")


@dataclass(frozen=True, kw_only=True)
class ReportProgress:
    """A moment of making reports; ``done`` counts those that failed, too."""

    done: int
    failed: int
    due: int
    seconds: float

    @property
    def is_complete(self) -> bool:
        return self.done == self.due

    def line(self) -> str:
        failed = f", {self.failed:,} failed" if self.failed else ""
        left = ""
        if self.done and not self.is_complete:
            left = f", {self.seconds * (self.due - self.done) / self.done:,.0f} s left"
        return f"{self.done:,} of {self.due:,} reports{failed}{left}"


def log_progress(progress: ReportProgress) -> None:
    LOGGER.info("%s", progress.line(), extra={"progress": progress})
