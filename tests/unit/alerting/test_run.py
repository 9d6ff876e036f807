"""Alerts of a run: what is queued for which channel, remembered, and not queued twice after a crash."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest

from orchestration.alerting import run as alerting
from orchestration.alerting.memory import AlertMemory
from orchestration.alerting.run import evaluate_alerts, queue_test
from orchestration.delivery.notifications import Notification, Notifications
from orchestration.errors import UserError
from orchestration.settings import Settings

_AS_OF = datetime(2026, 5, 2, 12, tzinfo=UTC)
_TABLES = """
    create schema alerts; create schema core; create schema reference;
    create table reference.settings as
        select 'alert_lookback_hours' as setting_key, '24' as setting_value;
    create table core.dim_tenants (tenant_key varchar);
    create table core.dim_publishers (publisher_key varchar);
    insert into core.dim_tenants values ('s:t1');
    create table core.dim_alert_overrides (
        rule_id varchar, source_name varchar, scope_kind varchar, scope_id varchar, scope_key varchar,
        window_minutes bigint, channels varchar, valid_to timestamp
    );
    create table alerts.alert_states (
        rule_id varchar, scope_kind varchar, scope_id varchar, scope_key varchar, source_name varchar,
        sample_until timestamp, muted_until timestamp
    );
    create table alerts.alerts (
        alert_id varchar, rule_id varchar, scope_kind varchar, scope_id varchar, scope_key varchar,
        source_name varchar, subject_kind varchar, subject_id varchar, severity varchar, title varchar,
        description varchar, recommendation varchar, metric varchar, comparison varchar,
        threshold double, value double, sample_size bigint, fired_at timestamp, ended_at timestamp,
        state varchar, channels varchar, cooldown_minutes bigint, notify_on varchar,
        muted_until timestamp
    );
