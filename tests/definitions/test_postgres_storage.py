"""Dagster's record of runs in PostgreSQL: what is queued there, a daemon starts, wherever it was queued."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from orchestration.cli.dagster_home import open_instance
from orchestration.errors import RunFailure
from orchestration.settings import PROJECT_ROOT, Settings
from tests.support.command_line import command_environment
from tests.support.postgres_server import PASSWORD, PostgresServer, postgres_server
from tests.support.s3_server import free_port

_JOB = "lake_maintenance_daily_job"
_LONGEST_WAIT = 900


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    with postgres_server() as running:
        yield running


def _url(port: int) -> str:
    return f"postgresql://agentmart@127.0.0.1:{port}/postgres"


def _dagster(*words: str) -> list[str]:
    return [str(Path(sys.executable).with_name(words[0])), *words[1:]]


@contextmanager
def _daemon(environment: dict[str, str], log: Path) -> Iterator[None]:
    with log.open("w") as said:
        process = subprocess.Popen(
            _dagster("dagster-daemon", "run", "-m", "orchestration.definitions"),
            env=environment,
            cwd=PROJECT_ROOT,
            stdout=said,
            stderr=said,
        )
        try:
            yield
        finally:
            process.terminate()
            process.wait(timeout=60)


def test_a_run_that_one_process_queues_is_started_by_the_daemon_of_another(
    server: PostgresServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    settings = Settings(home=tmp_path, dagster_postgres=_url(server.port))
    environment = {
        **command_environment(tmp_path),
        "DAGSTER_HOME": str(settings.dagster_home),
        "AGENTMART_DAGSTER_POSTGRES": _url(server.port),
        "PGPASSWORD": PASSWORD,
    }
    with open_instance(settings):
        pass
    queued = subprocess.run(
        _dagster("dagster", "job", "launch", "-m", "orchestration.definitions", "-j", _JOB),
        env=environment,
        cwd=PROJECT_ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert queued.returncode == 0, queued.stdout + queued.stderr
    assert server.ask("select status, pipeline_name from public.runs") == [("QUEUED", _JOB)]
    log = tmp_path / "daemon.log"
    with _daemon(environment, log):
        give_up_at = time.monotonic() + _LONGEST_WAIT
        while server.ask("select status from public.runs") not in ([("SUCCESS",)], [("FAILURE",)]):
            assert time.monotonic() < give_up_at, log.read_text()
            time.sleep(1)
    assert server.ask("select status from public.runs") == [("SUCCESS",)], log.read_text()
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert [path for path in files if PASSWORD.encode() in path.read_bytes()] == []
    assert not list(settings.dagster_home.rglob("*.db")), "a record of runs beside the server's"


def test_a_server_that_cannot_be_reached_is_said_with_what_to_do(tmp_path: Path) -> None:
    port = free_port()
    settings = Settings(home=tmp_path, dagster_postgres=_url(port))
    with pytest.raises(RunFailure) as failure:
        open_instance(settings)
    said = str(failure.value)
    assert "\n" not in said
    assert f"port {port} failed: Connection refused" in said
    assert "AGENTMART_DAGSTER_POSTGRES and PGPASSWORD" in said


def test_a_configuration_that_somebody_wrote_stays(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    settings.dagster_home.mkdir()
    own = settings.dagster_home / "dagster.yaml"
    own.write_text("telemetry: {enabled: false}\n")
    with open_instance(settings):
        pass
    assert yaml.safe_load(own.read_text()) == {"telemetry": {"enabled": False}}
