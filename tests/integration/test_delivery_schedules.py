"""Which reports a run makes and sends, by the zone and frequency of each subscription."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from orchestration.delivery.outbox import FailedReport, MadeReport, MessageState, NewMessage, Outbox
from orchestration.delivery.send import deliver
from orchestration.reporting.gather import ReportRows
from orchestration.reporting.render import render_all
from orchestration.reporting.run import make_due_reports
from orchestration.reporting.scopes import ScopeKind
from orchestration.settings import Settings
from tests.support.delivery import REPORT, FakeChannel
from tests.support.report_rows import AS_OF, report_rows
from tests.support.report_state import ScopeSeed, publish_reports, subscribe

_ONE_TENANT = (ScopeSeed(kind=ScopeKind.TENANT, id="acme", name="Acme Support"),)


def _publish_again(settings: Settings, *, as_of: datetime) -> None:
    """What a later run publishes; its windows are left as they were, so every new period is asked
    for by its own span."""
    with duckdb.connect(str(settings.published_file)) as connection:
        connection.execute("update meta.run_context set as_of = ?", [as_of.replace(tzinfo=None)])


def _queued(settings: Settings) -> list[tuple[str, str, str]]:
    return [
        (message.recipient, message.report.frequency, message.report.period)
        for message in Outbox(settings.state_file).messages()
    ]


def _weekly(run_made: tuple[MadeReport, ...]) -> list[str]:
    return sorted(made.key.period for made in run_made if made.key.frequency == "weekly")


def test_each_subscriber_gets_the_week_that_is_over_in_its_zone(tmp_path: Path) -> None:
    # Monday 06:00 in UTC is Sunday 22:00 in Los Angeles: there the week is not over.
    settings = publish_reports(tmp_path, _ONE_TENANT)
    subscribe(
        settings,
        {"recipients": ["utc@example.org"]},
        {"recipients": ["la@example.org"], "timezone": "America/Los_Angeles"},
        {"recipients": ["tokyo@example.org"], "timezone": "Asia/Tokyo"},
        {"recipients": ["own@example.org"], "timezone": "UTC"},
    )

    run = make_due_reports(settings=settings, as_of=AS_OF)

    assert _queued(settings) == [
        ("utc@example.org", "weekly", "2026-W09"),
        ("own@example.org", "weekly", "2026-W09"),
        ("la@example.org", "weekly", "2026-W08 America/Los_Angeles"),
        ("tokyo@example.org", "weekly", "2026-W09 Asia/Tokyo"),
    ]
    assert _weekly(run.made) == [
        "2026-W08 America/Los_Angeles", "2026-W09", "2026-W09 Asia/Tokyo",
    ]  # fmt: skip
    file = "agentmart-weekly-tenant-acme-2026-W08-America-Los_Angeles.json"
    (path,) = settings.reports.rglob(file)
    report = json.loads(path.read_text())
    assert (report["time_zone"], report["first_day"]) == ("America/Los_Angeles", "2026-02-16")
    assert report["window_start"] == "2026-02-16T08:00:00Z"
    assert report["window_end"] == "2026-02-23T08:00:00Z"
    # Messages of every edition can be written as files.
    assert deliver(settings=settings, as_of=AS_OF).written == 4


def test_the_week_of_another_zone_comes_once_it_is_over_there(tmp_path: Path) -> None:
    settings = publish_reports(tmp_path, _ONE_TENANT)
    subscribe(settings, {"timezone": "America/Los_Angeles", "frequency": "weekly"})
    make_due_reports(settings=settings, as_of=AS_OF)
    midnight = datetime(2026, 3, 2, 8, tzinfo=UTC)

    _publish_again(settings, as_of=midnight - timedelta(seconds=1))
    early = make_due_reports(settings=settings, as_of=midnight)
    _publish_again(settings, as_of=midnight)
    due = make_due_reports(settings=settings, as_of=midnight)
    again = make_due_reports(settings=settings, as_of=midnight)

    assert (early.made, _weekly(due.made), again.made) == ((), ["2026-W09 America/Los_Angeles"], ())
    assert (early.queued, due.queued, again.queued) == (0, 1, 0)


def test_weeks_that_were_missed_are_sent_once_to_whoever_was_subscribed(tmp_path: Path) -> None:
    settings = publish_reports(tmp_path, _ONE_TENANT)
    subscribe(
        settings,
        {"recipients": ["ann@example.org"]},
        {"recipients": ["new@example.org"], "updated_at": datetime(2026, 3, 12)},
    )
    make_due_reports(settings=settings, as_of=AS_OF)
    three_weeks_later = AS_OF + timedelta(weeks=3)
    _publish_again(settings, as_of=three_weeks_later)

    run = make_due_reports(settings=settings, as_of=three_weeks_later)
    again = make_due_reports(settings=settings, as_of=three_weeks_later)

    assert _weekly(run.made) == ["2026-W10", "2026-W11", "2026-W12"]
    assert sorted(_queued(settings)) == [
        ("ann@example.org", "weekly", "2026-W09"),
        ("ann@example.org", "weekly", "2026-W10"),
        ("ann@example.org", "weekly", "2026-W11"),
        ("ann@example.org", "weekly", "2026-W12"),
        # Week 11 ended on 15 March, after this one had subscribed.
        ("new@example.org", "weekly", "2026-W11"),
        ("new@example.org", "weekly", "2026-W12"),
    ]
    assert (again.made, again.queued) == ((), 0)


def test_nothing_is_caught_up_for_nobody(tmp_path: Path) -> None:
    settings = publish_reports(tmp_path, _ONE_TENANT)
    make_due_reports(settings=settings, as_of=AS_OF)
    later = AS_OF + timedelta(weeks=3)
    _publish_again(settings, as_of=later)

    run = make_due_reports(settings=settings, as_of=later)

    assert _weekly(run.made) == ["2026-W12"]


def test_a_report_whose_files_are_gone_is_made_again_and_not_sent_again(tmp_path: Path) -> None:
    settings = publish_reports(tmp_path, _ONE_TENANT)
    subscribe(settings, {})
    make_due_reports(settings=settings, as_of=AS_OF)
    deliver(settings=settings, as_of=AS_OF, channel=FakeChannel())
    (lost,) = settings.reports.rglob("*weekly*.pdf")
    content = lost.read_bytes()
    lost.unlink()

    run = make_due_reports(settings=settings, as_of=AS_OF)

    assert ([made.key.frequency for made in run.made], run.queued) == (["weekly"], 0)
    assert lost.read_bytes() == content
    assert [one.state for one in Outbox(settings.state_file).messages()] == [MessageState.SENT]


def test_a_report_is_noted_together_with_its_messages_or_not_at_all(tmp_path: Path) -> None:
    outbox = Outbox(Settings(home=tmp_path).state_file)
    made = MadeReport(key=REPORT, as_of=AS_OF, files={})

    def dying() -> Iterator[NewMessage]:
        yield NewMessage(
            report=REPORT, subscription_id="s1", recipient="ann@example.org", formats=("pdf",)
        )
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        outbox.record_reports([made], messages=dying(), as_of=AS_OF)

    assert (outbox.made_reports(), outbox.messages()) == ({}, [])


class _Deadly(ReportRows):
    """Kills the process that it is handed to."""

    def __reduce__(self) -> tuple[object, tuple[int]]:
        return os._exit, (1,)


def test_a_report_that_stops_its_process_fails_alone(tmp_path: Path) -> None:
    good = [
        report_rows(identifier=f"t{number}", name=f"Tenant {number}", agents=2)
        for number in range(7)
    ]
    deadly = _Deadly(
        window=replace(good[0].window),
        publication=good[0].publication,
        reference=good[0].reference,
        current={},
        previous={},
        first_event_at=None,
    )
    jobs = [*good[:3], deadly, *good[3:]]

    rendered = sorted(
        render_all(jobs, count=len(jobs), folder=tmp_path, formats=["csv"], processes=2),
        key=lambda one: one.position,
    )

    assert [one.position for one in rendered] == list(range(8))
    assert [one.position for one in rendered if one.failure] == [3]
    assert "the process that rendered it stopped" in str(rendered[3].failure)
    assert all((tmp_path / one.files["csv"]).is_file() for one in rendered if not one.failure)


def test_reports_are_taken_as_processes_become_free(tmp_path: Path) -> None:
    taken: list[int] = []

    def jobs() -> Iterator[ReportRows]:
        for number in range(60):
            taken.append(number)
            yield report_rows(identifier=f"t{number}", agents=1)

    rendering = render_all(jobs(), count=60, folder=tmp_path, formats=["csv"], processes=2)
    next(rendering)

    # Two processes, each with two lots of seven, of which one is done.
    assert len(taken) <= 35
    assert len(list(rendering)) == 59


def test_a_report_that_failed_is_known_until_it_is_made(tmp_path: Path) -> None:
    failed = FailedReport(key=REPORT, as_of=AS_OF, reason="no chart")
    outbox = Outbox(Settings(home=tmp_path).state_file)

    outbox.record_reports([failed], as_of=AS_OF)

    assert outbox.failed_reports() == {REPORT}
    outbox.record_reports([MadeReport(key=REPORT, as_of=AS_OF, files={})], as_of=AS_OF)
    assert outbox.failed_reports() == set()
