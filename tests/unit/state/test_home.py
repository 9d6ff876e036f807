"""A state folder is opened by a program of its version, environment and salt, or refused in a line."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestration.delivery.outbox import Outbox
from orchestration.errors import RunFailure, UserError
from orchestration.settings import PROJECT_ROOT, Settings
from orchestration.state.home import open_home
from orchestration.state.migrations import MIGRATIONS, Migration, upgrade
from orchestration.state.store import StateStore
from orchestration.state.tables import VERSION, version_of

SALT = "a salt of thirty-two characters."


@pytest.fixture(autouse=True)
def _same_umask() -> Iterator[None]:
    """Opening a home narrows the umask of the process; other tests see the one before."""
    before = os.umask(0o022)
    yield
    os.umask(before)


def _open(settings: Settings, *, is_hashing: bool = True, is_made: bool = True) -> list[str]:
    said: list[str] = []
    open_home(settings, is_hashing=is_hashing, is_made=is_made, say=said.append)
    return said


def _set_version(settings: Settings, version: int) -> None:
    connection = sqlite3.connect(settings.state_file)
    connection.execute(f"pragma user_version = {version}")
    connection.close()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "home")


@pytest.fixture
def old(settings: Settings) -> Settings:
    """A home as it was made before homes had versions: its files are for everybody to read."""
    os.umask(0o022)
    StateStore(settings.state_file)
    Outbox(settings.state_file)
    connection = sqlite3.connect(settings.state_file)
    connection.execute("drop table home_marks")
    connection.close()
    _set_version(settings, 0)
    for place in ("lake/raw/charges", "published/versions/000001", "landing/charges"):
        (settings.home / place).mkdir(parents=True)
        (settings.home / place / "rows.parquet").write_bytes(b"PAR1")
    (settings.published / "current").symlink_to("versions/000001")
    return settings


def _mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_a_new_home_has_the_version_that_the_last_migration_makes(settings: Settings) -> None:
    assert _open(settings) == []
    assert version_of(settings.state_file) == VERSION == MIGRATIONS[-1].version
    assert [one.version for one in MIGRATIONS] == list(range(1, VERSION + 1))


def test_a_home_without_a_version_is_upgraded_once_and_said_so(old: Settings) -> None:
    [line] = _open(old)
    assert line == "state folder upgraded to version 1: only its owner reads what is in it"
    assert version_of(old.state_file) == VERSION
    assert _open(old) == []


def test_the_first_migration_closes_what_is_ours_and_leaves_landing_files(old: Settings) -> None:
    _open(old)
    assert _mode(old.lake / "raw" / "charges") == 0o700
    assert _mode(old.lake / "raw" / "charges" / "rows.parquet") == 0o600
    assert _mode(old.published / "current" / "rows.parquet") == 0o600
    assert _mode(old.landing / "charges") == 0o755
    assert _mode(old.landing / "charges" / "rows.parquet") == 0o644


def test_a_newer_home_is_refused_in_one_line_and_stays_as_it_is(settings: Settings) -> None:
    _open(settings)
    _set_version(settings, 9)
    message = f"state folder {settings.home} has version 9, .* knows versions up to {VERSION}; ins"
    with pytest.raises(RunFailure, match=message):
        _open(settings, is_hashing=False)
    with pytest.raises(RunFailure, match=message):
        StateStore(settings.state_file)
    assert sqlite3.connect(settings.state_file).execute("pragma user_version").fetchone() == (9,)


def test_a_store_of_an_older_version_is_read_only_once_it_is_upgraded(old: Settings) -> None:
    with pytest.raises(RunFailure, match="older version; `agentmart status` upgrades it"):
        StateStore(old.state_file)
    _open(old, is_hashing=False, is_made=False)
    assert StateStore(old.state_file).recent_runs(1) == []


def test_migrations_run_in_order_from_where_a_home_stands(settings: Settings) -> None:
    _open(settings)
    _set_version(settings, 0)
    done: list[int] = []
    steps = [
        Migration(version=one, summary="", change=lambda *_, one=one: done.append(one))
        for one in (1, 2, 3)
    ]
    upgrade(settings, say=lambda _: None, migrations=steps[:1])
    assert done == [1]
    upgrade(settings, say=lambda _: None, migrations=steps)
    assert done == [1, 2, 3]


_DYING = """
import os, signal, sys
from pathlib import Path
from orchestration.settings import Settings
from orchestration.state.migrations import Migration, upgrade

