"""Sending notifications: states, repetitions and pauses, without any network."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email import message_from_bytes
from email.policy import default
from pathlib import Path

import pytest

from orchestration.delivery import notify
from orchestration.delivery.channels.sender import Attempt, Fate, Sender
from orchestration.delivery.notifications import (
    Notification,
    Notifications,
    NotificationStatus,
    written_notifications,
)
from orchestration.delivery.notify import resend_notification, send_notifications
from orchestration.delivery.outbox import MessageState
from orchestration.errors import UserError
from orchestration.settings import Settings
from tests.support.notifications import AS_OF, only, queue, states

_ACCEPTED = Attempt(fate=Fate.ACCEPTED)
_DOWN = Attempt(fate=Fate.NOT_ACCEPTED, reason="it is down")
_SILENT = Attempt(fate=Fate.UNKNOWN, reason="it never answered")


@dataclass
class FakeSender(Sender):
    """Ends every try as ``outcome`` says; ``seen`` holds the numbers of the rows it was given."""

    outcome: Callable[[Notification], Attempt] = lambda _: _ACCEPTED
    drops_repetitions: bool = False
    seen: list[int] = field(default_factory=list)

    def send(self, notification: Notification, *, sent_at: datetime) -> Attempt:
        del sent_at
        self.seen.append(notification.notification_id)
        return self.outcome(notification)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path)


@pytest.fixture
def senders(monkeypatch: pytest.MonkeyPatch) -> dict[str, FakeSender]:
    """The sender of each channel; tests change them."""
    made = {name: FakeSender() for name in ("slack", "teams", "pagerduty")}
    made["pagerduty"].drops_repetitions = True
    monkeypatch.setattr(notify, "sender_for", lambda channel, _: made[channel])
    return made


@dataclass
class Sleeper:
    """Counts the pauses instead of making them."""

    pauses: list[float] = field(default_factory=list)

    def __call__(self, seconds: float) -> None:
        self.pauses.append(seconds)


def _send(
    settings: Settings, *, as_of: datetime = AS_OF, sleep: Callable[[float], object] = lambda _: 0
) -> notify.NotificationRun:
    return send_notifications(settings=settings, as_of=as_of, clock=lambda: AS_OF, sleep=sleep)


def test_a_notification_is_sent_once(settings: Settings, senders: dict[str, FakeSender]) -> None:
    queue(settings, "slack", "teams")

    first, second = _send(settings), _send(settings)

    assert (first.sent, second.sent, second.undelivered) == (2, 0, 0)
    assert (senders["slack"].seen, senders["teams"].seen) == ([1], [2])


def test_the_mark_of_sending_is_on_disk_before_the_first_byte_leaves(
    settings: Settings, senders: dict[str, FakeSender]
) -> None:
    on_disk: list[MessageState] = []

    def look(_: Notification) -> Attempt:
        on_disk.append(only(settings).state)
        return _ACCEPTED

    senders["slack"].outcome = look
    queue(settings, "slack")

    _send(settings)

    assert on_disk == [MessageState.SENDING]


@pytest.mark.parametrize(
    ("channel", "state", "is_sent_again"),
    [("slack", MessageState.PARKED, False), ("pagerduty", MessageState.SENT, True)],
)
def test_what_a_crash_left_in_sending_goes_again_only_where_repetitions_are_dropped(
    channel: str,
    state: MessageState,
    is_sent_again: bool,
    settings: Settings,
    senders: dict[str, FakeSender],
) -> None:
    (row,) = queue(settings, channel)
    Notifications(settings.state_file).change_state(1, MessageState.SENDING, as_of=AS_OF)

    for _ in range(2):
        _send(settings)

    assert states(settings) == {channel: state}
    assert senders[channel].seen == ([row.notification_id] if is_sent_again else [])
    if not is_sent_again:
        assert str(only(settings).reason).endswith(
            "to send it again: agentmart deliver --resend n1"
        )


@pytest.mark.parametrize(
    ("channel", "state", "tries"),
    [("slack", MessageState.PARKED, 1), ("pagerduty", MessageState.PENDING, 3)],
)
def test_an_unknown_fate_is_tried_again_only_where_repetitions_are_dropped(
    channel: str,
    state: MessageState,
    tries: int,
    settings: Settings,
    senders: dict[str, FakeSender],
) -> None:
    senders[channel].outcome = lambda _: _SILENT
    queue(settings, channel)

    _send(settings)

    assert states(settings) == {channel: state}
    assert len(senders[channel].seen) == tries


def test_a_channel_that_is_down_neither_blocks_nor_delays_the_others(
    settings: Settings, senders: dict[str, FakeSender]
) -> None:
    senders["slack"].outcome = lambda _: _DOWN
    teams_at: list[int] = []
    pauses = Sleeper()

    def note_when(_: Notification) -> Attempt:
        teams_at.append(len(pauses.pauses))
        return _ACCEPTED

    senders["teams"].outcome = note_when
    for minute in range(5):
        queue(settings, "slack", "teams", transition_at=AS_OF + timedelta(minutes=minute))

    run = _send(settings, sleep=pauses)

    assert (run.sent, run.undelivered) == (5, 5)
    assert teams_at == [0] * 5
    assert pauses.pauses == [1, 3]
    assert len(senders["slack"].seen) == 3


def test_a_row_that_always_fails_does_not_keep_the_others_of_its_channel_from_going(
    settings: Settings, senders: dict[str, FakeSender]
) -> None:
    senders["slack"].outcome = lambda row: _DOWN if row.notification_id == 1 else _ACCEPTED
    for number in range(3):
        queue(settings, "slack", subject_key=f"subject {number}")

    run = _send(settings)

    assert senders["slack"].seen == [1, 2, 3, 1, 1]
    assert [one.notification_id for one in run.waiting] == [1]


@pytest.mark.parametrize(
    ("outcome", "as_of", "ended"),
    [
        (_DOWN, AS_OF, {MessageState.PENDING}),
        (_SILENT, AS_OF, {MessageState.PARKED}),
        (_DOWN, AS_OF + timedelta(days=4), {MessageState.FAILED}),
    ],
)
def test_a_receiver_that_is_down_costs_three_tries_however_much_waits_for_it(
    outcome: Attempt,
    as_of: datetime,
    ended: set[MessageState],
    settings: Settings,
    senders: dict[str, FakeSender],
) -> None:
    senders["slack"].outcome = lambda _: outcome
    for number in range(10):
        queue(settings, "slack", subject_key=f"subject {number}")

    run = _send(settings, as_of=as_of)

    assert senders["slack"].seen == [1, 2, 3]
    assert {one.state for one in run.settled} == ended


def test_what_became_of_a_subject_waits_for_what_is_to_be_told_of_it_before(
    settings: Settings, senders: dict[str, FakeSender]
) -> None:
    """PagerDuty would ignore the resolution and then keep the incident open for ever."""
    senders["pagerduty"].outcome = lambda row: _DOWN if row.notification_id == 1 else _ACCEPTED
    queue(settings, "pagerduty")
    queue(settings, "pagerduty", status=NotificationStatus.RESOLVED, transition_at=AS_OF)
    queue(settings, "pagerduty", subject_key="another")

    _send(settings)
    _send(settings, as_of=AS_OF + timedelta(seconds=59))
    assert senders["pagerduty"].seen == [1, 3, 1, 1]

    senders["pagerduty"].outcome = lambda _: _ACCEPTED
    assert _send(settings, as_of=AS_OF + timedelta(seconds=60)).sent == 2
    assert senders["pagerduty"].seen == [1, 3, 1, 1, 1, 2]


def test_waits_between_calls_double_and_a_person_sees_until_when(
    settings: Settings, senders: dict[str, FakeSender]
) -> None:
    senders["slack"].outcome = lambda _: _DOWN
    queue(settings, "slack")
    waits = []
    as_of = AS_OF
    for _ in range(11):
        (row,) = _send(settings, as_of=as_of).waiting
        assert row.next_attempt_at is not None
        waits.append((row.next_attempt_at - as_of) // timedelta(minutes=1))
        assert _send(settings, as_of=row.next_attempt_at - timedelta(seconds=1)).settled == ()
        as_of = row.next_attempt_at

    assert waits == [1, 2, 4, 8, 16, 32, 64, 128, 256, 360, 360]
    assert "pending until 2026-03-0" in str(row)
    assert "it is down" in str(row)


def test_what_could_not_be_delivered_for_three_days_is_given_up(
    settings: Settings, senders: dict[str, FakeSender]
) -> None:
    senders["slack"].outcome = lambda _: _DOWN
    queue(settings, "slack")

    _send(settings, as_of=AS_OF + timedelta(days=3, seconds=-1))
    assert states(settings) == {"slack": MessageState.PENDING}

    _send(settings, as_of=AS_OF + timedelta(days=3, hours=1))
    assert states(settings) == {"slack": MessageState.FAILED}
    assert only(settings).reason == "it is down; given up after 3 days"


def test_a_short_pause_that_was_asked_for_is_made_at_once(
    settings: Settings, senders: dict[str, FakeSender]
) -> None:
    replies = [Attempt(fate=Fate.NOT_ACCEPTED, reason="429", retry_after_seconds=4), _ACCEPTED]
    senders["slack"].outcome = lambda _: replies.pop(0)
    queue(settings, "slack")
    pauses = Sleeper()

    assert _send(settings, sleep=pauses).sent == 1
    assert pauses.pauses == [4]


def test_a_long_pause_that_was_asked_for_holds_for_the_whole_channel(
    settings: Settings, senders: dict[str, FakeSender]
) -> None:
    reply = Attempt(fate=Fate.NOT_ACCEPTED, reason="429", retry_after_seconds=600)
    senders["slack"].outcome = lambda _: reply
    for minute in range(2):
        queue(settings, "slack", transition_at=AS_OF + timedelta(minutes=minute))
    pauses = Sleeper()

    _send(settings, sleep=pauses)
    _send(settings, as_of=AS_OF + timedelta(seconds=599), sleep=pauses)

    assert senders["slack"].seen == [1]
    assert pauses.pauses == []

    senders["slack"].outcome = lambda _: _ACCEPTED
    assert _send(settings, as_of=AS_OF + timedelta(seconds=600)).sent == 2


def test_a_refused_notification_is_listed_and_goes_again_only_when_a_person_asks(
    settings: Settings, senders: dict[str, FakeSender]
) -> None:
    senders["slack"].outcome = lambda _: Attempt(fate=Fate.REFUSED, reason="404 no_service")
    queue(settings, "slack")

    run = _send(settings)
    assert [str(one) for one in run.waiting] == [
        "n1 alert 'Daily cost over 50 USD' by slack: failed, 404 no_service"
    ]

    senders["slack"].outcome = lambda _: _ACCEPTED
    assert _send(settings).settled == ()
    resend_notification(settings=settings, notification_id=1, as_of=AS_OF)
    assert _send(settings).sent == 1


@pytest.mark.parametrize(("number", "reason"), [(7, "does not exist"), (1, "is sent")])
def test_only_failed_and_parked_notifications_go_again(
    number: int, reason: str, settings: Settings, senders: dict[str, FakeSender]
) -> None:
    queue(settings, "slack")
    _send(settings)

    with pytest.raises(UserError, match=f"notification n{number} {reason}"):
        resend_notification(settings=settings, notification_id=number, as_of=AS_OF)


def test_two_people_who_ask_at_once_send_a_notification_once(
    settings: Settings, senders: dict[str, FakeSender], monkeypatch: pytest.MonkeyPatch
) -> None:
    senders["slack"].outcome = lambda _: Attempt(fate=Fate.REFUSED, reason="404 no_service")
    queue(settings, "slack")
    _send(settings)
    senders["slack"].outcome = lambda _: _ACCEPTED
    release = Notifications.release

    def after_another(queue: Notifications, notification_id: int, *, as_of: datetime) -> bool:
        monkeypatch.setattr(Notifications, "release", release)
        resend_notification(settings=settings, notification_id=notification_id, as_of=as_of)
        assert _send(settings).sent == 1
        return release(queue, notification_id, as_of=as_of)

    monkeypatch.setattr(Notifications, "release", after_another)
    with pytest.raises(UserError, match="notification n1 is sent; only failed and parked ones"):
        resend_notification(settings=settings, notification_id=1, as_of=AS_OF)
    assert _send(settings).settled == ()
    assert senders["slack"].seen == [1, 1]


def test_a_dry_run_lists_and_changes_nothing(
    settings: Settings, senders: dict[str, FakeSender]
) -> None:
    queue(settings, "slack")

    run = send_notifications(settings=settings, as_of=AS_OF, dry_run=True)

    assert [one.channel for one in run.waiting] == ["slack"]
    assert senders["slack"].seen == []
    assert states(settings) == {"slack": MessageState.PENDING}


def test_without_configuration_every_channel_writes_a_file_that_only_its_owner_reads(
    settings: Settings,
) -> None:
    queue(settings, "email", "slack", "sms", "ops_phone")

    run = _send(settings)

    assert (run.written, run.undelivered) == (4, 0)
    files = sorted(settings.outbox.iterdir())
    assert [file.name for file in files] == [
        "alert-email-1.json",
        "alert-ops_phone-4.json",
        "alert-slack-2.json",
        "alert-sms-3.json",
    ]
    assert all(file.stat().st_mode & 0o077 == 0 for file in files)
    document = json.loads(files[2].read_text(encoding="utf-8"))
    assert document["type"] == "alert.firing"
    assert document["data"]["details"] == {"rule": "daily_cost", "value": 51}
    assert written_notifications(settings) == {
        "email, AGENTMART_ALERT_EMAIL_TO is not set": 1,
        "ops_phone, AGENTMART_CHANNEL_OPS_PHONE is not set": 1,
        "slack, AGENTMART_SLACK_URL is not set": 1,
        "sms, AGENTMART_CHANNEL_SMS is not set": 1,
    }


def test_a_file_takes_no_path_from_the_name_of_a_channel(settings: Settings) -> None:
    queue(settings, "../../etc/cron")

    _send(settings)

    assert [file.name for file in settings.outbox.iterdir()] == ["alert--etc-cron-1.json"]


def test_without_a_mail_server_each_recipient_gets_a_file(tmp_path: Path) -> None:
    settings = Settings.from_environment(
        {
            "AGENTMART_HOME": str(tmp_path),
            "AGENTMART_ALERT_EMAIL_TO": "ann@example.org,bob@example.org",
        }
    )
    queue(settings, "email", title="Cost\nBcc: eve@example.org")
    queue(settings, "email", status=NotificationStatus.RESOLVED)

    assert _send(settings).written == 4

    messages = [
        message_from_bytes(file.read_bytes(), policy=default)
        for file in sorted(settings.outbox.glob("*.eml"))
    ]
    assert {message["To"] for message in messages} == {"ann@example.org", "bob@example.org"}
    assert {message["Subject"] for message in messages} == {
        "Cost Bcc: eve@example.org",
        "Resolved: Daily cost over 50 USD",
    }
    assert all(message["Bcc"] is None for message in messages)
    assert len({message["References"] for message in messages}) == 1
    assert len({message["Message-ID"] for message in messages}) == 4
    text = messages[0].get_body(("plain",))
    assert text is not None
    assert text.get_content().replace("\r\n", "\n") == (
        "The platform spent 51.20 USD today & <counting>.\n\n"
        "critical · firing · 2026-03-01 17:42 UTC\n"
    )


def test_an_address_that_cannot_be_used_is_refused_with_its_reason(tmp_path: Path) -> None:
    settings = Settings.from_environment(
        {
            "AGENTMART_HOME": str(tmp_path),
            "AGENTMART_ALERT_EMAIL_TO": "nobody",
            "AGENTMART_SMTP_HOST": "127.0.0.1",
        }
    )
    queue(settings, "email")

    (row,) = _send(settings).waiting

    assert row.state is MessageState.FAILED
    assert row.reason == "the address has no @; see AGENTMART_ALERT_EMAIL_TO"


def test_a_library_that_is_not_installed_is_named(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "apprise", None)
    environ = {"AGENTMART_HOME": str(settings.home), "AGENTMART_CHANNEL_SMS": "twilio://a:b@1/2"}
    configured = Settings.from_environment(environ)
    queue(configured, "sms")

    (row,) = _send(configured).waiting

    assert row.state is MessageState.PENDING
    assert "install agentmart[channels]" in str(row.reason)


def test_a_url_that_apprise_does_not_know_is_refused_without_being_shown(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    environ = {"AGENTMART_HOME": str(settings.home), "AGENTMART_CHANNEL_SMS": "canary://canary"}
    configured = Settings.from_environment(environ)
    queue(configured, "sms")

    (row,) = _send(configured).waiting

    assert row.reason == "AGENTMART_CHANNEL_SMS is not a URL that Apprise knows; correct it"
    assert "canary" not in caplog.text
