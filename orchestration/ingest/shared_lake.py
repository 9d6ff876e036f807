"""One lake of several hosts: the store on S3 holds it, and the folder in each state folder is a mirror.

Nothing is locked and nobody coordinates loads. The files of a load are put first and its ledger entry last,
and only where no object of that name is, so of loaders of the same bytes one is first; what was put by the
others, or by a load that was killed, is named by no entry and counts for nobody. The folder gets a file once
the store has it, so whatever the folder holds of a load, the store holds.

What takes rows out of the lake or merges its files changes the folder first, as on one host, and is then put
to the store and taken over by the other hosts. One host at a time may do so, which it marks in the store.

Belongs here: what is put, fetched and removed, in which order. Does not belong here: objects themselves
(object_storage.py), what a load or a removal writes, and which files readers see (listing.py).
"""

from __future__ import annotations

import hashlib
import json
import socket
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from orchestration.errors import RunFailure, UserError
from orchestration.ingest.files import UnusableFile
from orchestration.ingest.lake import move_into_place, staging_folder
from orchestration.ingest.ledger import (
    LedgerEntry,
    entry_path,
    read_all_entries,
    read_entry,
    rewritten_path,
    write_entry,
    write_json,
)
from orchestration.ingest.listing import (
    nobody_reading,
    read_record,
    records_in_force,
)
from orchestration.ingest.mirror_record import Mirrored, MirrorRecord, digest_of
from orchestration.ingest.object_storage import ObjectStorage, StorageProblem, StoredObject
from orchestration.ingest.repeats import note_path
from orchestration.ingest.tombstones import erased_file, frozen_file, kept_file, ranges_file
from orchestration.settings import Settings
from orchestration.warehouse.lock import lock_if_free

_IDENTITY, _MAINTENANCE = "lake.json", "maintenance.json"
_DATA = ("raw", "future", "quarantine")
_ENTRIES, _RECORDS, _REMOVED = "ledger", "merged", "removed"
# What no reader is confused by, at whatever moment it comes.
_MARKS = ("rewritten", "repeated", _REMOVED)
# First what keeps rows out, then files, and what names them last.
_ORDER = (_REMOVED, *_DATA, "rewritten", "repeated", _RECORDS, _ENTRIES)
_THREADS = 16
# Files may be merged or taken away between listing and fetching.
_TRIES = 3


class Taken(Enum):
    """What a host takes over from the store beside what keeps rows out."""

    NOTHING = "nothing"
    LISTED = "what readers of the lake read"
    EVERYTHING = "also what no entry names"


class _Moved(Exception):
    """The store is not as it was listed."""