def half(settings, connection):
    connection.execute("alter table runs rename to attempts")
    connection.execute("insert into attempts (run_key, command, as_of, status) "
                       "values ('half', 'c', '2026-01-01', 'running')")
    os.kill(os.getpid(), signal.SIGKILL)

step = Migration(version=1, summary="", change=half)
upgrade(Settings(home=Path(sys.argv[1])), say=print, migrations=[step])
"""


def test_a_migration_that_is_killed_leaves_the_old_state(old: Settings) -> None:
    killed = subprocess.run(
        [sys.executable, "-c", _DYING, str(old.home)], cwd=PROJECT_ROOT, check=False
    )
    assert killed.returncode == -signal.SIGKILL
    assert version_of(old.state_file) == 0
    _open(old)
    assert StateStore(old.state_file).recent_runs(1) == []


def test_a_file_of_another_owner_stops_the_upgrade_by_name(
    old: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path, mode: int) -> None:
        raise PermissionError(1, "Operation not permitted", str(path))

    monkeypatch.setattr(Path, "chmod", refuse)
    with pytest.raises(RunFailure, match=f"{old.lake} belongs to another user"):
        _open(old)
    assert version_of(old.state_file) == 0


def test_a_command_that_reads_makes_no_state_folder(settings: Settings) -> None:
    _open(settings, is_hashing=False, is_made=False)
    assert not settings.home.exists()


@pytest.mark.parametrize(
    ("salt", "message"),
    [
        (None, "AGENTMART_USER_ID_SALT is not set"),
        ("short", "AGENTMART_USER_ID_SALT has 5 characters"),
    ],
)
def test_production_hashes_with_a_salt_of_its_own_or_not_at_all(
    salt: str | None, message: str, tmp_path: Path
) -> None:
    environ = {"AGENTMART_HOME": str(tmp_path / "home"), "AGENTMART_ENVIRONMENT": "production"}
    settings = Settings.from_environment(
        environ if salt is None else {**environ, "AGENTMART_USER_ID_SALT": salt}
    )
    with pytest.raises(UserError, match=message):
        _open(settings)
    assert not settings.home.exists()
    _open(settings, is_hashing=False, is_made=False)


def test_a_production_home_is_touched_by_nothing_that_is_not_in_production(tmp_path: Path) -> None:
    home = tmp_path / "home"
    _open(Settings(home=home, environment="production", user_id_salt=SALT))
    with pytest.raises(UserError, match=f"{home} is a production one"):
        _open(Settings(home=home), is_hashing=False, is_made=False)
    # Whoever only reads needs no salt.
    _open(Settings(home=home, environment="production"), is_hashing=False, is_made=False)


def test_a_home_is_loaded_with_one_salt_for_ever(tmp_path: Path) -> None:
    home = tmp_path / "home"
    _open(Settings(home=home, user_id_salt=SALT))
    with pytest.raises(UserError, match="is not the salt that hashed the user ids"):
        _open(Settings(home=home, user_id_salt="another"))
    # A development home with the same salt may become a production one.
    _open(Settings(home=home, environment="production", user_id_salt=SALT))
    assert SALT.encode() not in (home / "state" / "agentmart.sqlite").read_bytes()


def test_what_is_written_after_opening_a_home_is_for_its_owner_alone(settings: Settings) -> None:
    os.umask(0)
    _open(settings)
    (settings.reports / "weekly").mkdir(parents=True)
    (settings.reports / "weekly" / "report.pdf").write_bytes(b"")
    assert _mode(settings.reports / "weekly") == 0o700
    assert _mode(settings.reports / "weekly" / "report.pdf") == 0o600
    assert _mode(settings.state_file) == 0o600