"""


class _Home:
    """A deployment whose published database holds what a test writes into it."""

    def __init__(self, folder: Path) -> None:
        self.settings = Settings(home=folder)
        self.settings.published_file.parent.mkdir(parents=True)
        self.write(_TABLES)
        self.watch("2026-05-02 11:00:00")

    def write(self, statements: str) -> None:
        with duckdb.connect(str(self.settings.published_file)) as connection:
            connection.execute(statements)

    def watch(self, known: str) -> None:
        self.write(
            "delete from alerts.alert_states; insert into alerts.alert_states values"
            f" ('high_error_rate', 'tenant', 't1', 's:t1', 's', timestamp '{known}', null)"
        )

    def fire(self, fired: str, *, ended: str = "null", state: str = "firing") -> None:
        self.write(
            "delete from alerts.alerts; insert into alerts.alerts values"
            " ('a1', 'high_error_rate', 'tenant', 't1', 's:t1', 's', 'scope', 't1', 'critical',"
            " 'High Error Rate of Tea', 'Many errors.', 'Look.', 'message_error_rate', '>', 0.02, 0.5,"
            f" 40, timestamp '{fired}', {ended}, '{state}', 'email|pagerduty', 60, 'firing|resolved',"
            " null)"
        )

    def queued(self) -> list[Notification]:
        return Notifications(self.settings.state_file).rows()


@pytest.fixture
def home(tmp_path: Path) -> _Home:
    return _Home(tmp_path)


def test_an_alert_is_queued_once_for_each_channel_of_its_rule(home: _Home) -> None:
    home.fire("2026-05-02 10:30:00")
    outcome = evaluate_alerts(settings=home.settings, as_of=_AS_OF)
    assert outcome.counts() == {
        "standing": 1,
        "fired": 1,
        "ended": 0,
        "muted": 0,
        "cooling_down": 0,
        "queued": 2,
        "warnings": [],
    }
    mail, page = home.queued()
    assert (mail.channel, page.channel) == ("email", "pagerduty")
    assert mail.subject_key == page.subject_key == "high_error_rate/tenant:t1@s"
    assert mail.transition_at == datetime(2026, 5, 2, 10, 30, tzinfo=UTC)
    assert (mail.severity, mail.status) == ("critical", "firing")
    assert mail.title == "High Error Rate of Tea"
    assert mail.body == "Many errors.\nLook."
    assert mail.payload["scope"] == "tenant:t1"
    assert str(mail.payload["value"]) == "0.5"
    assert evaluate_alerts(settings=home.settings, as_of=_AS_OF).queued == 0


def test_its_end_is_queued_under_the_same_subject(home: _Home) -> None:
    home.fire("2026-05-02 10:30:00")
    evaluate_alerts(settings=home.settings, as_of=_AS_OF)
    home.fire("2026-05-02 10:30:00", ended="timestamp '2026-05-02 11:10:00'", state="resolved")
    home.watch("2026-05-02 11:30:00")
    evaluate_alerts(settings=home.settings, as_of=_AS_OF)
    *_, mail, page = home.queued()
    assert (mail.status, page.status) == ("resolved", "resolved")
    assert mail.subject_key == home.queued()[0].subject_key
    assert mail.body.startswith(
        "It fired at 2026-05-02 10:30 UTC and ended at 2026-05-02 11:10 UTC."
    )


def test_an_alert_that_late_data_take_back_is_resolved_with_that_reason(home: _Home) -> None:
    home.fire("2026-05-02 10:30:00")
    evaluate_alerts(settings=home.settings, as_of=_AS_OF)
    home.write("delete from alerts.alerts")
    evaluate_alerts(settings=home.settings, as_of=_AS_OF)
    last = home.queued()[-1]
    assert last.status == "resolved"
    assert last.body == (
        "Data that came late show that what fired at 2026-05-02 10:30 UTC did not stand."
    )


def test_a_run_killed_after_queueing_queues_nothing_twice(
    home: _Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    class DyingMemory(AlertMemory):
        def write(self, memories: object) -> None:
            raise KeyboardInterrupt

    home.fire("2026-05-02 10:30:00")
    with monkeypatch.context() as patched:
        patched.setattr(alerting, "AlertMemory", DyingMemory)
        with pytest.raises(KeyboardInterrupt):
            evaluate_alerts(settings=home.settings, as_of=_AS_OF)
    assert len(home.queued()) == 2
    outcome = evaluate_alerts(settings=home.settings, as_of=_AS_OF)
    assert (outcome.counts()["fired"], outcome.queued) == (1, 0)
    assert len(home.queued()) == 2


def test_a_wrong_override_stops_before_anything_is_queued(home: _Home) -> None:
    home.fire("2026-05-02 10:30:00")
    home.write(
        "insert into core.dim_alert_overrides values ('daily_cost', 's', 'tenant', 'lost', 's:lost',"
        " null, null, timestamp '9999-12-31 00:00:00')"
    )
    with pytest.raises(UserError, match=r"daily_cost for tenant:lost of s: scope_id is 'lost'"):
        evaluate_alerts(settings=home.settings, as_of=_AS_OF)
    assert home.queued() == []
    # A state that another took over from no longer matters.
    home.write("update core.dim_alert_overrides set valid_to = timestamp '2026-05-01 00:00:00'")
    assert evaluate_alerts(settings=home.settings, as_of=_AS_OF).queued == 2


def test_nothing_published_yet_is_nothing_to_tell(tmp_path: Path) -> None:
    outcome = evaluate_alerts(settings=Settings(home=tmp_path), as_of=_AS_OF)
    assert (outcome.standing, outcome.queued) == (0, 0)


def test_a_test_says_so_in_every_channel_and_can_be_repeated(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    first = queue_test("high_error_rate", settings=settings, as_of=_AS_OF)
    assert [(one.channel, one.kind, one.severity) for one in first] == [
        ("email", "test", "info"),
        ("sms", "test", "info"),
    ]
    assert {one.title for one in first} == {"[TEST] Alert rule high_error_rate"}
    assert "Nothing fired: it would when message_error_rate > 0.02." in first[0].body
    assert queue_test("high_error_rate", settings=settings, as_of=_AS_OF) == []
    later = _AS_OF.replace(minute=1)
    assert len(queue_test("high_error_rate", settings=settings, as_of=later)) == 2
