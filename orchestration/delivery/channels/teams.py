"""Microsoft Teams: an Adaptive Card for the trigger "when a Teams webhook request is received".

Belongs here: the card. Does not belong here: posting it (http).
"""

from __future__ import annotations

from datetime import datetime

from orchestration.delivery.channels.http import HttpClient
from orchestration.delivery.channels.sender import (
    Attempt,
    Sender,
    headline,
    shortened,
    standing,
)
from orchestration.delivery.notifications import Notification
from orchestration.reporting.documents import Json, to_json

_MOST_TITLE = 300
# The whole message must stay under 28 KB; a letter takes up to 4 bytes.
_MOST_BODY = 5_000


class TeamsSender(Sender):
    """Posts to the URL of one workflow.

    Teams answers a repetition with a second message, so one of unknown fate is not repeated.
    """

    def __init__(self, url: str, *, client: HttpClient) -> None:
        self._url = url
        self._client = client

    def send(self, notification: Notification, *, sent_at: datetime) -> Attempt:
        content = to_json(teams_message(notification)).encode()
        return self._client.post(self._url, content, sent_at=sent_at, secrets=(self._url,))


def teams_message(notification: Notification) -> Json:
    """Runs of text, which unlike blocks of text are not read as Markdown."""
    title = headline(notification, most=_MOST_TITLE)
    lines: list[Json] = [_text(title, size="large", weight="bolder")]
    body = shortened(notification.body, most=_MOST_BODY)
    lines += [_text(line) for line in body.splitlines() if line.strip()]
    lines.append(_text(standing(notification), size="small", weight="default", is_subtle=True))
    card: Json = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "fallbackText": title,
        "msteams": {"width": "Full"},
        "body": lines,
    }
    return {
        "type": "message",
        "attachments": [
            {
                "contentType": "application/vnd.microsoft.card.adaptive",
                "contentUrl": None,
                "content": card,
            }
        ],
    }


def _text(
    text: str, *, size: str = "default", weight: str = "default", is_subtle: bool = False
) -> Json:
    run: Json = {
        "type": "TextRun",
        "text": text,
        "size": size,
        "weight": weight,
        "isSubtle": is_subtle,
    }
    return {"type": "RichTextBlock", "inlines": [run]}
