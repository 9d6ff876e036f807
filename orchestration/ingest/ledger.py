"""The ledger: one immutable object per load, and the only word on which lake files exist.

Belongs here: writing and reading entries, the identity of a load. Does not belong here: loading
itself, and what a publication has seen of it (state/).
"""

from __future__ import annotations

import hashlib
import json
import os
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from orchestration.errors import RunFailure


@dataclass(frozen=True, kw_only=True)
class StreamEntry:
    """What a load did to one stream. Paths are relative to the lake."""

    rows_landed: int
    rows_quarantined: int
    min_event_at: datetime | None = None
    max_event_at: datetime | None = None
    event_dates: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    quarantined_by_reason: Mapping[str, int] = field(default_factory=dict)
    # Rows refused only because a time lay in the future, typed, for the load in which it has come.
    future_files: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class LedgerEntry:
    """One load: a file with the adapter that read it, or a replay of rows that such a load refused.

    rows_read + rows_expanded = rows_ignored + the rows landed and quarantined of all streams.
    rows_expanded counts what an adapter made beyond one contract row of a raw row.

    A replay reads no rows and its counts are changes: what it lands it takes out of the quarantine
    of ``replay_of``, so its rows_quarantined is negative. Its quarantine_file, future_files and
    retry_at are what is left of those of ``replay_of`` and of earlier replays, and stand for them.
    """

    source_name: str
    adapter: str
    adapter_version: str
    content_sha256: str
    load_id: str
    path: str
    size_bytes: int
    format: str
    rows_read: int
    rows_ignored: int
    loaded_at: datetime
    streams: Mapping[str, StreamEntry]
    rows_expanded: int = 0
    quarantine_file: str | None = None
    # The earliest time at which a row still refused as future may land.
    retry_at: datetime | None = None
    replay_of: str | None = None
    replay_number: int = 0
    # Of the adapter's text and the source's defaults, to notice an edit without a new version.
    mapping_fingerprint: str | None = None
    # Which tombstones the load knew, where other hosts may add to them meanwhile.
    tombstones_sha256: str | None = None

    @property
    def rows_landed(self) -> int:
        return sum(stream.rows_landed for stream in self.streams.values())

    @property
    def rows_quarantined(self) -> int:
        return sum(stream.rows_quarantined for stream in self.streams.values())

    @property
    def files(self) -> frozenset[str]:
        """Every file that it names, by its path below the lake."""
        kept = {self.quarantine_file} if self.quarantine_file else set()
        for stream in self.streams.values():
            kept.update((*stream.files, *stream.future_files))
        return frozenset(kept)

    @property
    def file_name(self) -> str:
        # Two loaders that replay one load at the same time write one name, so that only one of them
        # wins.
        if self.replay_of is not None:
            return f"{self.replay_of}.replay-{self.replay_number:04d}.json"
        return f"{self.load_id}.json"


def load_identity(
    *, source_name: str, adapter: str, adapter_version: str, content_sha256: str
) -> str:
    """The id of loading these bytes for this source with this adapter."""
    identity = "|".join((source_name, adapter, adapter_version, content_sha256))
    return hashlib.sha256(identity.encode()).hexdigest()[:32]


def entry_path(lake: Path, *, source_name: str, load_id: str) -> Path:
    return lake / "ledger" / source_name / f"{load_id}.json"


def rewritten_path(lake: Path, *, source_name: str, load_id: str) -> Path:
    """Stands for a landing file whose bytes erasure changed: with it, they are not loaded again."""
    return lake / "rewritten" / source_name / load_id


def note_rewritten(lake: Path, *, source_name: str, load_id: str) -> None:
    """Keep bytes with this identity from being loaded; on disk when the call returns."""
    path = rewritten_path(lake, source_name=source_name, load_id=load_id)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    sync_folder(path.parent)


