"""The two bodies of the e-mail that brings a report: plain text, and HTML with its styles inlined.

Belongs here: which part of a report an e-mail shows. Does not belong here: its layout (templates)
and the envelope around it (delivery/message).
"""

from __future__ import annotations

from dataclasses import dataclass

import css_inline

from orchestration.reporting import charts
from orchestration.reporting.headlines import footer_line, mail_subject, meta_line
from orchestration.reporting.model import Figure, Figures, Insight, Insights, Report, Table
from orchestration.reporting.template_engine import environment

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
    html = environment().get_template("mail.html.j2").render(values)
    # Mail programs drop style sheets; styles on the elements themselves they keep.
    inliner = css_inline.CSSInliner(load_remote_stylesheets=False, keep_style_tags=False)
    text = environment().get_template("mail.txt.j2").render(values)
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
