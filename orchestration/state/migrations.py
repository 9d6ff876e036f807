"""How a state folder of an older version becomes one of this version.

Belongs here: the migrations, in order, and running them. Does not belong here: whether a folder may be used
at all (home.py), and what dbt builds: a build that was made by other code is made anew in full.

A migration changes the store within the transaction that also writes its number, so that one that is killed
leaves the folder as it was. What it changes beside the store has to be right for both versions, and may be
done again: it is on disk before the number is.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from orchestration.errors import RunFailure
from orchestration.settings import Settings
from orchestration.state.tables import connected, version_of
from orchestration.warehouse.engines import engine_of


@dataclass(frozen=True, kw_only=True)
class Migration:
    """One step: ``change`` makes a folder of ``version - 1`` one of ``version``."""

    version: int
    summary: str
    change: Callable[[Settings, sqlite3.Connection], None]


def upgrade(
    settings: Settings,
    *,
    say: Callable[[str], object],
    migrations: Sequence[Migration] | None = None,
) -> None:
    """Bring the state folder to the version of the last migration, each once, in order.

    Raises:
        RunFailure: the folder is of a newer version, or a migration could not be done; it stays as it was.
    """
    steps = MIGRATIONS if migrations is None else migrations
    if version_of(settings.state_file) >= steps[-1].version:
        return
    # No run of an older program may be at work on what is changed.
    with engine_of(settings).lock(settings, on_wait=say):
        for step in steps:
            with connected(settings.state_file) as connection:
                connection.execute("begin immediate")
                ((version,),) = connection.execute("pragma user_version").fetchall()
                if version == step.version - 1:
                    step.change(settings, connection)
                    connection.execute(f"pragma user_version = {step.version}")
                    say(f"state folder upgraded to version {step.version}: {step.summary}")


def _close_to_others(settings: Settings, connection: sqlite3.Connection) -> None:
    """Take the rights of everybody but the owner from what this program wrote."""
    del connection
    for folder in settings.written_folders:
        for parent, _, names in os.walk(folder):
            for path in (Path(parent), *(Path(parent, name) for name in names)):
                if not path.is_symlink():
                    _close(path)


def _close(path: Path) -> None:
    mode = path.stat().st_mode & 0o700
    try:
        path.chmod(mode)
    except PermissionError as error:
        raise RunFailure(
            f"{path} belongs to another user, so its rights cannot be changed; make its owner the"
            " user that runs agentmart (chown -R)"
        ) from error


MIGRATIONS: Sequence[Migration] = (
    Migration(
        version=1,
        summary="only its owner reads what is in it",
        change=_close_to_others,
    ),
)
