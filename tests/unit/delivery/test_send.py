"""Sending: each message once, whatever happens in between."""

from __future__ import annotations

from email import message_from_bytes
from email.policy import default
from pathlib import Path

import pytest

from orchestration.delivery.channels.channel import Outcome
from orchestration.delivery.outbox import Message, MessageState, Outbox
from orchestration.delivery.send import MOST_ATTEMPTS, deliver, resend
from orchestration.errors import RunFailure, UserError
from orchestration.settings import Settings
from tests.support.delivery import AS_OF, FakeChannel, deployment, made_report, queue, states

ANN, BOB = "ann@example.org", "bob@example.org"


def test_without_a_mail_server_each_message_becomes_a_file(tmp_path: Path) -> None:
    settings = deployment(tmp_path)
    queue(settings, ANN, BOB)

    outcome = deliver(settings=settings, as_of=AS_OF)

    files = sorted(settings.outbox.glob("*.eml"))
    assert (outcome.written, outcome.sent, outcome.undelivered) == (2, 0, 0)
    assert len(files) == 2
    messages = [message_from_bytes(file.read_bytes(), policy=default) for file in files]
    assert {message["To"] for message in messages} == {ANN, BOB}
    assert all(ANN not in file.name and BOB not in file.name for file in files)
    assert all(file.stat().st_mode & 0o077 == 0 for file in files)


def test_a_second_delivery_sends_nothing(tmp_path: Path) -> None:
    settings, channel = deployment(tmp_path), FakeChannel()
    queue(settings, ANN)

    first = deliver(settings=settings, as_of=AS_OF, channel=channel)
    second = deliver(settings=settings, as_of=AS_OF, channel=channel)

    assert (first.sent, second.sent) == (1, 0)
    assert [recipient for recipient, _ in channel.seen] == [ANN]


def test_a_dry_run_lists_and_changes_nothing(tmp_path: Path) -> None:
    settings, channel = deployment(tmp_path), FakeChannel()
    queue(settings, ANN)

    outcome = deliver(settings=settings, as_of=AS_OF, dry_run=True, channel=channel)

    assert [message.recipient for message in outcome.waiting] == [ANN]
    assert channel.seen == []
    assert not settings.outbox.exists()
    assert states(settings) == {ANN: MessageState.PENDING}


def test_the_mark_of_sending_is_on_disk_before_the_first_byte_leaves(tmp_path: Path) -> None:
    settings = deployment(tmp_path)
    queue(settings, ANN)
    on_disk: list[MessageState] = []
    channel = FakeChannel(on_send=lambda _: on_disk.extend(states(settings).values()))

    deliver(settings=settings, as_of=AS_OF, channel=channel)

    assert on_disk == [MessageState.SENDING]


def test_a_message_found_in_sending_is_parked_and_never_sent_by_itself(tmp_path: Path) -> None:
    settings, channel = deployment(tmp_path), FakeChannel()
    (message,) = queue(settings, ANN)
    Outbox(settings.state_file).change_state(message.message_id, MessageState.SENDING, as_of=AS_OF)

    for _ in range(2):
        outcome = deliver(settings=settings, as_of=AS_OF, channel=channel)

    assert channel.seen == []
    assert states(settings) == {ANN: MessageState.PARKED}
    assert "may or may not have arrived" in str(outcome.waiting[0].reason)
    assert f"--resend {message.message_id}" in str(outcome.waiting[0].reason)


def test_a_parked_message_goes_again_when_a_person_asks(tmp_path: Path) -> None:
    settings, channel = deployment(tmp_path), FakeChannel()
    (message,) = queue(settings, ANN)
    Outbox(settings.state_file).change_state(message.message_id, MessageState.PARKED, as_of=AS_OF)

    resend(settings=settings, message_id=message.message_id, as_of=AS_OF)
    deliver(settings=settings, as_of=AS_OF, channel=channel)

    assert states(settings) == {ANN: MessageState.SENT}