@dataclass(frozen=True, kw_only=True)
class SharedLake:
    """The lake of this host's folder and of the store. Methods raise RunFailure if it cannot be reached."""

    folder: Path
    place: str
    storage: ObjectStorage
    record: MirrorRecord
    lock_file: Path
    salt_mark: str

    @classmethod
    def of(cls, settings: Settings, *, storage: ObjectStorage | None = None) -> SharedLake | None:
        """The shared lake of a deployment; None if its lake is a folder of its own.

        ``storage`` spares opening it again (0.3 s).

        Raises:
            UserError: the store holds another lake than the folder does, or one with another salt.
        """
        if settings.lake_place is None:
            return None
        shared = cls(
            folder=settings.lake,
            place=settings.lake_place,
            storage=storage or ObjectStorage(s3_endpoint_url=settings.s3_endpoint_url),
            record=MirrorRecord(settings.lake),
            lock_file=settings.lock_file,
            salt_mark=hashlib.sha256(
                f"agentmart|lake|{settings.user_id_salt}".encode()
            ).hexdigest(),
        )
        with shared._reaching():
            shared._join()
        return shared

    # Which lake it is

    def _join(self) -> None:
        """Make the folder the mirror of this store, or be sure that it is."""
        known = self.record.mark("lake")
        found = self.storage.read(self._url(_IDENTITY))
        if found is None and known is None:
            found = self._make()
        if found is None:
            raise UserError(
                f"AGENTMART_LAKE {self.place} holds no lake, and {self.folder} is the mirror of one; correct"
                f" the URL, or, if the store is lost, remove {self.folder / '.shared.sqlite'} and the next"
                " run fills the store from the folder"
            )
        identity = json.loads(found)
        if identity["salt"] != self.salt_mark:
            raise UserError(
                "AGENTMART_USER_ID_SALT is not the salt that hashed the user ids in AGENTMART_LAKE"
                f" {self.place}; set the one that the other hosts have"
            )
        is_own = identity["lake"] == self.record.mark("host")
        if known is None and self._files() and not is_own:
            raise UserError(
                f"AGENTMART_LAKE {self.place} holds a lake, and {self.folder} another one; move that folder"
                " away: what the store has is fetched, and the rest of the landing folder is loaded"
            )
        if known not in (None, identity["lake"]):
            raise UserError(
                f"AGENTMART_LAKE {self.place} holds another lake than the one that {self.folder} mirrors;"
                " correct the URL, or set AGENTMART_HOME to another folder"
            )
        if known is None:
            if is_own and self._files():
                self.record.set_mark("filling", identity["lake"])
            self.record.set_mark("lake", identity["lake"])
        if self.record.mark("filling") is not None:
            self._put_changes(is_filling=True)
            self.record.set_mark("filling", None)

    def _make(self) -> bytes | None:
        """Make an empty store a lake; what says so in it."""
        identity = {"lake": self.record.mark("host"), "salt": self.salt_mark}
        with staging_folder(self.folder) as staging:
            staged = staging / _IDENTITY
            staged.write_text(json.dumps(identity), encoding="utf-8")
            if self.storage.create(staged, self._url(_IDENTITY)) is None:
                return self.storage.read(self._url(_IDENTITY))
            if self.storage.create(staged, self._url(_IDENTITY)) is not None:
                raise UserError(
                    f"AGENTMART_LAKE {self.place}: this store writes over an object that it was told to leave"
                    " as it is (If-None-Match), so two hosts could load one file twice; use a store that"
                    " keeps conditional puts"
                )
        return json.dumps(identity).encode()

    # Taking over what other hosts have done

    def take_over(self, taken: Taken, *, is_alone: bool) -> frozenset[str]:
        """Bring the folder up to the store; the paths that the store holds.

        ``is_alone``: the caller holds the warehouse's lock, so that files may change and go.
        """
        with self._reaching():
            for _ in range(_TRIES):
                try:
                    return self._take_over(taken, is_alone=is_alone)
                except _Moved as moved:
                    missing = moved
        raise RunFailure(
            f"AGENTMART_LAKE {self.place}: {missing} is missing, and the ledger names it; restore the object,"
            " or remove the entry that names it to have its file loaded again"
        )

    def take_over_for_load(self) -> frozenset[str]:
        """What a load has to know; what is to go from this host goes if nobody is building of it."""
        with lock_if_free(self.lock_file) as is_free:
            return self.take_over(Taken.NOTHING, is_alone=is_free)

    def _take_over(self, taken: Taken, *, is_alone: bool) -> frozenset[str]:
        # Whatever was known before the store is listed and is not listed has gone from it.
        known = self.record.read()
        listed = self._list()
        here = set(self._files())
        new = {path for path in listed if path not in here or path not in known}
        other = {
            path
            for path in known.keys() & listed.keys()
            if known[path].version != listed[path].version
        }
        wanted = {path for path in new | other if path.startswith(_MARKS)}
        wanted |= {path for path in new if path in known}
        if is_alone:
            wanted |= other & here
        with staging_folder(self.folder) as staging:
            if taken is not Taken.NOTHING:
                words = {path for path in new if path.startswith((_ENTRIES, _RECORDS))}
                self._fetch(words | wanted, listed=listed, staging=staging)
                wanted |= words
                data = {path for path in listed if path.startswith(_DATA)}
                if taken is Taken.LISTED:
                    named = self._named(wanted, listed=listed, staging=staging, is_alone=is_alone)
                    missing = sorted(named - listed.keys())
                    if missing:
                        raise _Moved(missing[0])
                    data &= named
                more = (data & new) - wanted
                self._fetch(more, listed=listed, staging=staging)
                wanted |= more
            else:
                self._fetch(wanted, listed=listed, staging=staging)
            for path in _in_order(wanted):
                move_into_place(staging / path, self.folder / path)
            self.record.note({path: listed[path].version or "" for path in wanted})
        if is_alone:
            self._remove_gone(known, listed=listed, here=here)
        return frozenset(listed)

    def _named(
        self,
        fetched: Collection[str],
        *,
        listed: Mapping[str, StoredObject],
        staging: Path,
        is_alone: bool,
    ) -> set[str]:
        """The files that hold the rows of all entries, as far as they have to lie in the store."""

        def current(folder: str) -> list[Path]:
            own = {
                path: self.folder / path
                for path in self._files()
                if path.startswith(folder) and (path in listed or not is_alone)
            }
            own |= {path: staging / path for path in fetched if path.startswith(folder)}
            return [place for _, place in sorted(own.items())]

        named = {path for file in current(_ENTRIES) for path in read_entry(file).files}
        for record in records_in_force([read_record(file) for file in current(_RECORDS)]):
            if not named.isdisjoint(record.originals):
                named.add(record.path)
            named.difference_update(record.originals)
        return named

    def _fetch(
        self, paths: Iterable[str], *, listed: Mapping[str, StoredObject], staging: Path
    ) -> None:
        def fetch(path: str) -> None:
            target = staging / path
            target.parent.mkdir(parents=True, exist_ok=True)
            if listed[path].size_bytes:
                try:
                    self.storage.fetch(listed[path], target)
                except StorageProblem as problem:
                    if self.storage.version(listed[path].url) == listed[path].version:
                        raise
                    raise _Moved(path) from problem
            else:
                target.touch()

        _at_once(fetch, paths)

    def _remove_gone(
        self, known: Mapping[str, Mirrored], *, listed: Mapping[str, StoredObject], here: set[str]
    ) -> None:
        """Remove what is in the store no more, and merges that never came there."""
        gone = known.keys() - listed.keys()
        gone |= {path for path in here - listed.keys() if path.startswith(_RECORDS)}
        with nobody_reading(self.folder) as is_free:
            if is_free:
                for path in reversed(_in_order(gone)):
                    (self.folder / path).unlink(missing_ok=True)
                self.record.forget(gone)

    # Loads

    @property
    def tombstones(self) -> str | None:
        """What this host knows of who was erased, as one digest; None if nobody was."""
        return _erased(self.folder)

    def put_load(self, entry: LedgerEntry, *, root: Path, staging: Path) -> bool:
        """Put the files of a load, which lie below ``root``, and then its entry; False if another was first.

        Raises:
            UnusableFile: somebody was erased since this load began.
        """
        with self._reaching():
            versions, own = {}, set()
            for path in sorted(entry.files):
                version = self.storage.create(root / path, self._url(path))
                if version is None:
                    # Of a load that was killed, or of one that is as quick as this one: the same bytes.
                    version = self.storage.version(self._url(path))
                else:
                    own.add(path)
                versions[path] = version or ""
            self._check_tombstones()
            name = f"{_ENTRIES}/{entry.source_name}/{entry.file_name}"
            staged = staging / "entries" / entry.file_name
            staged.parent.mkdir(parents=True, exist_ok=True)
            write_json(entry, staged)
            version = self.storage.create(staged, self._url(name))
            staged.unlink()
            if version is None:
                self._take_back(name, own)
                return False
        for path in entry.files:
            if not (self.folder / path).exists():
                move_into_place(root / path, self.folder / path)
        self.record.note(versions)
        write_entry(self.folder, entry, staging=staging)
        self.record.note({name: version})
        return True

    def _check_tombstones(self) -> None:
        path = erased_file(self.folder).relative_to(self.folder).as_posix()
        mirrored = self.record.version(path)
        if self.storage.version(self._url(path)) != mirrored:
            raise UnusableFile(
                "was loaded while somebody was erased; it is loaded with the next run"
            )

    def _take_back(self, name: str, own: Iterable[str]) -> None:
        """Remove what a load put that another was first with, as far as that one did not put the same."""
        with staging_folder(self.folder) as staging:
            first = staging / "first.json"
            first.write_bytes(self.storage.read(self._url(name)) or b"{}")
            for path in set(own) - read_entry(first).files:
                self.storage.delete(self._url(path))

    def is_loaded(self, *, source_name: str, load_id: str, listed: Collection[str]) -> bool:
        """Whether the store has a load, or bytes that must not be loaded."""
        place = {"source_name": source_name, "load_id": load_id}
        return any(
            path.relative_to(self.folder).as_posix() in listed
            for path in (entry_path(self.folder, **place), rewritten_path(self.folder, **place))
        )

    def note_repeat(
        self, *, source_name: str, load_id: str, path: str, listed: Collection[str]
    ) -> None:
        """Let every host know of a file whose bytes are loaded, unless it is the very one that was."""
        note = note_path(self.folder, source_name=source_name, load_id=load_id, path=path)
        name = note.relative_to(self.folder).as_posix()
        entry = entry_path(self.folder, source_name=source_name, load_id=load_id)
        if name in listed or self._loaded_path(entry) in (None, _digest(path)):
            return
        with self._reaching():
            note.parent.mkdir(parents=True, exist_ok=True)
            note.touch()
            version = self.storage.create(note, self._url(name))
            version = version or self.storage.version(self._url(name))
        self.record.note({name: version or ""})

    def _loaded_path(self, entry: Path) -> str | None:
        if entry.is_file():
            return _digest(read_entry(entry).path)
        name = entry.relative_to(self.folder).as_posix()
        known = self.record.loaded_path(name)
        if known is None:
            with self._reaching(), staging_folder(self.folder) as staging:
                content = self.storage.read(self._url(name))
                if content is None:
                    return None
                (staging / "entry.json").write_bytes(content)
                known = _digest(read_entry(staging / "entry.json").path)
            self.record.note_loaded_path(name, known)
        return known

    # Merging and removing

    @contextmanager
    def maintained(self) -> Iterator[None]:
        """Be the only host that changes what is there: the folder is as the store before, and the store as
        the folder after. The caller holds the warehouse's lock."""
        with self._reaching():
            self._begin_maintenance()
        try:
            self.take_over(Taken.EVERYTHING, is_alone=True)
            yield
            with self._reaching():
                self._put_changes()
        finally:
            with self._reaching():
                self.storage.delete(self._url(_MAINTENANCE))

    def _begin_maintenance(self) -> None:
        host = self.record.mark("host")
        with staging_folder(self.folder) as staging:
            staged = staging / _MAINTENANCE
            staged.write_text(
                json.dumps({"host": host, "name": socket.gethostname()}), encoding="utf-8"
            )
            if self.storage.create(staged, self._url(_MAINTENANCE)) is not None:
                return
        owner = json.loads(self.storage.read(self._url(_MAINTENANCE)) or b"{}")
        # The lock of this state folder is held, so it was left by one that was killed.
        if owner.get("host") != host:
            raise RunFailure(
                f"AGENTMART_LAKE {self.place}: host {owner.get('name', 'unknown')} merges or removes files;"
                " run again when it is done, or, if it died, run its command there again; if it is gone for"
                f" good, remove {self._url(_MAINTENANCE)}"
            )

    def _put_changes(self, *, is_filling: bool = False) -> None:
        """Make the store as the folder: first what keeps rows out, last what names files; then remove."""
        known, here = self.record.read(), self._files()
        changed = [
            path
            for path in here
            if path not in known or not self.record.is_unchanged(path, known[path])
        ]

        def put(path: str) -> None:
            if is_filling:
                version = self.storage.create(self.folder / path, self._url(path))
                version = version or self.storage.version(self._url(path))
            else:
                version = self.storage.replace(self.folder / path, self._url(path))
            self.record.note({path: version or ""})

        for group in _ORDER:
            _at_once(put, (path for path in changed if path.startswith(f"{group}/")))
        gone = _in_order(known.keys() - set(here))
        for group in reversed(_ORDER):
            some = [path for path in gone if path.startswith(f"{group}/")]
            _at_once(lambda path: self.storage.delete(self._url(path)), some)
            self.record.forget(some)

    # The folder and the store

    def _files(self) -> list[str]:
        """The files of the folder that are the lake's, by their paths below it."""
        found = [
            path
            for group in _ORDER
            for path in (self.folder / group).glob("*" if group == _REMOVED else "**/*")
            if path.is_file() and not path.name.startswith((".", "_empty"))
        ]
        return sorted(path.relative_to(self.folder).as_posix() for path in found)

    def _list(self) -> dict[str, StoredObject]:
        start = len(self.place) + 1
        return {
            path: one
            for one in self.storage.list_objects(self.place)
            if (path := one.url[start:]).startswith(tuple(f"{group}/" for group in _ORDER))
        }

    def _url(self, path: str) -> str:
        return f"{self.place}/{path}"

    @contextmanager
    def _reaching(self) -> Iterator[None]:
        try:
            yield
        except StorageProblem as problem:
            raise RunFailure(f"AGENTMART_LAKE {self.place}: {problem}") from problem


