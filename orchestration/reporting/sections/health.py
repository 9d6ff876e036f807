"""Health: whether the platform's services were there and kept up.

Belongs here: uptime, requests, queues. Does not belong here: errors of agents (agents).
"""

from __future__ import annotations

from orchestration.reporting.formats import Unit
from orchestration.reporting.gather import ReportRows
from orchestration.reporting.model import Block, Empty, Figures, Section, Sentences
from orchestration.reporting.scopes import ScopeKind
from orchestration.reporting.sections.common import Measure, figures, period_noun

_FIGURES = (
    Measure(mart="health_summary", column="uptime", label="Uptime", unit=Unit.UPTIME),
    Measure(mart="health_summary", column="incident_count", label="Incidents", unit=Unit.COUNT),
    Measure(
        mart="health_summary",
        column="request_success_rate",
        label="Requests served",
        unit=Unit.FRACTION,
    ),
    Measure(
        mart="health_summary",
        column="p95_queue_depth",
        label="Waiting requests, P95",
        unit=Unit.COUNT,
    ),
    Measure(
        mart="health_summary",
        column="peak_rpm",
        label="Peak requests / minute",
        unit=Unit.COUNT,
    ),
    Measure(
        mart="health_summary",
        column="capacity_rpm",
        label="Capacity / minute",
        unit=Unit.COUNT,
    ),
    Measure(
        mart="health_summary",
        column="capacity_utilisation",
        label="Capacity used at peak",
        unit=Unit.FRACTION,
    ),
    Measure(
        mart="health_summary",
        column="zero_queue_share",
        label="Time with nothing waiting",
        unit=Unit.FRACTION,
    ),
)


def health(rows: ReportRows) -> Section:
    """Uptime, incidents, requests and queues of the platform's services."""
    summary = rows.summary("health_summary")
    nothing = summary.number("uptime") is None and summary.number("request_success_rate") is None
    if nothing:
        return _section(
            Empty(reason=f"No service reported its health in this {period_noun(rows)}.")
        )
    blocks: list[Block] = [Figures(figures=figures(rows, *_FIGURES))]
    if rows.window.scope.kind is not ScopeKind.PLATFORM:
        blocks.append(
            Sentences(sentences=("These are the platform's services, which all scopes share.",))
        )
    return _section(*blocks)


def _section(*blocks: Block) -> Section:
    return Section(key="health", title="Health", blocks=blocks)
