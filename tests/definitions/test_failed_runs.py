"""Dagster runs that fail are told of, also those that no terminal started."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from orchestration.delivery.notifications import Notification, Notifications
from orchestration.errors import RunFailure
from orchestration.settings import Settings
from orchestration.state.store import StateStore
from orchestration.warehouse.manifest import prepare_manifest

_AS_OF = "2026-03-02T06:00:00+00:00"


@pytest.fixture(scope="module", autouse=True)
def _manifest(tmp_path_factory: pytest.TempPathFactory) -> None:
    """The definitions can be imported only once dbt has parsed the project."""
    prepare_manifest(Settings(home=tmp_path_factory.mktemp("home")))


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("AGENTMART_HOME", str(tmp_path))
    monkeypatch.delenv("AGENTMART_SMTP_HOST", raising=False)
    return Settings(home=tmp_path)


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as made:
        yield made


def _run(instance: dg.DagsterInstance, *, fails: bool, job: str = "insights_daily_job") -> Any:
    """A run of one step with the name of one of ours, which notes itself as theirs do."""
    from orchestration.defs.deployment import Deployment

    @dg.op(name="published__database")
    def step(context: dg.OpExecutionContext, deployment: Deployment) -> None:
        current = deployment.current_run(context.run_id)
        if fails:
            raise RunFailure("2 models or tests failed")
        current.store.finish_run(current.run.run_id, status="succeeded")

    @dg.job(name=job, resource_defs={"deployment": Deployment()})
    def made() -> None:
        step()

    config = {"resources": {"deployment": {"config": {"as_of": _AS_OF}}}}
    return made.execute_in_process(instance=instance, run_config=config, raise_on_error=False)


def _sense(instance: dg.DagsterInstance, result: Any) -> None:
    """Call the sensor of the run's end, as Dagster's daemon does."""
    from orchestration.defs.notifying import failed_run_sensor, succeeded_run_sensor

    event = result.get_run_success_event() if result.success else result.get_run_failure_event()
    dagster_run = instance.get_run_by_id(result.run_id)
    assert dagster_run is not None
    context = dg.build_run_status_sensor_context(
        sensor_name="sensor",
        dagster_event=event,
        dagster_instance=instance,
        dagster_run=dagster_run,
    )
    if result.success:
        succeeded_run_sensor(context)
    else:
        failed_run_sensor(context.for_run_failure())


def _told(settings: Settings) -> list[Notification]:
    return Notifications(settings.state_file).rows()


def test_a_failed_run_is_told_once_with_its_asset_and_the_command(
    settings: Settings, instance: dg.DagsterInstance
) -> None:
    result = _run(instance, fails=True)

    for _ in range(2):
        _sense(instance, result)

    (told,) = _told(settings)
    assert told.title == "Run 1 failed at published/database"
    assert told.body.splitlines() == [
        "published__database: 2 models or tests failed",
        "What is published stays as it was.",
        f"To run again: AGENTMART_HOME={settings.home} agentmart run",
    ]
    assert [file.name for file in settings.outbox.iterdir()] == ["run_failure-email-1.json"]
    assert StateStore(settings.state_file).run(1).status == "failed"


@pytest.mark.parametrize(
    ("job", "command"),
    [
        ("lake_maintenance_daily_job", "agentmart compact"),
        ("retention_daily_job", "agentmart retention --apply"),
    ],
)
def test_a_job_that_a_whole_run_does_not_mend_names_its_own_command(
    job: str, command: str, settings: Settings, instance: dg.DagsterInstance
) -> None:
    _sense(instance, _run(instance, fails=True, job=job))

    assert _told(settings)[0].body.endswith(command)


def test_a_failed_backfill_names_the_days_to_build_again(
    settings: Settings, instance: dg.DagsterInstance
) -> None:
    from orchestration.defs.partitions import rerun_words

    del settings
    tags = {
        "dagster/asset_partition_range_start": "2026-02-01",
        "dagster/asset_partition_range_end": "2026-02-07",
    }
    run = instance.create_run_for_job(_job_without_steps(), tags=tags)
    assert rerun_words(run) == ("--from", "2026-02-01", "--to", "2026-02-08")
    one_day = instance.create_run_for_job(
        _job_without_steps(), tags={"dagster/partition": "2026-02-28"}
    )
    assert rerun_words(one_day) == ("--from", "2026-02-28", "--to", "2026-03-01")
    assert rerun_words(instance.create_run_for_job(_job_without_steps())) == ()


def _job_without_steps() -> dg.JobDefinition:
    @dg.job(name="work")
    def work() -> None: ...

    return work


def test_the_first_success_resolves_it(settings: Settings, instance: dg.DagsterInstance) -> None:
    for fails in (False, True, False, False):
        _sense(instance, _run(instance, fails=fails))

    assert [(told.status, told.title) for told in _told(settings)] == [
        ("firing", "Run 2 failed at published/database"),
        ("resolved", "Runs failed"),
    ]


def test_both_sensors_watch_unless_they_are_switched_off(settings: Settings) -> None:
    del settings
    from orchestration.defs.notifying import failed_run_sensor, succeeded_run_sensor

    for sensor in (failed_run_sensor, succeeded_run_sensor):
        assert sensor.default_status is dg.DefaultSensorStatus.RUNNING