def take_over_lake(settings: Settings, *, is_alone: bool) -> None:
    """Bring what readers of the lake read up to what other hosts have loaded, if the lake is shared.

    ``is_alone``: the caller holds the warehouse's lock.
    """
    shared = SharedLake.of(settings)
    if shared is not None:
        shared.take_over(Taken.LISTED, is_alone=is_alone)


@contextmanager
def lake_maintained(settings: Settings) -> Iterator[None]:
    """Change what is in the lake, and on every other host if it is shared; the caller holds the lock."""
    shared = SharedLake.of(settings)
    if shared is None:
        yield
    else:
        with shared.maintained():
            yield


@dataclass(frozen=True, kw_only=True)
class Unsearched:
    """What this host has not done yet of removals: of others, or in loads that knew nothing of one."""

    is_erasure: bool
    is_of_others: bool


def unsearched(settings: Settings) -> Unsearched | None:
    """What there is to do since ``note_searched``; None if nothing. The store is not asked."""
    if settings.lake_place is None:
        return None
    record = MirrorRecord(settings.lake)
    erased, others = _erased(settings.lake), _retained(settings.lake)
    if record.mark("searched_for") != f"{erased}|{others}" and (erased or others):
        known = (record.mark("searched_for") or "None|").partition("|")[0]
        return Unsearched(is_erasure=known != str(erased), is_of_others=True)
    if erased is not None:
        names = record.searched()
        for entry in read_all_entries(settings.lake):
            if entry.tombstones_sha256 != erased and entry.file_name not in names:
                return Unsearched(is_erasure=True, is_of_others=False)
    return None


def note_searched(settings: Settings) -> None:
    """Every row of this host was looked through for whom it knows to be erased."""
    MirrorRecord(settings.lake).note_searched(
        {entry.file_name for entry in read_all_entries(settings.lake)},
        what=f"{_erased(settings.lake)}|{_retained(settings.lake)}",
    )


def _erased(lake: Path) -> str | None:
    """Who was erased, as far as it is known, as one digest; None if nobody was."""
    path = erased_file(lake)
    return digest_of(path) if path.exists() else None


def _retained(lake: Path) -> str:
    """What retention has removed, as one text; empty if nothing."""
    files = (kept_file(lake), frozen_file(lake), ranges_file(lake))
    return " ".join(digest_of(path) for path in files if path.exists())


def _digest(path: str) -> str:
    return hashlib.sha256(path.encode()).hexdigest()


def _in_order(paths: Iterable[str]) -> list[str]:
    """In the order in which they are put: what names others after them."""
    return sorted(paths, key=lambda path: (_ORDER.index(path.partition("/")[0]), path))


def _at_once(work: Callable[[str], None], paths: Iterable[str]) -> None:
    with ThreadPoolExecutor(max_workers=_THREADS) as threads:
        for _ in threads.map(work, sorted(paths)):
            pass
