"""The report as one web page that needs nothing else.

Belongs here: handing a report to the page template. Does not belong here: the layout (templates),
the bodies of e-mails (mail_bodies) and what a report says (model).
"""

from __future__ import annotations

from dataclasses import asdict

from orchestration.reporting import charts
from orchestration.reporting.formats import written_as
from orchestration.reporting.headlines import footer_line, meta_line
from orchestration.reporting.model import Report
from orchestration.reporting.template_engine import environment


def render_page(report: Report) -> str:
    """The report as a self-contained HTML page, in light or dark as the reader's screen is."""
    brand = report.header.brand
    template = environment().get_template("page.html.j2")
    with written_as(brand.style):
        return template.render(
            report=report,
            meta=meta_line(report),
            footer=footer_line(report),
            light=asdict(brand.on_paper),
            dark=asdict(brand.on_dark_screens),
            logo="" if brand.logo is None else brand.logo.url,
            wide=int(charts.WIDE * 1.6),
        )
