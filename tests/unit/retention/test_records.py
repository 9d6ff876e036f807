"""Of what a deployment remembers, what was of somebody goes, and everything else can be read as before."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from orchestration.alerting.decide import Memory
from orchestration.alerting.memory import AlertMemory
from orchestration.delivery.channels.eml import EmlChannel
from orchestration.delivery.notifications import (
    NewNotification,
    NotificationKind,
    Notifications,
    NotificationStatus,
    Severity,
)
from orchestration.delivery.outbox import MadeReport, MessageState, NewMessage, Outbox, ReportKey
from orchestration.retention.records import (
    blank_words,
    forget_old_reports,
    forget_scopes,
    forget_words,
)
from orchestration.retention.search import Words
from orchestration.settings import Settings
from orchestration.state.store import StateStore

NOW = datetime(2026, 3, 1, 6, 30, tzinfo=UTC)
NEWS = NewNotification(
    kind=NotificationKind.DAILY_SUMMARY,
    subject_key="native|tenant:42",
    transition_at=NOW,
    channel="webhook",
    severity=Severity.INFO,
    status=NotificationStatus.INFO,
    title="42 on 2026-03-01",
    body="3 active users.",
    payload={"data": {"scope": "tenant:42", "dau": 42, "cost": "42"}},
)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    settings = Settings(home=tmp_path)
    StateStore(settings.state_file)
    return settings


@pytest.mark.parametrize("name", ["42", "30", "made", "test"])
def test_an_erasure_leaves_counts_times_and_kinds_readable(settings: Settings, name: str) -> None:
    store = StateStore(settings.state_file)
    run = store.start_run(run_key="key", command="run", as_of=NOW)
    store.add_counts(run.run_id, {"reports": {"made": 42, "queued": 30}})
    store.finish_run(run.run_id, status="failed", failure=f"42 of 30 rows; tenant {name}: no data")
    queue = Notifications(settings.state_file)
    queue.queue([replace(NEWS, kind=NotificationKind.TEST, subject_key="test of r")], as_of=NOW)
    forget_words(settings, Words(names=(name,)))
    after = store.run(run.run_id)
    assert (after.as_of, after.counts) == (NOW, {"reports": {"made": 42, "queued": 30}})
    assert after.failure == "42 of 30 rows; tenant [erased]: no data"
    (row,) = queue.rows()
    assert (row.kind, row.queued_as_of) == (NotificationKind.TEST, NOW)
    if name == "42":
        assert row.title == "[erased] on 2026-03-01"
        expected = {"data": {"scope": "tenant:[erased]", "dau": 42, "cost": "42"}}
        assert row.payload == expected


def test_of_an_event_only_texts_are_blanked_and_it_stays_json(tmp_path: Path) -> None:
    path = tmp_path / "runs.db"
    event = '{"acme": 1.50, "texts": ["acme failed", {"user_id": "7", "rows": "7"}], "n": 7}'
    with sqlite3.connect(path) as connection:
        connection.execute(
            "create table events (id integer primary key, key text unique, at timestamp, "
            "kind text check (kind in ('acme')), event text)"
        )
        connection.execute(
            "insert into events values (1, 'acme', 'acme', 'acme', ?)",
            (event,),
        )
    connection.close()
    blank_words(path, Words(names=("acme", "7")))
    connection = sqlite3.connect(path)
    ((*kept, after),) = connection.execute("select * from events").fetchall()
    connection.close()
    assert kept == [1, "acme", "acme", "acme"]
    assert after == (
        '{"acme": 1.50, "texts": ["[erased] failed", {"user_id": "[erased]", "rows": "7"}], "n": 7}'
    )
    assert json.loads(after)["n"] == 7


def test_two_tenants_of_one_rule_are_erased_one_after_the_other(settings: Settings) -> None:
    memory = AlertMemory(settings.state_file)
    known = Memory(known_until=NOW)
    keys = [f"slow/tenant:{one}" for one in ("acme@native", "acme@other", "globex@native")]
    memory.write(dict.fromkeys([*keys, "slow/platform:"], known))
    for tenant, left in (("acme", 3), ("globex", 2)):
        forget_scopes(settings, [("native", tenant)])
        forget_words(settings, Words(names=(tenant,)))
        assert len(memory.read()) == left
    assert memory.read() == {"slow/tenant:acme@other": known, "slow/platform:": known}


def test_what_was_to_be_told_of_a_tenant_is_not_told_any_more(settings: Settings) -> None:
    queue = Notifications(settings.state_file)
    alert = replace(NEWS, kind=NotificationKind.ALERT, status=NotificationStatus.FIRING)
    others = [
        replace(NEWS, subject_key="native|tenant:7"),
        replace(NEWS, subject_key="other|tenant:42"),
        replace(alert, subject_key="slow/publisher:42@native"),
    ]
    queue.queue([NEWS, replace(alert, subject_key="slow/tenant:42@native"), *others], as_of=NOW)
    forget_scopes(settings, [("native", "42")])
    assert [row.subject_key for row in queue.rows()] == [one.subject_key for one in others]


def test_nobody_writes_any_more_to_who_was_an_address(settings: Settings) -> None:
    key = ReportKey(
        scope_kind="platform", source_name="", scope_id="", frequency="daily", period="2026-03-01"
    )
    messages = [
        NewMessage(
            report=key, subscription_id=one, recipient=f"{one}@example.org", formats=("pdf",)
        )
        for one in ("ann", "bob")
    ]
    outbox = Outbox(settings.state_file)
    outbox.record_reports([MadeReport(key=key, as_of=NOW, files={})], messages=messages, as_of=NOW)
    queue = Notifications(settings.state_file)
    (row,) = queue.queue([NEWS], as_of=NOW)
    queue.address(row, ["ann@example.org", "bob@example.org", "cat@example.org"])
    for one in ("ann", "bob"):
        forget_words(settings, Words(names=(f"{one}@example.org",), kinds=("user",)))
    assert [row.target for row in queue.rows()] == ["cat@example.org"]
    assert {(one.recipient, one.state) for one in outbox.messages()} == {
        ("[erased]", MessageState.FAILED)
    }


def test_retention_removes_the_mail_of_a_report_in_another_zone(settings: Settings) -> None:
    outbox = Outbox(settings.state_file)
    for period in ("2026-03-01", "2026-03-01 America/New_York"):
        key = ReportKey(
            scope_kind="tenant",
            source_name="native",
            scope_id="acme",
            frequency="daily",
            period=period,
        )
        message = NewMessage(report=key, subscription_id="s", recipient="a@b.org", formats=("pdf",))
        made = MadeReport(key=key, as_of=NOW, files={"pdf": "report.pdf"})
        outbox.record_reports([made], messages=[message], as_of=NOW)
        with EmlChannel(settings.outbox) as channel:
            channel.send(outbox.messages()[-1], b"mail")
    assert len(list(settings.outbox.iterdir())) == 2
    forget_old_reports(settings, [("native", "acme", date(2026, 6, 1))])
    assert list(settings.outbox.iterdir()) == []
