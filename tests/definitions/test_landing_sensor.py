"""The landing sensor asks for one run when files came, and not while a run is at work."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import dagster as dg
import pytest

from orchestration.clock import now
from orchestration.settings import Settings
from orchestration.warehouse.lock import shared_lock
from orchestration.warehouse.manifest import prepare_manifest
from tests.support.s3_server import KEYS, s3_server


@pytest.fixture(scope="module", autouse=True)
def _manifest(tmp_path_factory: pytest.TempPathFactory) -> None:
    """The definitions can be imported only once dbt has parsed the project."""
    prepare_manifest(Settings(home=tmp_path_factory.mktemp("home")))


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("AGENTMART_HOME", str(tmp_path))
    monkeypatch.delenv("AGENTMART_LANDING", raising=False)
    made = Settings(home=tmp_path)
    made.landing.mkdir()
    return made


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as made:
        yield made


class _Daemon:
    """Ticks of the sensor as Dagster evaluates them; it stores the cursor and knows the keys it has run."""

    def __init__(self, instance: dg.DagsterInstance) -> None:
        self._instance = instance
        self.cursor: str | None = None
        self._keys: set[str | None] = set()

    def tick(self) -> bool:
        """Whether a run starts."""
        from orchestration.defs.landing import landing_sensor

        context = dg.build_sensor_context(instance=self._instance, cursor=self.cursor)
        said = landing_sensor.evaluate_tick(context)
        self.cursor = said.cursor
        new = {one.run_key for one in said.run_requests or ()} - self._keys
        self._keys |= new
        assert bool(said.run_requests) != bool(said.skip_message)
        return bool(new)


def _deliver(settings: Settings, name: str, text: str = "{}\n") -> None:
    folder = settings.landing / "charges"
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(text)


def _start_run(instance: dg.DagsterInstance) -> str:
    @dg.job(name="work")
    def work() -> None: ...

    run = instance.create_run_for_job(work, status=dg.DagsterRunStatus.STARTED)
    return run.run_id


def test_files_that_came_are_asked_for_once(
    settings: Settings, instance: dg.DagsterInstance
) -> None:
    daemon = _Daemon(instance)
    _deliver(settings, "one.ndjson")
    _deliver(settings, "two.ndjson")
    assert [daemon.tick() for _ in range(3)] == [True, False, False]
    _deliver(settings, "three.ndjson")
    assert [daemon.tick() for _ in range(2)] == [True, False]


def test_a_file_that_is_written_anew_is_asked_for_again(
    settings: Settings, instance: dg.DagsterInstance
) -> None:
    daemon = _Daemon(instance)
    _deliver(settings, "one.ndjson")
    assert daemon.tick()
    _deliver(settings, "one.ndjson", text="{}\n{}\n")
    assert daemon.tick()


def test_a_restart_with_the_stored_cursor_asks_for_nothing_twice(
    settings: Settings, instance: dg.DagsterInstance
) -> None:
    _deliver(settings, "one.ndjson")
    before = _Daemon(instance)
    assert before.tick()
    restarted = _Daemon(instance)
    restarted.cursor = before.cursor
    assert not restarted.tick()


def test_a_crash_between_the_request_and_the_cursor_starts_no_second_run(
    settings: Settings, instance: dg.DagsterInstance
) -> None:
    daemon = _Daemon(instance)
    _deliver(settings, "one.ndjson")
    assert daemon.tick()
    daemon.cursor = None
    assert not daemon.tick()


def test_what_comes_while_a_run_is_at_work_is_asked_for_after_it(
    settings: Settings, instance: dg.DagsterInstance
) -> None:
    daemon = _Daemon(instance)
    run_id = _start_run(instance)
    _deliver(settings, "one.ndjson")
    assert not daemon.tick()
    run = instance.get_run_by_id(run_id)
    assert run is not None
    instance.report_run_canceled(run)
    assert daemon.tick()


def test_a_landing_folder_that_is_missing_is_said_and_asks_for_nothing(
    settings: Settings, instance: dg.DagsterInstance
) -> None:
    settings.landing.rmdir()
    assert not _Daemon(instance).tick()


@pytest.mark.parametrize("is_alive", [True, False])
def test_a_run_whose_process_is_gone_is_noted_as_failed_and_holds_nothing_up(
    settings: Settings, instance: dg.DagsterInstance, is_alive: bool
) -> None:
    from orchestration.defs.abandoned_runs import end_abandoned_runs, is_at_work

    run_id = _start_run(instance)
    # One that has just begun may not have come to share the lock.
    assert end_abandoned_runs(instance, settings, now=now()) == []
    later = now() + timedelta(minutes=3)
    if is_alive:
        with shared_lock(settings.runs_lock_file):
            assert is_at_work(instance, settings, now=later)
        return
    assert not is_at_work(instance, settings, now=later)
    run = instance.get_run_by_id(run_id)
    assert run is not None
    assert run.status is dg.DagsterRunStatus.FAILURE


def test_a_tick_on_a_bucket_is_one_listing_and_reads_no_object(
    settings: Settings,
    instance: dg.DagsterInstance,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    del settings
    for name, value in {**KEYS, "AWS_EC2_METADATA_DISABLED": "true"}.items():
        monkeypatch.setenv(name, value)
    # Nothing of the person's own configuration.
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    (tmp_path / "s3").mkdir()
    with s3_server(tmp_path / "s3") as server:
        monkeypatch.setenv("AGENTMART_S3_ENDPOINT_URL", server.endpoint)
        monkeypatch.setenv("AGENTMART_LANDING", "s3://bucket/extracts")
        server.make_bucket("bucket")
        server.put("bucket", "extracts/charges/one.ndjson", b"{}\n")
        daemon, asked, requests = _Daemon(instance), [], []
        for _ in range(3):
            before = len(server.log.read_text().splitlines())
            asked.append(daemon.tick())
            requests.append(server.log.read_text().splitlines()[before:])
    assert asked == [True, False, False]
    assert [len(lines) for lines in requests] == [1, 1, 1]
    assert all("GET /bucket?list-type=2" in lines[0] for lines in requests)
