"""One e-mail: text and HTML bodies, attachments, headers; the same bytes for the same report.

Belongs here: the envelope. Does not belong here: what the bodies say (reporting/html_page) and how
a message travels (channels).
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage, MIMEPart
from email.policy import SMTP
from email.utils import format_datetime
from html import escape
from pathlib import Path
from urllib.parse import quote

from orchestration.reporting.mail_bodies import (
    ATTACHMENT_MARK,
    UNSUBSCRIBE_MARK,
    MailBody,
    MailPicture,
)

# Bodies and headers in plain ASCII pass every server, also those without 8BITMIME.
_POLICY = SMTP.clone(cte_type="7bit")
_TYPES = {
    "pdf": ("application", "pdf"),
    "csv": ("text", "csv"),
    "json": ("application", "json"),
}


@dataclass(frozen=True, kw_only=True)
class Envelope:
    """Who gets what: everything of a message that is not its bodies and attachments."""

    key: str
    sender: str
    recipient: str
    subscription_id: str
    as_of: datetime


def write_bodies(body: MailBody) -> str:
    """The bodies as text to keep beside a report until its messages are put together."""
    fields = {
        "subject": body.subject,
        "text": body.text,
        "html": body.html,
        "pictures": {
            picture.cid: b64encode(picture.content).decode("ascii") for picture in body.pictures
        },
    }
    return json.dumps(fields, ensure_ascii=False, indent=1) + "\n"


def read_bodies(path: Path) -> MailBody:
    """What ``write_bodies`` kept."""
    fields = json.loads(path.read_text(encoding="utf-8"))
    return MailBody(
        subject=fields["subject"],
        text=fields["text"],
        html=fields["html"],
        pictures=tuple(
            MailPicture(cid=cid, content=b64decode(content))
            for cid, content in fields.get("pictures", {}).items()
        ),
    )


def build_message(envelope: Envelope, body: MailBody, *, attachments: Sequence[Path]) -> bytes:
    """The message as it goes over the wire, lines ending with CRLF."""
    domain = envelope.sender.rpartition("@")[2].strip("<> ") or "localhost"
    stop_subject = f"unsubscribe {envelope.subscription_id}"
    address = envelope.sender.rpartition("<")[2].strip("<> ")
    message = EmailMessage(policy=_POLICY)
    message["From"] = envelope.sender
    message["To"] = envelope.recipient
    message["Subject"] = body.subject
    message["Date"] = format_datetime(envelope.as_of)
    message["Message-ID"] = f"<{envelope.key}@{domain}>"
    message["List-Unsubscribe"] = f"<mailto:{address}?subject={quote(stop_subject)}>"
    message["Auto-Submitted"] = "auto-generated"
    attached = _attachment_text(attachments)
    stop = (
        f"Sent because of subscription {envelope.subscription_id}. To stop it, write to {address}"
        f' with the subject "{stop_subject}".'
    )
    message.set_content(_filled(body.text, attached, stop))
    message.add_alternative(_filled(body.html, escape(attached), escape(stop)), subtype="html")
    if (html := message.get_body(("html",))) is not None:
        _show(html, body.pictures)
    for path in attachments:
        maintype, subtype = _TYPES[path.suffix.removeprefix(".")]
        message.add_attachment(
            path.read_bytes(), maintype=maintype, subtype=subtype, filename=path.name
        )
    # Random boundaries would give the same message other bytes each time.
    multiparts = [part for part in message.walk() if part.is_multipart()]
    for position, part in enumerate(multiparts):
        part.set_boundary(f"=_{envelope.key}_{position}")
    return message.as_bytes()


def _show(html: MIMEPart, pictures: Sequence[MailPicture]) -> None:
    """Give the HTML the pictures that it names."""
    for picture in pictures:
        # Without a file name no program lists it beside the attachments.
        html.add_related(
            picture.content, "image", "png", cid=f"<{picture.cid}>", disposition="inline"
        )


def _filled(template: str, attached: str, stop: str) -> str:
    return template.replace(ATTACHMENT_MARK, attached).replace(UNSUBSCRIBE_MARK, stop)


def _attachment_text(attachments: Sequence[Path]) -> str:
    if not attachments:
        return "Nothing."
    return ", ".join(
        f"{path.name} ({max(1, round(path.stat().st_size / 1024))} KB)" for path in attachments
    )