def write_entry(lake: Path, entry: LedgerEntry, *, staging: Path) -> bool:
    """Put an entry into the ledger, durably and at once; False if another loader was first.

    It is written in ``staging``, a folder of this load in the lake, so that a load that is killed
    leaves nothing in the ledger.
    """
    folder = lake / "ledger" / entry.source_name
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / entry.file_name
    staging.mkdir(parents=True, exist_ok=True)
    temporary = staging / f"{uuid.uuid4().hex}.json"
    write_json(entry, temporary)
    try:
        os.link(temporary, target)
    except FileExistsError:
        return False
    finally:
        temporary.unlink()
    sync_folder(folder)
    return True


def replace_entry(lake: Path, entry: LedgerEntry) -> None:
    """Say of a load what is left of it; for removals alone, which let no load be at work meanwhile."""
    target = lake / "ledger" / entry.source_name / entry.file_name
    unfinished = target.with_name(f".{target.name}.unfinished")
    write_json(entry, unfinished)
    unfinished.replace(target)
    sync_folder(target.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read_entries(lake: Path) -> list[LedgerEntry]:
    """The loads whose rows count, ordered by source and load id.

    Where one content was loaded with several versions of an adapter, only the newest version
    counts.

    Raises:
        RunFailure: an entry cannot be read.
    """
    entries = read_all_entries(lake)
    newest: dict[tuple[str, str, str], int] = {}
    for entry in entries:
        if entry.replay_of is None:
            key = _content_key(entry)
            newest[key] = max(newest.get(key, 0), int(entry.adapter_version))
    return sorted(
        (
            entry
            for entry in entries
            if int(entry.adapter_version) == newest.get(_content_key(entry))
        ),
        key=lambda entry: (entry.source_name, entry.load_id),
    )


def read_all_entries(lake: Path) -> list[LedgerEntry]:
    """Every load there was, also those whose rows no longer count.

    Raises:
        RunFailure: an entry cannot be read.
    """
    return [_known_entry(path) for path in sorted((lake / "ledger").glob("*/*.json"))]


def _known_entry(path: Path) -> LedgerEntry:
    # A run asks nine times. Who rewrites an entry makes another file of it.
    found = path.stat()
    return _entry_as_written(path, found.st_ino, found.st_mtime_ns, found.st_size)


@lru_cache(maxsize=50_000)
def _entry_as_written(path: Path, *_signature: int) -> LedgerEntry:
    return read_entry(path)


def _content_key(entry: LedgerEntry) -> tuple[str, str, str]:
    return (entry.source_name, entry.adapter, entry.content_sha256)


def write_json(entry: LedgerEntry, path: Path) -> None:
    """Write what an entry of the ledger holds, durably."""
    with path.open("w", encoding="utf-8") as file:
        json.dump(_to_json(entry), file, indent=1, sort_keys=True)
        file.write("\n")
        file.flush()
        os.fsync(file.fileno())


def _to_json(entry: LedgerEntry) -> dict[str, Any]:
    content = {key: _value(value) for key, value in vars(entry).items() if key != "streams"}
    if entry.tombstones_sha256 is None:
        del content["tombstones_sha256"]
    content["streams"] = {
        name: {key: _value(value) for key, value in vars(stream).items()}
        for name, stream in entry.streams.items()
    }
    return content


def _value(value: object) -> object:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, tuple):
        return list(value)
    return value


def read_entry(path: Path) -> LedgerEntry:
    """One entry.

    Raises:
        RunFailure: it cannot be read.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        streams = {
            name: StreamEntry(
                rows_landed=stream["rows_landed"],
                rows_quarantined=stream["rows_quarantined"],
                min_event_at=_time(stream["min_event_at"]),
                max_event_at=_time(stream["max_event_at"]),
                event_dates=tuple(stream["event_dates"]),
                files=tuple(stream["files"]),
                quarantined_by_reason=stream["quarantined_by_reason"],
                future_files=tuple(stream["future_files"]),
            )
            for name, stream in content.pop("streams").items()
        }
        for key in ("loaded_at", "retry_at"):
            content[key] = _time(content[key])
        return LedgerEntry(streams=streams, **content)
    except (ValueError, KeyError, TypeError) as error:
        raise RunFailure(
            f"ledger entry {path} cannot be read ({error}); restore it from a backup, or remove it "
            "to have its file loaded again"
        ) from error


def _time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
