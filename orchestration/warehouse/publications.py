"""The publications that are kept, and which of them readers see.

A publication is a folder ``published/versions/<publication id>/``; ``published/current`` points to the one
that readers see, and everything readers open goes through that one link.

Belongs here: finding, switching and forgetting publications. Does not belong here: making one
(warehouse/publishing), and when one is made (warehouse/build).
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from orchestration.errors import RunFailure, UserError
from orchestration.settings import Settings

DATABASE = "agentmart.duckdb"
_ENTRIES = (DATABASE, "parquet")


@dataclass(frozen=True, kw_only=True)
class KeptPublication:
    """One publication that can be read or gone back to.

    ``run_id`` and ``as_of`` are those of the run that made it, ``published_at`` when its file was complete.
    """

    publication_id: int
    run_id: str
    as_of: datetime
    published_at: datetime
    table_count: int
    row_count: int
    size_bytes: int
    is_current: bool


def folder_of(settings: Settings, publication_id: int) -> Path:
    """Where a publication is, or will be."""
    return settings.published / "versions" / f"{publication_id:06d}"


def kept_ids(settings: Settings) -> list[int]:
    """The ids of the publications that are kept, oldest first."""
    versions = settings.published / "versions"
    if not versions.is_dir():
        return []
    return sorted(int(path.name) for path in versions.iterdir() if path.name.isdecimal())


def current_id(settings: Settings) -> int | None:
    """The id of the publication that readers see; None before the first."""
    link = settings.published / "current"
    return int(link.readlink().name) if link.is_symlink() else None


def list_publications(settings: Settings) -> list[KeptPublication]:
    """The kept publications, newest first.

    Raises:
        RunFailure: the database of one of them cannot be read.
    """
    return [_describe(settings, one) for one in reversed(kept_ids(settings))]


def roll_back(settings: Settings, publication_id: int | None) -> KeptPublication:
    """Let readers see an older publication: the named one, else the one before the current.

    The caller holds the warehouse lock. Readers that are open keep what they opened.

    Raises:
        UserError: there is no such publication to go back to.
        RunFailure: its database cannot be read; readers keep what they see.
    """
    current = current_id(settings)
    older = [one for one in kept_ids(settings) if current is not None and one < current]
    known = ", ".join(map(str, older)) or "none"
    if current is None or not older:
        raise UserError(
            f"there is no publication before {current or 'the first'} to go back to; "
            "`agentmart publications list` shows those that are kept"
        )
    wanted = older[-1] if publication_id is None else publication_id
    if wanted not in older:
        raise UserError(
            f"publication {wanted} cannot be gone back to from {current}: use one of {known}"
        )
    # Opened before the switch: a damaged file must never become what readers see.
    _describe(settings, wanted)
    make_current(settings, folder_of(settings, wanted))
    return _describe(settings, wanted)


def make_current(settings: Settings, folder: Path) -> None:
    """Let readers see the publication in ``folder`` from now on; one rename, so never half of it."""
    published = settings.published
    _point(published / "current", Path("versions") / folder.name)
    for entry in _ENTRIES:
        link = published / entry
        if not link.is_symlink():
            _point(link, Path("current") / entry)
    handle = os.open(published, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def forget_old(settings: Settings) -> None:
    """Remove the oldest publications beyond the number to keep, never the current one."""
    current = current_id(settings)
    for publication_id in kept_ids(settings)[: -settings.kept_publications]:
        if publication_id != current:
            shutil.rmtree(folder_of(settings, publication_id))


def _point(link: Path, target: Path) -> None:
    unfinished = link.with_name(f".{link.name}.new")
    unfinished.unlink(missing_ok=True)
    unfinished.symlink_to(target)
    unfinished.replace(link)


def _describe(settings: Settings, publication_id: int) -> KeptPublication:
    folder = folder_of(settings, publication_id)
    database = folder / DATABASE
    try:
        with duckdb.connect(str(database), read_only=True) as connection:
            run = connection.execute("select run_id, as_of from meta.run_context").fetchone()
            size = connection.execute(
                "select count(*), coalesce(sum(estimated_size), 0) from duckdb_tables()"
            ).fetchone()
    except duckdb.Error as error:
        reason = str(error).splitlines()[0]
        raise RunFailure(
            f"publication {publication_id} cannot be read ({reason}); remove {folder} "
            "or run `agentmart run` for a new one"
        ) from error
    run_id, as_of = run or ("unknown", datetime(1970, 1, 1))
    table_count, row_count = size or (0, 0)
    return KeptPublication(
        publication_id=publication_id,
        run_id=str(run_id),
        as_of=as_of.replace(tzinfo=UTC),
        published_at=datetime.fromtimestamp(int(database.stat().st_mtime), tz=UTC),
        table_count=int(table_count),
        row_count=int(row_count),
        size_bytes=sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()),
        is_current=publication_id == current_id(settings),
    )
