"""A backup becomes a state folder: made ready beside it, then moved into its place.

Belongs here: the order of steps, and what must not come back with an older state. Does not belong here: the
form of a backup (backup.py), and erasing (retention/).

Who was erased since the backup was made stays erased: tombstones of the folder that is replaced, or of a copy
of its ``lake/removed``, are taken over and applied before anything moves. A removal that is not concluded has
more to do than they say (landing files, records, the log), so it is ended first. Messages that waited then
may have been sent since, and nobody can tell: they are parked.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import duckdb

from orchestration.errors import RunFailure, UserError
from orchestration.ingest import sql
from orchestration.ingest.lake import move_into_place
from orchestration.ingest.ledger import sync_folder
from orchestration.ingest.listing import nobody_loading
from orchestration.ingest.tombstones import erased_file
from orchestration.retention.reapplying import erase_again
from orchestration.retention.removal import has_pending
from orchestration.settings import DEFAULT_TARGET, Settings
from orchestration.state.backup import FOLDERS, Backup, unpack
from orchestration.state.home import open_home, restore_folder
from orchestration.state.tables import connected
from orchestration.warehouse.engines import engine_of
from orchestration.warehouse.publications import folder_of, make_current

_WAITING = ("outbox", "notifications")


@dataclass(frozen=True, kw_only=True)
class Restored:
    """What came of it. ``backup`` is None when an interrupted restore was ended."""

    backup: Backup | None
    rows_erased: int = 0
    parked: int = 0


def restore_backup(
    source: Path,
    settings: Settings,
    *,
    is_replacing: bool,
    tombstones: Sequence[Path],
    as_of: datetime,
    say: Callable[[str], object],
) -> Restored:
    """Put a backup in the place of the state folder; landing files and the deletion log stay.

    Raises:
        UserError: the folder holds a deployment and is not to be replaced, a file is no whole backup or
            holds no tombstones, or the backup is of another environment or salt than the settings.
        RunFailure: a removal was interrupted.
        AgentmartError: the target's warehouse cannot be used from this state folder.
    """
    staged, engine = restore_folder(settings), engine_of(settings)
    # What lies in a store that hosts share stays as it is: only the mirror of this host is replaced.
    with engine.lock(settings, on_wait=say):
        engine.check(settings)
        if (staged / "ready").exists():
            _move(settings, staged)
            return Restored(backup=None)
        if settings.state_file.exists() and not is_replacing:
            raise UserError(
                f"{settings.home} holds a deployment; add --replace to put the backup in its place, or"
                " set AGENTMART_HOME to another folder"
            )
        _check_no_removal(settings)
        erased = [path for path in (erased_file(settings.lake), *tombstones) if path.exists()]
        for path in erased:
            _check_tombstones(path)
        with nobody_loading(settings.lake):
            shutil.rmtree(staged, ignore_errors=True)
            try:
                restored = _make_ready(
                    source, settings, staged=staged, tombstones=erased, as_of=as_of, say=say
                )
            except BaseException:
                # It may hold who was erased since. The mark goes first: with it half a folder would be moved.
                (staged / "ready").unlink(missing_ok=True)
                shutil.rmtree(staged, ignore_errors=True)
                raise
            _move(settings, staged)
    return restored


def _check_no_removal(settings: Settings) -> None:
    """Refuse to replace the only record of a removal that is still to be done."""
    if has_pending(settings):
        raise RunFailure(
            "a removal of data was interrupted; run `agentmart run`, which ends it, and then restore; if no"
            " run succeeds, restore into another AGENTMART_HOME with --tombstones for each erased.parquet"
            f" below {settings.lake / 'removed'}"
        )


def _check_tombstones(path: Path) -> None:
    try:
        with duckdb.connect() as connection:
            # So that both columns are read to their end.
            connection.execute(
                f"select max(kind), max(key) from read_parquet({sql.text(str(path))})"
            )
    except duckdb.Error as error:
        raise UserError(
            f"{path} holds no tombstones ({str(error).splitlines()[0]}); put a whole copy of"
            " lake/removed/erased.parquet there"
        ) from error


def _make_ready(
    source: Path,
    settings: Settings,
    *,
    staged: Path,
    tombstones: Sequence[Path],
    as_of: datetime,
    say: Callable[[str], object],
) -> Restored:
    staged.mkdir(parents=True, mode=0o700)
    # Of a shared lake this is a copy of the mirror; the next run brings it up to the store.
    # What is made ready is nobody's yet, so it needs no engine but the one that every folder can have.
    new = replace(settings, home=staged, lake_place=None, target=DEFAULT_TARGET)
    backup = unpack(source, staged)
    open_home(new, is_hashing=True, is_made=False, say=say)
    if backup.publication_id is not None:
        make_current(new, folder_of(new, backup.publication_id))
    rows = 0
    if _take_over(new, tombstones):
        # It shows who was erased; the next run publishes without.
        shutil.rmtree(new.published, ignore_errors=True)
        new.landing.mkdir()
        rows = erase_again(new, as_of=as_of)
    parked = _park_waiting(new.state_file)
    _keep_log(settings, new)
    for name in FOLDERS:
        if name != "config":
            (staged / name).mkdir(exist_ok=True)
    (staged / "ready").touch()
    sync_folder(staged)
    return Restored(backup=backup, rows_erased=rows, parked=parked)


def _take_over(new: Settings, files: Sequence[Path]) -> bool:
    """Add tombstones to those of the backup; whether there was any new one."""
    own = erased_file(new.lake)
    known = [own] if own.exists() else []
    if not files:
        return False
    read = "select distinct kind, key from read_parquet({files})"
    staged = new.home / "erased.parquet"
    with duckdb.connect() as connection:
        every = read.format(files=sql.text_list(map(str, [*known, *files])))
        connection.execute(f"create table united as {every} order by all")
        ((count,),) = connection.execute("select count(*) from united").fetchall()
        ((before,),) = (
            connection.execute(
                f"select count(*) from ({read.format(files=sql.text_list([str(own)]))})"
            ).fetchall()
            if known
            else [(0,)]
        )
        if count == before:
            return False
        connection.execute(f"copy united to {sql.text(str(staged))} (format parquet)")
    move_into_place(staged, own)
    return True


def _park_waiting(store: Path) -> int:
    """Messages that waited when the backup was made wait for a person now."""
    parked = 0
    with connected(store) as connection:
        tables = {
            name
            for (name,) in connection.execute("select name from sqlite_master where type = 'table'")
        }
        for table in _WAITING:
            if table in tables:
                parked += connection.execute(
                    f"update {table} set state = 'parked',"
                    " reason = 'restored from a backup: it may have been sent since'"
                    " where state in ('pending', 'sending')"
                ).rowcount
    return parked


def _keep_log(settings: Settings, new: Settings) -> None:
    """What was deleted since is not forgotten."""
    log = settings.state_file.with_name("deletions.ndjson")
    if log.exists():
        copied = new.state_file.with_name(log.name)
        known = copied.read_text(encoding="utf-8").splitlines() if copied.exists() else []
        lines = dict.fromkeys((*log.read_text(encoding="utf-8").splitlines(), *known))
        copied.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def _move(settings: Settings, staged: Path) -> None:
    """Move what is ready into place; done again after an interruption, it goes on."""
    old = staged / "old"
    old.mkdir(exist_ok=True)
    # The candidate was built of another lake; the next build is a full one.
    engine_of(settings).forget_candidate(settings)
    for name in FOLDERS:
        if (staged / name).exists():
            target = settings.home / name
            if target.exists():
                shutil.rmtree(old / name, ignore_errors=True)
                target.rename(old / name)
            (staged / name).rename(target)
    sync_folder(settings.home)
    sync_folder(staged)
    (staged / "ready").unlink()
    shutil.rmtree(staged)
