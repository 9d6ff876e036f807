"""The tables of delivery: one row per report and recipient."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from orchestration.delivery.outbox import (
    FailedReport,
    MessageState,
    NewMessage,
    Outbox,
    undelivered,
)
from orchestration.settings import Settings
from tests.support.delivery import AS_OF, REPORT, deployment, made_report, queue


def test_the_same_report_is_queued_once_per_recipient(tmp_path: Path) -> None:
    settings = deployment(tmp_path)

    assert len(queue(settings, "ann@example.org", "bob@example.org")) == 2
    assert queue(settings, "Ann@example.org", "bob@example.org") == []
    assert len(queue(settings, "cy@example.org")) == 1


def test_another_period_is_another_message(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "state.sqlite")
    message = NewMessage(
        report=REPORT, subscription_id="s1", recipient="ann@example.org", formats=("pdf",)
    )
    later = replace(message, report=replace(REPORT, period="2026-W10"))

    assert len(outbox.queue([message, later], as_of=AS_OF)) == 2


def test_a_message_that_can_never_be_sent_is_listed_with_its_reason(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    bad = NewMessage(
        report=REPORT,
        subscription_id="s1",
        recipient="nobody",
        formats=("pdf",),
        reason="the address has no @",
    )

    Outbox(settings.state_file).queue([bad], as_of=AS_OF)

    assert [str(one) for one in undelivered(settings)] == [
        "#1 weekly report 2026-W09 of tenant:acme to n***: failed, the address has no @"
    ]


def test_an_undelivered_message_is_listed_without_its_address(tmp_path: Path) -> None:
    settings = deployment(tmp_path)
    queue(settings, "ann.secret@example.org")

    (line,) = (str(one) for one in undelivered(settings))

    assert "ann.secret" not in line
    assert "a***@example.org" in line


def test_a_failed_report_is_not_made_and_is_tried_again(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    outbox = Outbox(settings.state_file)
    outbox.record_reports(
        [FailedReport(key=REPORT, as_of=AS_OF, reason="template error")], as_of=AS_OF
    )

    assert outbox.made_reports() == {}
    assert made_report(settings).key in outbox.made_reports()


def test_nothing_is_undelivered_before_anything_was_queued(tmp_path: Path) -> None:
    assert undelivered(Settings(home=tmp_path)) == []
    assert not (tmp_path / "state").exists()


def test_the_store_is_readable_by_its_owner_only(tmp_path: Path) -> None:
    settings = deployment(tmp_path)
    Outbox(settings.state_file).change_state(1, MessageState.SENT, as_of=AS_OF)

    assert settings.state_file.stat().st_mode & 0o077 == 0
