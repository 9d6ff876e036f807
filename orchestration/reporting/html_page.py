"""The report as one web page that needs nothing else.

Belongs here: handing a report to the page template. Does not belong here: the layout (templates),
the bodies of e-mails (mail_bodies) and what a report says (model).
"""

from __future__ import annotations

from orchestration.reporting import charts
from orchestration.reporting.headlines import footer_line, meta_line
from orchestration.reporting.model import Report
from orchestration.reporting.template_engine import environment


def render_page(report: Report) -> str:
    """The report as a self-contained HTML page."""
    return (
        environment()
        .get_template("page.html.j2")
        .render(
            report=report,
            meta=meta_line(report),
            footer=footer_line(report),
            colors=charts.COLORS,
            wide=int(charts.WIDE * 1.6),
        )
    )