@pytest.mark.parametrize(("message_id", "reason"), [(7, "does not exist"), (1, "is sent")])
def test_only_failed_and_parked_messages_go_again(
    message_id: int, reason: str, tmp_path: Path
) -> None:
    settings = deployment(tmp_path)
    queue(settings, ANN)
    deliver(settings=settings, as_of=AS_OF, channel=FakeChannel())

    with pytest.raises(UserError, match=reason):
        resend(settings=settings, message_id=message_id, as_of=AS_OF)


def test_a_refused_recipient_does_not_stop_the_others(tmp_path: Path) -> None:
    settings = deployment(tmp_path)
    queue(settings, ANN, BOB)

    def refuse_ann(message: Message) -> Outcome:
        if message.recipient == ANN:
            return Outcome(state=MessageState.FAILED, reason="550 no such mailbox")
        return Outcome(state=MessageState.SENT)

    outcome = deliver(settings=settings, as_of=AS_OF, channel=FakeChannel(refuse_ann))

    assert states(settings) == {ANN: MessageState.FAILED, BOB: MessageState.SENT}
    assert [one.reason for one in outcome.waiting] == ["550 no such mailbox"]


def test_a_message_put_off_is_tried_again_and_given_up_in_the_end(tmp_path: Path) -> None:
    settings = deployment(tmp_path)
    queue(settings, ANN)
    channel = FakeChannel(lambda _: Outcome(state=MessageState.PENDING, reason="450 busy"))

    for _ in range(MOST_ATTEMPTS - 1):
        deliver(settings=settings, as_of=AS_OF, channel=channel)
    assert states(settings) == {ANN: MessageState.PENDING}

    deliver(settings=settings, as_of=AS_OF, channel=channel)
    assert states(settings) == {ANN: MessageState.FAILED}


def test_a_server_that_cannot_be_reached_leaves_everything_waiting(tmp_path: Path) -> None:
    settings = deployment(tmp_path)
    queue(settings, ANN, BOB)

    outcome = deliver(
        settings=settings, as_of=AS_OF, channel=FakeChannel(refusal=RunFailure("no route"))
    )

    assert outcome.problem == "no route"
    assert set(states(settings).values()) == {MessageState.PENDING}


def test_a_connection_lost_for_good_leaves_the_rest_waiting(tmp_path: Path) -> None:
    settings = deployment(tmp_path)
    queue(settings, ANN, BOB)

    outcome = deliver(
        settings=settings, as_of=AS_OF, channel=FakeChannel(lambda _: RunFailure("gone"))
    )

    assert outcome.problem == "gone"
    assert set(states(settings).values()) == {MessageState.PENDING}


def test_a_report_whose_files_are_gone_is_listed_and_the_others_go(tmp_path: Path) -> None:
    settings = deployment(tmp_path)
    queue(settings, ANN)
    for file in settings.reports.rglob("*.mail.json"):
        file.unlink()

    outcome = deliver(settings=settings, as_of=AS_OF, channel=FakeChannel())

    assert states(settings) == {ANN: MessageState.FAILED}
    assert "its report cannot be read" in str(outcome.waiting[0].reason)


def test_only_the_formats_of_the_subscription_are_attached(tmp_path: Path) -> None:
    settings, channel = deployment(tmp_path), FakeChannel()
    made_report(settings)
    queue(settings, ANN, formats=("csv",))

    deliver(settings=settings, as_of=AS_OF, channel=channel)

    message = message_from_bytes(channel.seen[0][1], policy=default)
    assert [part.get_filename() for part in message.walk() if part.get_filename()] == ["acme.csv"]


def test_nothing_to_send_opens_no_channel(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)

    outcome = deliver(
        settings=settings, as_of=AS_OF, channel=FakeChannel(refusal=RunFailure("opened"))
    )

    assert outcome.problem is None
