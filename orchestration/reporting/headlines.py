"""The lines that head and foot a report in every format: subject, freshness, as-of.

Belongs here: texts made from the header alone. Does not belong here: figures.
"""

from __future__ import annotations

from orchestration.reporting.formats import format_clock, format_instant, shorten
from orchestration.reporting.model import Report


def mail_subject(report: Report) -> str:
    """``Acme Support Weekly Analytics Report: Feb 23 – Mar 1, 2026``."""
    header = report.header
    name = shorten(header.scope.name, 60)
    frequency = header.frequency.value.capitalize()
    return f"{name} {frequency} Analytics Report: {header.period_text}"


def meta_line(report: Report) -> str:
    """Zone, as-of, freshness, late sources and days without data on one line."""
    header = report.header
    parts = [f"Time zone {header.zone}", f"as of {format_clock(header.as_of, header.zone)}"]
    if header.data_until is not None:
        parts.append(f"data until {format_clock(header.data_until, header.zone)}")
    if header.is_partial:
        parts.append("period still open")
    parts += header.gaps
    return " · ".join(parts)


def footer_line(report: Report) -> str:
    """What stands at the foot of every page."""
    return f"As of {format_instant(report.header.as_of, report.header.zone)}"
