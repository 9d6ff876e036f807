"""What each receiver is sent, as its documentation asks."""

from __future__ import annotations

import hashlib
import json
from base64 import b64decode
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from orchestration.delivery.channels.pagerduty import pagerduty_event
from orchestration.delivery.channels.slack import slack_message
from orchestration.delivery.channels.teams import teams_message
from orchestration.delivery.channels.webhook import sign, webhook_document
from orchestration.delivery.notifications import (
    Notification,
    NotificationKind,
    NotificationStatus,
    Severity,
)
from orchestration.reporting.documents import Json, to_json
from orchestration.settings import Settings
from tests.support.notifications import only, queue


@pytest.fixture
def firing(tmp_path: Path) -> Notification:
    settings = Settings(home=tmp_path)
    queue(settings, "slack", payload={"rule": "daily_cost", "value": Decimal("51.20")})
    return only(settings)


def _sent(message: Json) -> Any:
    return json.loads(to_json(message))


def test_slack_gets_blocks_of_plain_text(firing: Notification) -> None:
    assert _sent(slack_message(firing)) == {
        "text": "Daily cost over 50 USD",
        "blocks": [
            {
                "type": "header",
                "text": {"type": "plain_text", "text": "Daily cost over 50 USD", "emoji": False},
            },
            {
                "type": "section",
                "text": {
                    "type": "plain_text",
                    "text": "The platform spent 51.20 USD today & <counting>.",
                    "emoji": False,
                },
            },
            {
                "type": "context",
                "elements": [
                    {
                        "type": "plain_text",
                        "text": "critical · firing · 2026-03-01 17:42 UTC",
                        "emoji": False,
                    }
                ],
            },
        ],
        "unfurl_links": False,
        "unfurl_media": False,
    }


def test_slack_reads_no_markup_in_names_from_the_data(firing: Notification) -> None:
    message = _sent(slack_message(replace(firing, title="<!channel> & <http://evil|x>")))

    assert message["text"] == "&lt;!channel&gt; &amp; &lt;http://evil|x&gt;"
    assert {block["text"]["type"] for block in message["blocks"] if "text" in block} == {
        "plain_text"
    }


def test_slack_gets_no_more_than_it_takes(firing: Notification) -> None:
    message = _sent(slack_message(replace(firing, title="t" * 400, body="b" * 4_000)))
    header, section, _ = message["blocks"]

    assert header["text"]["text"] == "t" * 149 + "…"
    assert section["text"]["text"] == "b" * 2_999 + "…"


def test_slack_gets_no_empty_block(firing: Notification) -> None:
    types = [block["type"] for block in _sent(slack_message(replace(firing, body="\n")))["blocks"]]
    assert types == ["header", "context"]


def test_teams_gets_one_adaptive_card(firing: Notification) -> None:
    message = _sent(teams_message(replace(firing, status=NotificationStatus.RESOLVED)))
    (attachment,) = message["attachments"]
    card = attachment["content"]

    assert (message["type"], attachment["contentType"], attachment["contentUrl"]) == (
        "message",
        "application/vnd.microsoft.card.adaptive",
        None,
    )
    assert (card["type"], card["version"]) == ("AdaptiveCard", "1.4")
    assert card["fallbackText"] == "Resolved: Daily cost over 50 USD"
    assert [block["inlines"][0]["text"] for block in card["body"]] == [
        "Resolved: Daily cost over 50 USD",
        "The platform spent 51.20 USD today & <counting>.",
        "critical · resolved · 2026-03-01 17:42 UTC",
    ]


def test_teams_reads_no_markdown_in_names_from_the_data(firing: Notification) -> None:
    card = _sent(teams_message(replace(firing, title="[x](http://evil)")))
    blocks = card["attachments"][0]["content"]["body"]

    assert {block["type"] for block in blocks} == {"RichTextBlock"}
    assert {run["type"] for block in blocks for run in block["inlines"]} == {"TextRun"}


def test_a_card_of_a_long_notification_stays_under_28_kilobytes(firing: Notification) -> None:
    longest = replace(firing, title="語" * 5_000, body="語" * 50_000)
    assert len(to_json(teams_message(longest)).encode()) < 28_000


def test_pagerduty_gets_a_trigger_with_the_figures(firing: Notification) -> None:
    subject = hashlib.sha256(b"alert\x1fdaily_cost|platform|").hexdigest()

    assert _sent(pagerduty_event(firing, routing_key="R0UTE")) == {
        "routing_key": "R0UTE",
        "event_action": "trigger",
        "dedup_key": f"agentmart-{subject}",
        "client": "agentmart",
        "payload": {
            "summary": "Daily cost over 50 USD",
            "source": "agentmart",
            "severity": "critical",
            "timestamp": "2026-03-01T17:42:00Z",
            "class": "alert",
            "custom_details": {
                "description": "The platform spent 51.20 USD today & <counting>.",
                "rule": "daily_cost",
                "value": 51.2,
            },
        },
    }


@pytest.mark.parametrize(
    ("status", "action"),
    [
        (NotificationStatus.FIRING, "trigger"),
        (NotificationStatus.NO_DATA, "trigger"),
        (NotificationStatus.INFO, "trigger"),
        (NotificationStatus.RESOLVED, "resolve"),
    ],
)
def test_pagerduty_joins_what_becomes_of_a_subject(
    status: NotificationStatus, action: str, firing: Notification
) -> None:
    later = replace(firing, status=status, idempotency_key="another")
    event = _sent(pagerduty_event(later, routing_key="k"))

    assert event["event_action"] == action
    assert event["dedup_key"] == _sent(pagerduty_event(firing, routing_key="k"))["dedup_key"]


def test_another_subject_is_another_incident(firing: Notification) -> None:
    keys = {
        _sent(pagerduty_event(one, routing_key="k"))["dedup_key"]
        for one in (
            firing,
            replace(firing, subject_key="daily_cost|tenant|acme"),
            replace(firing, kind=NotificationKind.TEST),
        )
    }
    assert len(keys) == 3
    assert all(len(key) <= 255 for key in keys)


def test_a_webhook_gets_one_envelope_with_exact_figures(firing: Notification) -> None:
    text = to_json(webhook_document(firing))

    assert json.loads(text) == {
        "type": "alert.firing",
        "timestamp": "2026-03-01T17:42:00Z",
        "data": {
            "id": firing.idempotency_key,
            "subject_key": "daily_cost|platform|",
            "severity": "critical",
            "status": "firing",
            "title": "Daily cost over 50 USD",
            "body": "The platform spent 51.20 USD today & <counting>.",
            "details": {"rule": "daily_cost", "value": 51.2},
        },
    }
    assert '"value": 51.2\n' in text


def test_a_webhook_gets_the_days_summary_as_its_dataset_says_it(firing: Notification) -> None:
    document: dict[str, Json] = {
        "event": "analytics.daily_summary",
        "data": {"date": "2026-03-01"},
    }
    summary = replace(
        firing,
        kind=NotificationKind.DAILY_SUMMARY,
        severity=Severity.INFO,
        status=NotificationStatus.INFO,
        payload=document,
    )
    assert _sent(webhook_document(summary)) == document


def test_the_signature_is_that_of_the_published_example() -> None:
    """The example of the Standard Webhooks libraries."""
    signature = sign(
        b'{"test": 2432232314}',
        key=b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
        identifier="msg_p5jXN8AQM9LWM0D4loKWxJek",
        timestamp=1614265330,
    )
    assert signature == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
