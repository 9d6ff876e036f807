"""Where a load puts what it made: a lake of this host, or one that it has together with others.

Belongs here: what differs between the two for a load. Does not belong here: how a shared lake is kept
(shared_lake.py), and what is put.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from orchestration.ingest.ledger import (
    LedgerEntry,
    entry_path,
    read_entry,
    rewritten_path,
    write_entry,
)
from orchestration.ingest.object_storage import ObjectStorage
from orchestration.ingest.repeats import note_repeat
from orchestration.ingest.shared_lake import SharedLake
from orchestration.settings import Settings


@dataclass(frozen=True, kw_only=True)
class LoadPlace:
    """The lake of one load, and what is known of other hosts' loads as it begins."""

    lake: Path
    shared: SharedLake | None = None
    listed: frozenset[str] = frozenset()
    tombstones_sha256: str | None = None

    @classmethod
    def of(cls, settings: Settings, *, storage: ObjectStorage | None = None) -> LoadPlace:
        """The place as it is now; the caller lets nobody take rows out of the lake meanwhile.

        Raises:
            UserError: the shared lake is another one than before.
            RunFailure: it cannot be reached.
        """
        shared = SharedLake.of(settings, storage=storage)
        if shared is None:
            return cls(lake=settings.lake)
        listed = shared.take_over_for_load()
        return cls(
            lake=settings.lake,
            shared=shared,
            listed=listed,
            tombstones_sha256=shared.tombstones,
        )

    def root(self, folder: Path) -> Path:
        """Where the files of a load are made: ``folder``, or the lake itself if it is this host's."""
        return self.lake if self.shared is None else folder

    def put(self, entry: LedgerEntry, *, root: Path, staging: Path) -> bool:
        """Let a load count whose files lie below ``root``; False if another loader was first.

        Raises:
            UnusableFile: somebody was erased on another host since this load began.
        """
        if self.shared is not None:
            known = replace(entry, tombstones_sha256=self.tombstones_sha256)
            return self.shared.put_load(known, root=root, staging=staging)
        is_first = write_entry(self.lake, entry, staging=staging)
        if not is_first and entry.replay_of is None:
            self._remove_unlisted(entry)
        return is_first

    def _remove_unlisted(self, entry: LedgerEntry) -> None:
        """Take back the files of a load that another loader was first with."""
        place = {"source_name": entry.source_name, "load_id": entry.load_id}
        for path in entry.files - read_entry(entry_path(self.lake, **place)).files:
            (self.lake / path).unlink(missing_ok=True)

    def is_loaded(self, *, source_name: str, load_id: str) -> bool:
        """Whether these bytes are loaded, or must not be."""
        place = {"source_name": source_name, "load_id": load_id}
        if entry_path(self.lake, **place).is_file() or rewritten_path(self.lake, **place).is_file():
            return True
        return self.shared is not None and self.shared.is_loaded(**place, listed=self.listed)

    def note_repeat(self, *, source_name: str, load_id: str, path: str) -> None:
        """Remember a file whose bytes are loaded, unless it is the very file that was loaded."""
        if self.shared is None:
            note_repeat(self.lake, source_name=source_name, load_id=load_id, path=path)
        else:
            self.shared.note_repeat(
                source_name=source_name, load_id=load_id, path=path, listed=self.listed
            )
