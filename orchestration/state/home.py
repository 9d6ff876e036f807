"""Opening a state folder: may this program, with these settings, work on it?

Belongs here: the marks of a folder (development or production, and whose salt hashed its user ids), what is
refused because of them, and that only the owner reads what is written. Does not belong here: versions
(tables.py, migrations.py), and the settings themselves (settings.py).
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

from orchestration.errors import RunFailure, UserError
from orchestration.settings import DEVELOPMENT_SALT, PRODUCTION, Settings
from orchestration.state.migrations import upgrade
from orchestration.state.tables import VERSION, PrivateTables, version_of

_ENVIRONMENT, _SALT = "environment", "salt"
# A shorter one could be found by trying.
_SHORTEST_SALT = 16


class HomeMarks(PrivateTables):
    """What a state folder says of itself."""

    _schema = Path(__file__).with_name("schema.sql")

    def read(self) -> dict[str, str]:
        with self._connection() as connection:
            return dict(connection.execute("select mark, value from home_marks").fetchall())

    def write(self, mark: str, value: str) -> None:
        with self._connection() as connection:
            connection.execute("insert or replace into home_marks values (?, ?)", (mark, value))


def restore_folder(settings: Settings) -> Path:
    """Where a backup is made ready before it takes the place of the state folder."""
    return settings.home / ".restore"


def keep_private() -> None:
    """Let nobody but the owner read what this process and its children write from now on."""
    os.umask(0o077)


def open_home(
    settings: Settings, *, is_hashing: bool, is_made: bool, say: Callable[[str], object]
) -> None:
    """Refuse a folder that these settings must not touch; upgrade an older one; mark a new one.

    ``is_hashing``: user ids are about to be hashed. ``is_made``: the store is made if there is none.

    Raises:
        UserError: the folder is of another environment or salt, or production has no salt of its own.
        RunFailure: it is of a newer version, could not be upgraded, or is half restored.
    """
    keep_private()
    _check_whole(settings)
    if is_hashing:
        _check_salt(settings)
    if settings.state_file.exists():
        upgrade(settings, say=say)
    elif not is_made:
        return
    home = HomeMarks(settings.state_file)
    marks = home.read()
    _check_environment(settings, marks.get(_ENVIRONMENT))
    if is_hashing:
        _check_same_salt(settings, marks.get(_SALT))
        wanted = {_ENVIRONMENT: settings.environment, _SALT: _fingerprint(settings.user_id_salt)}
        for mark, value in wanted.items():
            if marks.get(mark) != value:
                home.write(mark, value)


def check_home(settings: Settings, *, is_hashing: bool) -> None:
    """Refuse what ``open_home`` would refuse, and change nothing.

    Raises:
        UserError: the folder is of another environment or salt, or production has no salt of its own.
        RunFailure: it is of a newer version, or half restored.
    """
    _check_whole(settings)
    if is_hashing:
        _check_salt(settings)
    if not settings.state_file.exists() or version_of(settings.state_file) < VERSION:
        return
    marks = HomeMarks(settings.state_file).read()
    _check_environment(settings, marks.get(_ENVIRONMENT))
    if is_hashing:
        _check_same_salt(settings, marks.get(_SALT))


def _check_whole(settings: Settings) -> None:
    if (restore_folder(settings) / "ready").exists():
        raise RunFailure(
            f"a restore of {settings.home} was interrupted; run the same `agentmart restore` again,"
            " which ends it"
        )


def _check_salt(settings: Settings) -> None:
    if settings.environment != PRODUCTION:
        return
    if settings.user_id_salt == DEVELOPMENT_SALT:
        raise UserError(
            "AGENTMART_USER_ID_SALT is not set, and production hashes user ids with a salt of its own;"
            " set it to what `openssl rand -hex 32` prints, keep it with the backups, and never change it"
        )
    if len(settings.user_id_salt) < _SHORTEST_SALT:
        raise UserError(
            f"AGENTMART_USER_ID_SALT has {len(settings.user_id_salt)} characters, and production needs"
            f" at least {_SHORTEST_SALT}; set it to what `openssl rand -hex 32` prints"
        )


def _check_environment(settings: Settings, mark: str | None) -> None:
    if mark == PRODUCTION and settings.environment != PRODUCTION:
        raise UserError(
            f"the state folder {settings.home} is a production one, and AGENTMART_ENVIRONMENT is"
            f" {settings.environment!r}; set it to {PRODUCTION}, or AGENTMART_HOME to another folder"
        )


def _check_same_salt(settings: Settings, mark: str | None) -> None:
    if mark is not None and mark != _fingerprint(settings.user_id_salt):
        raise UserError(
            "AGENTMART_USER_ID_SALT is not the salt that hashed the user ids in"
            f" {settings.home}; set the one it was loaded with, or load into a new AGENTMART_HOME"
        )


def _fingerprint(salt: str) -> str:
    return hashlib.sha256(f"agentmart|home|{salt}".encode()).hexdigest()
