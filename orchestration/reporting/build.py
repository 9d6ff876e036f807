"""From rows to a report: which sections an audience gets, in which order.

Belongs here: that choice and the header. Does not belong here: what a section says (sections) and
reading rows (gather).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from orchestration.reporting.brands import Brand
from orchestration.reporting.formats import written_as
from orchestration.reporting.gather import ReportRows
from orchestration.reporting.model import Frequency, Header, Report, Section
from orchestration.reporting.scopes import ScopeKind
from orchestration.reporting.sections.agents import agents
from orchestration.reporting.sections.compliance import compliance
from orchestration.reporting.sections.cost import cost
from orchestration.reporting.sections.digest import morning_check
from orchestration.reporting.sections.engagement import engagement
from orchestration.reporting.sections.feedback import feedback
from orchestration.reporting.sections.health import health
from orchestration.reporting.sections.notes import data_notes, gaps
from orchestration.reporting.sections.overview import overview, statement
from orchestration.reporting.sections.plans import plans
from orchestration.reporting.sections.quality import quality
from orchestration.reporting.sections.revenue import adoption, revenue
from orchestration.reporting.sections.review import review
from orchestration.reporting.sections.tasks import tasks

_TITLES = {
    Frequency.DAILY: "Daily digest",
    Frequency.WEEKLY: "Weekly report",
    Frequency.MONTHLY: "Monthly report",
}
_Section = Callable[[ReportRows], Section]
# What a morning needs; the rest is the weekly report's.
_DIGEST: Mapping[ScopeKind, tuple[_Section, ...]] = {
    ScopeKind.PLATFORM: (overview, morning_check, agents, cost, health, data_notes),
    ScopeKind.PUBLISHER: (overview, morning_check, agents, revenue, data_notes),
    ScopeKind.TENANT: (overview, morning_check, agents, cost, health, data_notes),
}
_SECTIONS: Mapping[ScopeKind, tuple[_Section, ...]] = {
    ScopeKind.PLATFORM: (
        overview,
        engagement,
        agents,
        quality,
        tasks,
        cost,
        revenue,
        adoption,
        compliance,
        feedback,
        health,
        plans,
        data_notes,
    ),
    ScopeKind.PUBLISHER: (
        overview,
        adoption,
        revenue,
        quality,
        engagement,
        agents,
        tasks,
        cost,
        compliance,
        feedback,
        health,
        plans,
        data_notes,
    ),
    ScopeKind.TENANT: (
        overview,
        engagement,
        agents,
        quality,
        tasks,
        cost,
        compliance,
        feedback,
        health,
        plans,
        data_notes,
    ),
}


def sections_of(kind: ScopeKind, frequency: Frequency) -> tuple[_Section, ...]:
    """The sections of a report, in order; a month begins with what was made of it."""
    if frequency is Frequency.DAILY:
        return _DIGEST[kind]
    first, *others = _SECTIONS[kind]
    return (first, review, *others) if frequency is Frequency.MONTHLY else (first, *others)


def build_report(rows: ReportRows) -> Report:
    """The report that these rows make; the same rows make an equal report."""
    brand = rows.reference.brands.of(rows.window.scope.text, source=rows.window.scope.source_name)
    with written_as(brand.style):
        return _report(rows, brand)


def _report(rows: ReportRows, brand: Brand) -> Report:
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
        gaps=gaps(rows),
        brand=brand,
    )
    sections = tuple(section(rows) for section in sections_of(window.scope.kind, window.frequency))
    return Report(header=header, statement=statement(rows), sections=sections)
