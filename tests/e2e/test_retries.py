"""Steps that may be done twice are tried again after a failure that may pass, and no other failure is.

Belongs here: the real steps with a fault put in front of them. Does not belong here: what a step does.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from typing import Any

import dagster as dg
import duckdb
import pytest

from orchestration.cli.progress import shown_retries
from orchestration.cli.summary import summarise
from orchestration.defs import ingestion, notifying, publishing, reporting, retries
from orchestration.defs.deployment import Deployment
from orchestration.errors import RunFailure, UserError
from orchestration.settings import Settings
from orchestration.state.store import StateStore
from orchestration.warehouse.publications import current_id
from tests.e2e.conftest import AS_OF, DeploymentUnderTest

STEPS = {
    "landed_extracts": (ingestion, "load_extracts", ingestion.landed_extracts),
    "published/database": (publishing, "publish_candidate", publishing.published_database),
    "delivery/outbox": (reporting, "send_messages", reporting.delivered_messages),
    "delivery/notifications": (notifying, "tell", notifying.sent_notifications),
}


@pytest.fixture(scope="module")
def settings(
    deployment: DeploymentUnderTest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Settings]:
    """A deployment that has run, whose run goes on; what is tried again waits next to nothing."""
    own = deployment.copy_to(tmp_path_factory.mktemp("retries") / "home")
    settings = Settings(home=own.home, threads=2)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AGENTMART_HOME", str(own.home))
        patch.setattr(retries, "FIRST_WAIT_SECONDS", 0.01)
        yield settings


def _step(
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    *,
    step: str,
    failure: Callable[[], Exception],
    times: int,
) -> tuple[dg.ExecuteInProcessResult, int]:
    """Run a step of the first run again, its work failing so often first; and how often it began."""
    module, name, asset = STEPS[step]
    work, begun = getattr(module, name), 0

    def failing(*arguments: Any, **named: Any) -> Any:
        nonlocal begun
        begun += 1
        if begun <= times:
            raise failure()
        return work(*arguments, **named)

    with sqlite3.connect(settings.state_file) as store:
        ((run_key,),) = store.execute("select run_key from runs where run_id = 1").fetchall()
    monkeypatch.setattr(module, name, failing)
    with dg.DagsterInstance.ephemeral() as instance:
        result = dg.materialize(
            [asset],
            instance=instance,
            resources={"deployment": Deployment(as_of=AS_OF, run_key=run_key)},
            raise_on_error=False,
        )
    return result, begun


def _retried(result: dg.ExecuteInProcessResult) -> list[dg.DagsterEvent]:
    return [one for one in result.all_events if one.event_type_value == "STEP_UP_FOR_RETRY"]


@pytest.mark.parametrize("step", STEPS)
def test_a_failure_that_passes_is_tried_again_and_told_of(
    step: str,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with shown_retries():
        result, begun = _step(
            settings,
            monkeypatch,
            step=step,
            failure=lambda: ConnectionResetError("storage went\naway"),
            times=2,
        )
    assert result.success
    assert begun == 3
    assert len(_retried(result)) == 2
    # Dagster's own log goes to the same place.
    told = [line for line in capsys.readouterr().err.splitlines() if line.startswith(step)]
    assert told == [
        f"{step}: try 1 of 4 failed (ConnectionResetError: storage went away); the next in 0 s",
        f"{step}: try 2 of 4 failed (ConnectionResetError: storage went away); the next in 0 s",
    ]
    run = StateStore(settings.state_file).run(1)
    assert run.counts["retries"][step] == 2
    (line,) = [one for one in summarise(settings, run, seconds=1) if one.startswith("  retries")]
    assert f"{step} 2" in line


def test_a_publication_that_was_tried_again_is_one_publication(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = current_id(settings)
    assert before is not None
    result, _ = _step(
        settings,
        monkeypatch,
        step="published/database",
        failure=lambda: duckdb.IOException("could not read"),
        times=1,
    )
    assert result.success
    assert current_id(settings) == before + 1


def test_each_wait_is_twice_the_one_before_and_the_fourth_failure_is_the_last(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    result, begun = _step(
        settings,
        monkeypatch,
        step="delivery/outbox",
        failure=lambda: sqlite3.OperationalError("database is locked"),
        times=9,
    )
    assert not result.success
    assert begun == 4
    waits = [event.step_retry_data.seconds_to_wait for event in _retried(result)]
    assert waits == [0.01, 0.02, 0.04]
    (failed,) = [one for one in result.all_events if one.is_step_failure]
    assert "database is locked" in str(failed.step_failure_data.error)


@pytest.mark.parametrize(
    "failure",
    [
        UserError("the brand has no colour"),
        RunFailure("2 models or tests failed"),
        PermissionError(13, "Permission denied"),
        FileNotFoundError(2, "No such file or directory"),
        OSError(28, "No space left on device"),
        ZeroDivisionError("a bug"),
    ],
    ids=lambda one: type(one).__name__,
)
def test_what_stays_wrong_fails_at_once(
    failure: Exception, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    result, begun = _step(
        settings, monkeypatch, step="delivery/outbox", failure=lambda: failure, times=9
    )
    assert not result.success
    assert begun == 1
    assert not _retried(result)
