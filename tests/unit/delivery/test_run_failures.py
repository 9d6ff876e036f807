"""What is told of a run that failed, and of the next one that did not."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from orchestration.delivery.notifications import Notification, Notifications, NotificationStatus
from orchestration.delivery.run_failures import (
    FailedRun,
    queue_failure,
    queue_recovery,
    rerun_command,
)
from orchestration.settings import ChannelSettings, Settings
from orchestration.state.store import Audit, Run, StateStore
from tests.support.notifications import AS_OF

_CHANNELS = ("email", "pagerduty")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "a home", channels=ChannelSettings(run_failures=_CHANNELS))


def _run(settings: Settings, key: str, *, failure: str | None) -> Run:
    store = StateStore(settings.state_file)
    run = store.start_run(run_key=key, command="agentmart run", as_of=AS_OF)
    store.finish_run(run.run_id, status="failed" if failure else "succeeded", failure=failure)
    return store.run(run.run_id)


def _fail(settings: Settings, key: str) -> list[Notification]:
    run = _run(settings, key, failure="warehouse_models: dbt could not build:\n  no space")
    failed = FailedRun(
        run=run,
        run_key=key,
        asset="warehouse_models",
        rerun=rerun_command(settings, "run", "--landing", "in put"),
    )
    return queue_failure(failed, settings=settings)


def test_a_failure_names_what_failed_and_the_command_to_run_again(settings: Settings) -> None:
    mail, event = _fail(settings, "k1")

    assert (mail.channel, event.channel) == _CHANNELS
    assert mail.title == "Run 1 failed at warehouse_models"
    assert mail.body.splitlines() == [
        "warehouse_models: dbt could not build: no space",
        "What is published stays as it was.",
        f"To run again: AGENTMART_HOME='{settings.home}' agentmart run --landing 'in put'",
    ]
    assert mail.payload["asset"] == "warehouse_models"
    assert mail.payload["run_id"] == 1


def test_a_failed_audit_names_the_checks_and_their_models(settings: Settings) -> None:
    run = _run(settings, "k1", failure="7 models or tests failed")
    StateStore(settings.state_file).record_audits(
        run.run_id,
        [
            Audit(
                check_name=f"c{n}", model_name="usage_daily", status="fail", message="Got 3\nrows"
            )
            for n in range(7)
        ]
        + [Audit(check_name="fine", model_name="usage_daily", status="pass")],
    )
    failed = FailedRun(run=run, run_key="k1", asset="warehouse_models", rerun="agentmart run")

    body = queue_failure(failed, settings=settings)[0].body.splitlines()

    assert body[1:7] == [
        *(f"Failed: c{n} on usage_daily: Got 3 rows" for n in range(5)),
        "… and 2 more",
    ]


def test_each_failed_run_is_told_once_even_at_the_same_time(settings: Settings) -> None:
    assert len(_fail(settings, "k1")) == 2
    assert _fail(settings, "k1") == []
    assert len(_fail(settings, "k2")) == 2


def test_the_first_success_after_a_failure_resolves_it_and_later_ones_say_nothing(
    settings: Settings,
) -> None:
    _fail(settings, "k1")
    good = _run(settings, "k2", failure=None)

    told = queue_recovery(good, run_key="k2", settings=settings)
    later = replace(good, run_id=3, as_of=AS_OF + timedelta(hours=1))

    assert [one.channel for one in told] == [*_CHANNELS]
    assert {one.status for one in told} == {NotificationStatus.RESOLVED}
    assert {one.subject_key for one in Notifications(settings.state_file).rows()} == {"run"}
    assert queue_recovery(later, run_key="k3", settings=settings) == []


def test_a_success_without_a_failure_before_says_nothing(settings: Settings) -> None:
    good = _run(settings, "k1", failure=None)
    assert queue_recovery(good, run_key="k1", settings=settings) == []


def test_nobody_is_told_where_no_channel_is_to_tell(settings: Settings) -> None:
    silent = replace(settings, channels=ChannelSettings(run_failures=()))
    assert _fail(silent, "k1") == []
