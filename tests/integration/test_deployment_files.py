"""The units and the container start what they say, without rights, and only with a home that is set up."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest

from orchestration.settings import PROJECT_ROOT
from tests.support.command_line import command_environment
from tests.support.http_server import closed_port

_FOLDER = PROJECT_ROOT / "orchestration" / "deployment"
_UNITS = sorted(_FOLDER.glob("*.service"))
_CONTAINER = (_FOLDER / "Containerfile").read_text(encoding="utf-8")
_INSTALLED = "/srv/agentmart"
_SALT = "a salt of the deployment under test"
_SECONDS = 300


def _settings_of(unit: Path) -> dict[str, list[str]]:
    """Every key of the unit with its values; comments and sections left out."""
    found: dict[str, list[str]] = {}
    for line in unit.read_text(encoding="utf-8").splitlines():
        if "=" in line and not line.startswith("#"):
            key, _, value = line.partition("=")
            found.setdefault(key, []).append(value)
    return found


def _environment_of(unit: Path) -> dict[str, str]:
    pairs = (value.partition("=") for value in _settings_of(unit)["Environment"])
    return {name: value for name, _, value in pairs}


def _instructions() -> list[tuple[str, str]]:
    lines = re.sub(r"\\\n\s*", "", re.sub(r"^#.*\n", "", _CONTAINER, flags=re.MULTILINE))
    return [
        (word, rest)
        for word, _, rest in (line.partition(" ") for line in lines.splitlines() if line)
    ]


def _container_command() -> list[str]:
    """What a container runs, listening on loopback."""
    instructions = dict(_instructions())
    words = [*json.loads(instructions["ENTRYPOINT"]), *json.loads(instructions["CMD"])]
    return ["127.0.0.1" if word == "0.0.0.0" else word for word in words]


def _unit_command(name: str) -> list[str]:
    (command,) = _settings_of(_FOLDER / name)["ExecStart"]
    return shlex.split(command)


def _here(command: Sequence[str], *, port: int) -> list[str]:
    """The same command of this installation, on a port that is free."""
    words = [word.replace(_INSTALLED, str(PROJECT_ROOT)) for word in command]
    return [str(port) if word == "3000" else word for word in words]


@contextmanager
def _running(
    command: Sequence[str], home: Path, *, salt: Mapping[str, str]
) -> Iterator[subprocess.Popen[str]]:
    environ = {**command_environment(home), **_environment_of(_UNITS[0]), **salt}
    environ |= {"AGENTMART_HOME": str(home), "HOME": str(home)}
    log = home.parent / "log"
    with log.open("w") as output:
        process = subprocess.Popen(
            command,
            env=environ,
            cwd=PROJECT_ROOT,
            stdout=output,
            stderr=subprocess.STDOUT,
            text=True,
            umask=0o077,
            start_new_session=True,
        )
        try:
            yield process
        finally:
            # As systemd does: the whole group, first asked and then made to.
            for order in (signal.SIGTERM, signal.SIGKILL):
                try:
                    os.killpg(process.pid, order)
                    process.wait(30)
                except (ProcessLookupError, subprocess.TimeoutExpired):
                    continue


def _wait_until(is_there: object, process: subprocess.Popen[str], log: Path) -> None:
    end = time.monotonic() + _SECONDS
    while not is_there():  # type: ignore[operator]
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < end, log.read_text()
        time.sleep(0.5)


def _answers(url: str) -> bool:
    try:
        with urlopen(url, timeout=5) as reply:
            return bool(json.loads(reply.read())["dagster_webserver_version"])
    except (URLError, OSError):
        return False


def test_the_web_page_of_the_container_answers_on_a_new_home(tmp_path: Path) -> None:
    port, home = closed_port(), tmp_path / "home"
    home.mkdir()
    command = _here(_container_command(), port=port)
    salt = {"AGENTMART_USER_ID_SALT": _SALT}
    with _running(command, home, salt=salt) as process:
        url = f"http://127.0.0.1:{port}/server_info"
        _wait_until(lambda: _answers(url), process, tmp_path / "log")
    assert not [one for one in (home / "dagster").rglob("*") if one.stat().st_mode & 0o077]


def test_the_daemon_of_the_unit_runs_its_schedules_on_a_new_home(tmp_path: Path) -> None:
    home, log = tmp_path / "home", tmp_path / "log"
    home.mkdir()
    command = _here(_unit_command("agentmart-daemon.service"), port=0)
    with _running(command, home, salt={"AGENTMART_USER_ID_SALT": _SALT}) as process:
        _wait_until(lambda: "SensorDaemon" in log.read_text(), process, log)
    assert "SchedulerDaemon" in log.read_text()


@pytest.mark.parametrize("unit", _UNITS, ids=lambda unit: unit.stem)
def test_a_service_without_its_salt_is_refused_in_one_line(unit: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    with _running(_here(_unit_command(unit.name), port=closed_port()), home, salt={}) as process:
        assert process.wait(_SECONDS) == 2
    (line,) = (tmp_path / "log").read_text().splitlines()
    assert line.startswith("agentmart: AGENTMART_USER_ID_SALT is not set, and production hashes")


def test_both_units_and_the_container_start_the_same_page() -> None:
    assert _unit_command("agentmart-webserver.service") == _container_command()


@pytest.mark.parametrize("unit", _UNITS, ids=lambda unit: unit.stem)
def test_a_unit_is_not_roots_and_may_write_nothing_but_its_state_folder(unit: Path) -> None:
    settings = _settings_of(unit)
    assert settings["User"] == settings["Group"] == ["agentmart"]
    assert settings["ProtectSystem"] == ["strict"]
    assert settings["StateDirectory"] == ["agentmart"]
    assert settings["UMask"] == ["0077"]
    assert settings["NoNewPrivileges"] == ["yes"]
    assert settings["CapabilityBoundingSet"] == [""]
    assert "ReadWritePaths" not in settings
    environ = _environment_of(unit)
    assert environ["AGENTMART_HOME"] == "/var/lib/agentmart"
    assert environ["AGENTMART_ENVIRONMENT"] == "production"
    assert not any(re.search("SALT|PASSWORD|KEY|SECRET", name) for name in environ)


def test_systemd_finds_no_fault_in_the_units_where_it_is_installed(tmp_path: Path) -> None:
    for unit in _UNITS:
        text = unit.read_text(encoding="utf-8").replace(_INSTALLED, str(PROJECT_ROOT))
        (tmp_path / unit.name).write_text(text)
    analyze = shutil.which("systemd-analyze")
    assert len(_UNITS) == 2
    for words in (["verify"], ["security", "--offline=true", "--threshold=20"]) if analyze else ():
        units = [str(tmp_path / unit.name) for unit in _UNITS]
        done = subprocess.run(
            [str(analyze), *words, *units], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr


def test_the_container_is_not_roots_and_copies_what_there_is() -> None:
    instructions = _instructions()
    known = "ARG FROM RUN WORKDIR COPY ENV USER VOLUME EXPOSE STOPSIGNAL ENTRYPOINT CMD"
    assert {word for word, _ in instructions} <= set(known.split())
    user = dict(instructions)["USER"]
    assert all(int(one) > 0 for one in user.split(":"))
    ignored = (PROJECT_ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    copied = [
        name.removeprefix("./")
        for word, rest in instructions
        if word == "COPY" and not rest.startswith("--from")
        for name in rest.split()[:-1]
    ]
    assert all((PROJECT_ROOT / name).exists() and f"!{name}" in ignored for name in copied)


def test_no_file_names_a_registry() -> None:
    bases = [rest for word, rest in _instructions() if word in ("FROM", "ARG")]
    assert bases == ["BASE=python:3.13-slim", "${BASE} AS build", "${BASE}"]
    for path in _FOLDER.iterdir():
        if path.is_file():
            assert not re.search(r"https?://(?!127)", path.read_text(encoding="utf-8"))
