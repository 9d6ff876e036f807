"""The e-mail of a report as files to look at, without sending it.

Belongs here: which files those are. Does not belong here: what the e-mail says (mail_bodies) and
its envelope (delivery/message).
"""

from __future__ import annotations

import email
import json
from collections.abc import Sequence
from datetime import datetime
from email import policy
from pathlib import Path

from orchestration.delivery.message import Envelope, build_message, read_bodies
from orchestration.reporting.files import write_atomically

_BODIES = ".mail.json"
_ATTACHED = (".pdf", ".csv")
_RECIPIENT = "preview@localhost"


def preview_mail(paths: Sequence[Path], *, sender: str) -> list[Path]:
    """Put the e-mail together from the files of a report; returns the paths of all files.

    The bodies as a delivery keeps them become what a person can open: the whole message, its text,
    and its HTML with the pictures inside.
    """
    shown: list[Path] = []
    document = next(path for path in paths if path.name.endswith(".json") and not _is_mail(path))
    as_of = datetime.fromisoformat(json.loads(document.read_text(encoding="utf-8"))["as_of"])
    for path in paths:
        if not _is_mail(path):
            shown.append(path)
            continue
        body = read_bodies(path)
        envelope = Envelope(
            key="preview",
            sender=sender,
            recipient=_RECIPIENT,
            subscription_id="preview",
            as_of=as_of,
        )
        attachments = [one for one in paths if one.suffix in _ATTACHED]
        stem = path.name.removesuffix(_BODIES)
        message = build_message(envelope, body, attachments=attachments)
        for suffix, content in (
            (".eml", message),
            (".mail.txt", _part(message, "plain").encode()),
            (".mail.html", body.with_pictures_inside(_part(message, "html")).encode()),
        ):
            write_atomically(path.with_name(f"{stem}{suffix}"), content)
            shown.append(path.with_name(f"{stem}{suffix}"))
    return shown


def _part(message: bytes, kind: str) -> str:
    """One body of a message, as a mail program shows it."""
    part = email.message_from_bytes(message, policy=policy.default).get_body((kind,))
    return "" if part is None else str(part.get_content())


def _is_mail(path: Path) -> bool:
    return path.name.endswith(_BODIES)
