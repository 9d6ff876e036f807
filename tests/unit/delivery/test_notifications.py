"""The queue of notifications: one row per change of a subject and channel target."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from orchestration.delivery.notifications import (
    Notifications,
    NotificationStatus,
    known_channels,
    undelivered_notifications,
)
from orchestration.delivery.outbox import MessageState
from orchestration.settings import Settings
from tests.support.notifications import AS_OF, FIRING, only, queue, states


def test_the_same_change_of_a_subject_is_queued_once_per_channel(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)

    assert [one.channel for one in queue(settings, "slack", "email")] == ["slack", "email"]
    assert [one.channel for one in queue(settings, "email", "teams")] == ["teams"]


@pytest.mark.parametrize(
    "changes",
    [
        {"status": NotificationStatus.RESOLVED},
        {"transition_at": FIRING.transition_at + timedelta(minutes=1)},
        {"subject_key": "daily_cost|tenant|acme"},
    ],
)
def test_another_change_is_another_notification(changes: dict[str, Any], tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    queue(settings, "slack")

    assert len(queue(settings, "slack", **changes)) == 1


def test_another_wording_or_another_zone_is_the_same_notification(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    queue(settings, "slack")
    elsewhere = FIRING.transition_at.astimezone(timezone(timedelta(hours=5, minutes=30)))

    assert queue(settings, "slack", title="Reworded", transition_at=elsewhere) == []


def test_a_row_holds_what_was_queued_with_exact_figures(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    queue(settings, "slack", payload={"value": Decimal("51.20"), "day": None, "n": 3})

    row = only(settings)

    assert (row.title, row.body, row.severity) == (FIRING.title, FIRING.body, FIRING.severity)
    assert row.transition_at == FIRING.transition_at
    assert row.payload == {"value": Decimal("51.2"), "day": None, "n": 3}
    assert (row.state, row.attempts, row.queued_as_of) == (MessageState.PENDING, 0, AS_OF)


def test_a_row_with_several_targets_becomes_one_row_each_and_is_not_queued_again(
    tmp_path: Path,
) -> None:
    settings = Settings(home=tmp_path)
    (row,) = queue(settings, "email")

    for _ in range(2):
        Notifications(settings.state_file).address(row, ["ann@example.org", "bob@example.org"])

    assert queue(settings, "email") == []
    assert set(states(settings)) == {"email ann@example.org", "email bob@example.org"}


@pytest.mark.parametrize(
    ("state", "is_released"),
    [(state, state in (MessageState.FAILED, MessageState.PARKED)) for state in MessageState],
)
def test_only_a_failed_or_parked_row_is_released_to_be_tried_at_once(
    state: MessageState, is_released: bool, tmp_path: Path
) -> None:
    settings = Settings(home=tmp_path)
    (row,) = queue(settings, "slack")
    rows = Notifications(settings.state_file)
    rows.change_state(
        row.notification_id,
        state,
        as_of=AS_OF,
        reason="it is down",
        next_attempt_at=AS_OF + timedelta(minutes=1),
    )

    assert rows.release(row.notification_id, as_of=AS_OF) == is_released

    released = (MessageState.PENDING, None, None)
    kept = (state, "it is down", AS_OF + timedelta(minutes=1))
    now = only(settings)
    assert (now.state, now.reason, now.next_attempt_at) == (released if is_released else kept)


def test_a_row_waits_until_its_next_attempt(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    queued = Notifications(settings.state_file)
    (row,) = queue(settings, "slack")
    later = AS_OF + timedelta(minutes=5)
    queued.change_state(
        row.notification_id,
        MessageState.PENDING,
        as_of=AS_OF,
        reason="503",
        counts_as_attempt=True,
        next_attempt_at=later,
    )

    assert queued.waiting(as_of=later - timedelta(seconds=1)) == []
    assert [one.attempts for one in queued.waiting(as_of=later)] == [1]


def test_an_undelivered_notification_is_listed_with_its_reason_and_without_its_address(
    tmp_path: Path,
) -> None:
    settings = Settings(home=tmp_path)
    queued = Notifications(settings.state_file)
    first, second = queue(settings, "email", "slack")
    queued.address(first, ["ann.secret@example.org"])
    queued.change_state(
        first.notification_id, MessageState.FAILED, as_of=AS_OF, reason="550 no such mailbox"
    )
    queued.change_state(second.notification_id, MessageState.SENT, as_of=AS_OF)

    assert [str(one) for one in undelivered_notifications(settings)] == [
        "n1 alert 'Daily cost over 50 USD' by email to a***@example.org: failed,"
        " 550 no such mailbox"
    ]


def test_nothing_is_undelivered_before_anything_was_queued(tmp_path: Path) -> None:
    assert undelivered_notifications(Settings(home=tmp_path)) == []
    assert not (tmp_path / "state").exists()


def test_rules_may_name_the_standard_channels_and_those_of_the_deployment(tmp_path: Path) -> None:
    settings = Settings.from_environment(
        {"AGENTMART_HOME": str(tmp_path), "AGENTMART_CHANNEL_OPS_PHONE": "twilio://a:b@1/2"}
    )

    assert known_channels(replace(settings, channels=replace(settings.channels, apprise_urls={})))[
        :3
    ] == ("email", "slack", "teams")
    assert known_channels(settings)[-1] == "ops_phone"
    assert len(set(known_channels(settings))) == 7
