"""Slack's incoming webhooks: a message of blocks.

Belongs here: the message. Does not belong here: posting it (http).
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

# Longer ones are answered with 400 invalid_blocks.
_MOST_HEADER = 150
_MOST_SECTION = 3_000
_MARKUP = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}


class SlackSender(Sender):
    """Posts to one webhook, which stands for one channel of Slack.

    Slack answers a repetition with a second message, so one of unknown fate is not repeated.
    """

    def __init__(self, url: str, *, client: HttpClient) -> None:
        self._url = url
        self._client = client

    def send(self, notification: Notification, *, sent_at: datetime) -> Attempt:
        content = to_json(slack_message(notification)).encode()
        return self._client.post(self._url, content, sent_at=sent_at, secrets=(self._url,))


def slack_message(notification: Notification) -> Json:
    """Plain text in every block: names from the data can be no mention, link or emphasis."""
    blocks: list[Json] = [
        {"type": "header", "text": _plain(headline(notification, most=_MOST_HEADER))}
    ]
    if notification.body.strip():
        blocks.append({"type": "section", "text": _plain(_cut(notification.body))})
    blocks.append({"type": "context", "elements": [_plain(standing(notification))]})
    return {
        # What the banner of a phone shows; unlike the blocks it is read as markup.
        "text": _escaped(headline(notification, most=_MOST_HEADER)),
        "blocks": blocks,
        "unfurl_links": False,
        "unfurl_media": False,
    }


def _plain(text: str) -> Json:
    return {"type": "plain_text", "text": text, "emoji": False}


def _cut(text: str) -> str:
    return shortened(text, most=_MOST_SECTION)


def _escaped(text: str) -> str:
    for letter, entity in _MARKUP.items():
        text = text.replace(letter, entity)
    return text
