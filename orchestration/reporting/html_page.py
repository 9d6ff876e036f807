"""The report as one web page that needs nothing else, and as the two bodies of an e-mail.

Belongs here: handing a report to the HTML and text templates. Does not belong here: the layout
(templates), the envelope of a message (delivery/message) and what a report says (model).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import css_inline
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from orchestration.reporting import charts
from orchestration.reporting.formats import shorten
from orchestration.reporting.headlines import footer_line, mail_subject, meta_line
from orchestration.reporting.model import (
    Chart,
    ChartRow,
    Empty,
    Figure,
    Figures,
    Insight,
    Insights,
    Notes,
    Report,
    Sentences,
    Table,
)

_TEMPLATES = Path(__file__).with_name("templates")
# Stand in the bodies where the message of one subscription says what it brings and how to stop it.
ATTACHMENT_MARK = "%ATTACHMENTS%"
UNSUBSCRIBE_MARK = "%UNSUBSCRIBE%"

_MAIL_INSIGHTS = 3
_MAIL_AGENTS = 3


@dataclass(frozen=True, kw_only=True)
class MailBody:
    """What a mail program shows: subject, plain text and HTML with its styles inlined."""

    subject: str
    text: str
    html: str


def render_page(report: Report) -> str:
    """The report as a self-contained HTML page."""
    return (
        _environment()
        .get_template("page.html.j2")
        .render(
            report=report,
            meta=meta_line(report),
            footer=footer_line(report),
            colors=charts.COLORS,
            wide=int(charts.WIDE * 1.6),
        )
    )


def render_mail(report: Report) -> MailBody:
    """The bodies of the e-mail that brings the report.

    The text of what is attached and how to stop the mails differs by subscription; it is filled in
    when the message is put together.
    """
    subject = mail_subject(report)
    values = {
        "report": report,
        "subject": subject,
        "meta": meta_line(report),
        "footer": footer_line(report),
        "colors": charts.COLORS,
        "cards": _cards(report),
        "insights": _insights(report)[:_MAIL_INSIGHTS],
        "top_agents": _top_agents(report),
        "attachment_text": ATTACHMENT_MARK,
        "unsubscribe_text": UNSUBSCRIBE_MARK,
    }
    html = _environment().get_template("mail.html.j2").render(values)
    # Mail programs drop style sheets; styles on the elements themselves they keep.
    inliner = css_inline.CSSInliner(load_remote_stylesheets=False, keep_style_tags=False)
    text = _environment().get_template("mail.txt.j2").render(values)
    return MailBody(subject=subject, text=text, html=inliner.inline(html))


def _cards(report: Report) -> tuple[Figure, ...]:
    return tuple(
        figure
        for section in report.sections
        for block in section.blocks
        if isinstance(block, Figures) and block.prominent
        for figure in block.figures
    )


def _insights(report: Report) -> tuple[Insight, ...]:
    return tuple(
        insight
        for section in report.sections
        for block in section.blocks
        if isinstance(block, Insights)
        for insight in block.insights
    )


def _top_agents(report: Report) -> list[tuple[str, str]]:
    """The first agents of the comparison, by sessions."""
    for section in report.sections:
        for block in section.blocks:
            if section.key == "agents" and isinstance(block, Table):
                return [
                    (block.text(row, 0), f"{block.text(row, 1)} {block.columns[1].label.lower()}")
                    for row in block.rows[:_MAIL_AGENTS]
                    if not row.is_suppressed
                ]
    return []


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=lambda name: name is not None and name.endswith(".html.j2"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["shorten"] = shorten
    environment.filters["svg"] = _svg
    for name, kind in (
        ("figures", Figures),
        ("charts", ChartRow),
        ("table", Table),
        ("insights", Insights),
        ("sentences", Sentences),
        ("empty", Empty),
        ("notes", Notes),
    ):
        environment.tests[name] = lambda block, kind=kind: isinstance(block, kind)
    return environment


def _svg(chart: Chart) -> Markup:
    # Every text inside was escaped when it was drawn.
    return Markup(charts.draw(chart))
