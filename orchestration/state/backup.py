"""One file that holds a deployment: made while nothing changes it, checked before anything is put back.

Belongs here: what a backup holds and its form. Does not belong here: putting it in the place of a state
folder (restore.py).

A backup is a tar file: the lake, the publication that readers see, reports, outbox, the private store and
config. What is built again by the next run (the candidate, dbt's and Dagster's records) and landing files,
which are the user's, are not in it. Its last member lists the digest of every other, so that half a file is
known as one.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import sqlite3
import tarfile
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import IO

from orchestration.errors import RunFailure, UserError
from orchestration.ingest.ledger import sync_folder
from orchestration.ingest.listing import nobody_loading
from orchestration.ingest.shared_lake import lake_maintained
from orchestration.retention.removal import has_pending
from orchestration.settings import Settings
from orchestration.state.tables import VERSION, version_of
from orchestration.warehouse.engines import engine_of
from orchestration.warehouse.publications import current_id, folder_of

_CONTENTS = "backup.json"
# What restore.py may write, and nothing else.
FOLDERS = ("lake", "published", "reports", "outbox", "state", "config")


@dataclass(frozen=True, kw_only=True)
class Backup:
    """What a backup says of itself. ``digests`` are by the path below the state folder."""

    version: int
    made_at: datetime
    publication_id: int | None
    digests: dict[str, str]


def write_backup(
    settings: Settings, target: Path, *, made_at: datetime, say: Callable[[str], object]
) -> Backup:
    """Write everything into one file, which is there once it is whole; runs and loads wait meanwhile.

    Of a lake that hosts share it holds what all of them have brought and nothing that any has removed.

    Raises:
        UserError: there is nothing to back up, or the file exists.
        RunFailure: a removal was interrupted, another host merges or removes files, or the store or the
            catalog of the target cannot be reached.
    """
    if not settings.state_file.exists():
        raise UserError(f"nothing has run with the state folder {settings.home} yet")
    if target.exists():
        raise UserError(f"{target} exists; name a file that does not")
    if settings.home.resolve() in target.resolve().parents:
        raise UserError(f"{target} lies in the state folder; name a file outside of it")
    unfinished = target.with_name(f".{target.name}.unfinished")
    try:
        with engine_of(settings).lock(settings, on_wait=say):
            if has_pending(settings):
                raise RunFailure(
                    "a removal of data was interrupted; run `agentmart run`, which ends it, and then"
                    " back up"
                )
            with (
                nobody_loading(settings.lake),
                lake_maintained(settings),
                unfinished.open("wb") as file,
            ):
                unfinished.chmod(0o600)
                backup = _write(settings, file, made_at=made_at)
                file.flush()
                os.fsync(file.fileno())
        unfinished.replace(target)
        sync_folder(target.resolve().parent)
    finally:
        unfinished.unlink(missing_ok=True)
    return backup


def _write(settings: Settings, file: IO[bytes], *, made_at: datetime) -> Backup:
    publication_id = current_id(settings)
    digests: dict[str, str] = {}
    with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as archive:
        # First the store: whatever it names was there before it was named.
        store = _copy_of_store(settings.state_file)
        name = settings.state_file.relative_to(settings.home).as_posix()
        digests[name] = _add(archive, name, io.BytesIO(store), size=len(store))
        for path in _files(settings, publication_id):
            name = path.relative_to(settings.home).as_posix()
            with path.open("rb") as content:
                digests[name] = _add(archive, name, content, size=path.stat().st_size)
        contents = json.dumps(
            {
                "version": version_of(settings.state_file),
                "made_at": made_at.isoformat(),
                "publication_id": publication_id,
                "digests": digests,
            }
        ).encode()
        _add(archive, _CONTENTS, io.BytesIO(contents), size=len(contents))
    return Backup(version=VERSION, made_at=made_at, publication_id=publication_id, digests=digests)


def _copy_of_store(path: Path) -> bytes:
    """The store as of one moment, whoever writes to it meanwhile."""
    with (
        closing(sqlite3.connect(path)) as source,
        closing(sqlite3.connect(":memory:")) as copy,
    ):
        source.backup(copy)
        return copy.serialize()


def _files(settings: Settings, publication_id: int | None) -> Iterator[Path]:
    """Everything but the store, of the publications only what readers see."""
    folders = [settings.lake, settings.reports, settings.outbox, settings.config]
    if publication_id is not None:
        folders.append(folder_of(settings, publication_id))
    beside = [f"{settings.state_file.name}{ending}" for ending in ("", "-wal", "-shm")]
    for folder in (*folders, settings.state_file.parent):
        for path in sorted(folder.rglob("*")):
            is_staged = folder == settings.lake and ".staging" in path.parts
            is_store = folder == settings.state_file.parent and path.name in beside
            if path.is_file() and not path.is_symlink() and not is_staged and not is_store:
                yield path


class _Digesting:
    """A file that notes the digest of what is read of it."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.digest = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        block = self._file.read(size)
        self.digest.update(block)
        return block


def _add(archive: tarfile.TarFile, name: str, content: IO[bytes], *, size: int) -> str:
    member = tarfile.TarInfo(name)
    member.size, member.mode = size, 0o600
    noted = _Digesting(content)
    archive.addfile(member, noted)
    return noted.digest.hexdigest()


def unpack(source: Path, folder: Path) -> Backup:
    """Write the files of a backup below a folder, each one checked.

    Raises:
        UserError: it is no backup, not a whole one, or one of a newer program.
    """
    digests: dict[str, str] = {}
    contents: dict[str, object] | None = None
    try:
        with tarfile.open(source, mode="r:") as archive:
            for member in archive:
                content = archive.extractfile(member) if member.isreg() else None
                if content is None:
                    raise UserError(f"{source} is no backup: it holds {member.name!r}")
                if member.name == _CONTENTS:
                    contents = json.loads(content.read())
                else:
                    digests[member.name] = _write_member(source, member.name, content, folder)
    except (tarfile.TarError, OSError, EOFError, ValueError) as error:
        raise UserError(
            f"{source} cannot be read as a backup: {error}; take another one"
        ) from error
    if contents is None or contents["digests"] != digests:
        raise UserError(f"{source} is not a whole backup, or was changed; take another one")
    backup = Backup(
        version=int(str(contents["version"])),
        made_at=datetime.fromisoformat(str(contents["made_at"])),
        publication_id=None
        if contents["publication_id"] is None
        else int(str(contents["publication_id"])),
        digests=digests,
    )
    if backup.version > VERSION:
        raise UserError(
            f"{source} has version {backup.version}, and this agentmart knows versions up to {VERSION};"
            " install the agentmart that wrote it, or a newer one"
        )
    return backup


def _write_member(source: Path, name: str, content: IO[bytes], folder: Path) -> str:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or path.parts[0] not in FOLDERS:
        raise UserError(f"{source} is no backup: it holds {name!r}")
    target = folder / path
    target.parent.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256()
    with target.open("xb") as file:
        while block := content.read(1 << 20):
            digest.update(block)
            file.write(block)
        file.flush()
        os.fsync(file.fileno())
    return digest.hexdigest()
