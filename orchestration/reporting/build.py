"""From rows to a report: which sections an audience gets, in which order.

Belongs here: that choice and the header. Does not belong here: what a section says (sections) and
reading rows (gather).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from orchestration.reporting.gather import ReportRows
from orchestration.reporting.model import Frequency, Header, Report, Section
from orchestration.reporting.scopes import ScopeKind
from orchestration.reporting.sections.agents import agents
from orchestration.reporting.sections.compliance import compliance
from orchestration.reporting.sections.cost import cost
from orchestration.reporting.sections.engagement import engagement
from orchestration.reporting.sections.feedback import feedback
from orchestration.reporting.sections.health import health
from orchestration.reporting.sections.notes import data_notes
from orchestration.reporting.sections.overview import overview, statement
from orchestration.reporting.sections.quality import quality
from orchestration.reporting.sections.revenue import adoption, revenue

_TITLES = {
    Frequency.DAILY: "Daily digest",
    Frequency.WEEKLY: "Weekly report",
    Frequency.MONTHLY: "Monthly report",
}
_SECTIONS: Mapping[ScopeKind, tuple[Callable[[ReportRows], Section], ...]] = {
    ScopeKind.PLATFORM: (
        overview,
        engagement,
        agents,
        cost,
        revenue,
        adoption,
        quality,
        compliance,
        feedback,
        health,
        data_notes,
    ),
    ScopeKind.PUBLISHER: (
        overview,
        adoption,
        revenue,
        quality,
        engagement,
        agents,
        cost,
        compliance,
        feedback,
        health,
        data_notes,
    ),
    ScopeKind.TENANT: (
        overview,
        engagement,
        agents,
        cost,
        quality,
        compliance,
        feedback,
        health,
        data_notes,
    ),
}


def build_report(rows: ReportRows) -> Report:
    """The report that these rows make; the same rows make an equal report."""
    window = rows.window
    header = Header(
        scope=window.scope,
        frequency=window.frequency,
        title=_TITLES[window.frequency],
        period=window.period,
        period_text=window.period_text,
        first_day=window.first_day,
        last_day=window.last_day,
        zone=window.time_zone,
        window_start=window.start_at,
        window_end=window.end_at,
        as_of=rows.publication.as_of,
        data_until=rows.publication.data_until,
        is_partial=window.is_partial,
    )
    sections = tuple(section(rows) for section in _SECTIONS[window.scope.kind])
    return Report(header=header, statement=statement(rows), sections=sections)
