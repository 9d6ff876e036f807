"""The two bodies of the e-mail that brings a report: plain text, and HTML with its styles inlined.

Belongs here: which part of a report an e-mail shows. Does not belong here: its layout (templates)
and the envelope around it (delivery/message).
"""

from __future__ import annotations

from base64 import b64encode
from dataclasses import asdict, dataclass, field, replace
from typing import Protocol

import css_inline

from orchestration.reporting import charts
from orchestration.reporting.formats import written_as
from orchestration.reporting.headlines import footer_line, mail_subject, meta_line
from orchestration.reporting.model import (
    Chart,
    ChartRow,
    Figure,
    Figures,
    Insight,
    Insights,
    Notes,
    Report,
    Table,
)
from orchestration.reporting.template_engine import environment

# Stand in the bodies where the message of one subscription says what it brings and how to stop it.
ATTACHMENT_MARK = "%ATTACHMENTS%"
UNSUBSCRIBE_MARK = "%UNSUBSCRIBE%"

_MAIL_INSIGHTS = 3
_MAIL_AGENTS = 3
_MAIL_SERIES = ("agent_messages", "net_usd")
_CHART = "chart"
_LOGO = "logo"
# Points; a logo is drawn at twice the size it is shown at.
_LOGO_WIDTH = 150.0


@dataclass(frozen=True, kw_only=True)
class MailPicture:
    """A PNG that the HTML shows by its content id."""

    cid: str
    content: bytes = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class MailBody:
    """What a mail program shows: subject, plain text and HTML with its styles inlined."""

    subject: str
    text: str
    html: str
    pictures: tuple[MailPicture, ...] = ()

    def with_pictures_inside(self, html: str) -> str:
        """HTML with the pictures that it names, for readers that know no content ids: browsers."""
        for picture in self.pictures:
            encoded = b64encode(picture.content).decode("ascii")
            html = html.replace(f"cid:{picture.cid}", f"data:image/png;base64,{encoded}")
        return html


class Draws(Protocol):
    """Whatever turns a drawing into a PNG."""

    def picture(self, svg: str, *, width: float, paper: str) -> bytes: ...


def render_mail(report: Report, drawer: Draws | None = None) -> MailBody:
    """The bodies of the e-mail that brings the report; without a drawer it has no pictures.

    The text of what is attached and how to stop the mails differs by subscription; it is filled in
    when the message is put together.
    """
    with written_as(report.header.brand.style):
        return _bodies(report, drawer)


def _bodies(report: Report, drawer: Draws | None) -> MailBody:
    subject = mail_subject(report)
    palette = report.header.brand.on_paper
    chart = None if drawer is None else _chart(report)
    logo = None if drawer is None else report.header.brand.logo
    pictures = []
    if drawer is not None and logo is not None:
        content = drawer.picture(logo.svg, width=_LOGO_WIDTH, paper=palette.paper)
        pictures.append(MailPicture(cid=_LOGO, content=content))
    if drawer is not None and chart is not None:
        svg = charts.draw(charts.displayable(chart), palette)
        content = drawer.picture(svg, width=charts.WIDE, paper=palette.paper)
        pictures.append(MailPicture(cid=_CHART, content=content))
    values = {
        "report": report,
        "subject": subject,
        "meta": meta_line(report),
        "footer": footer_line(report),
        "colors": asdict(palette),
        "dark": asdict(report.header.brand.on_dark_screens),
        "logo": "" if logo is None else f"cid:{_LOGO}",
        "chart": chart,
        "chart_address": f"cid:{_CHART}",
        "review": _review(report),
        "cards": _cards(report),
        "insights": _insights(report)[:_MAIL_INSIGHTS],
        "top_agents": _top_agents(report),
        "attachment_text": ATTACHMENT_MARK,
        "unsubscribe_text": UNSUBSCRIBE_MARK,
    }
    html = environment().get_template("mail.html.j2").render(values)
    # Mail programs drop style sheets; styles on the elements themselves they keep.
    inliner = css_inline.CSSInliner(load_remote_stylesheets=False, keep_style_tags=False)
    text = environment().get_template("mail.txt.j2").render(values)
    return MailBody(subject=subject, text=text, html=inliner.inline(html), pictures=tuple(pictures))


def _chart(report: Report) -> Chart | None:
    """The first series over days, as wide as the mail."""
    for section in report.sections:
        for block in section.blocks:
            if isinstance(block, ChartRow):
                for chart in block.charts:
                    if chart.metric in _MAIL_SERIES and chart.points[0].day is not None:
                        return replace(chart, wide=True)
    return None


def _review(report: Report) -> tuple[tuple[str, str], ...]:
    """The executive summary, or the morning check."""
    return tuple(
        entry
        for section in report.sections
        for block in section.blocks
        if isinstance(block, Notes) and block.prominent
        for entry in block.notes
    )


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
                    (block.text(row, 0), _counted(block.text(row, 1), block.columns[1].label))
                    for row in block.rows[:_MAIL_AGENTS]
                    if not row.is_suppressed
                ]
    return []


def _counted(text: str, label: str) -> str:
    """``1 session``, ``12 sessions``."""
    noun = label.lower()
    return f"{text} {noun.removesuffix('s') if text == '1' else noun}"
