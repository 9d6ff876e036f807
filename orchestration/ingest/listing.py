"""Which files hold the rows of the lake: those the ledger names, or a merged file in their place.

Belongs here: merge records, and the list every reader of the lake starts from. Does not belong
here: merging and removing files (compaction.py), the entries (ledger.py).

A merge record says that one file holds the rows of others of one stream and event date. It is
written once the merged file is in place, so a reader sees the one or the others, never both and
never neither. The entries stay as they are: what was loaded, and when, does not change.
"""

from __future__ import annotations

import fcntl
import json
import os
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from orchestration.errors import RunFailure
from orchestration.ingest.ledger import LedgerEntry, sync_folder

_FOLDER = "merged"
_LOCK = ".reading.lock"
_LOADING_LOCK = ".loading.lock"


@dataclass(frozen=True, kw_only=True)
class LakeFile:
    """A file to read. Paths are relative to the lake.

    ``excluded_load_ids``: loads whose rows lie in it and do not count, because a newer version of
    their adapter loaded the same content after the file was merged.
    """

    stream: str
    event_date: str
    path: str
    load_ids: frozenset[str]
    excluded_load_ids: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class MergeRecord:
    """``path`` holds the rows of the files in ``originals``, which are those of single loads."""

    stream: str
    event_date: str
    path: str
    originals: tuple[str, ...]
    row_count: int

    @property
    def folder(self) -> str:
        return partition_folder(self.stream, event_date=self.event_date)


def partition_folder(stream: str, *, event_date: str) -> str:
    return f"raw/{stream}/event_date={event_date}"


def event_date_of(path: str) -> str:
    """The event date that a lake file's path names."""
    return Path(path).parent.name.removeprefix("event_date=")


def load_id_of(path: str) -> str:
    """The load whose rows a file holds that is not a merged one."""
    return Path(path).stem.partition("-")[0]


def record_path(lake: Path, record: MergeRecord) -> Path:
    name = f"{Path(record.path).stem}.json"
    return lake / _FOLDER / record.stream / f"event_date={record.event_date}" / name


def lake_files(lake: Path, *, entries: Sequence[LedgerEntry]) -> list[LakeFile]:
    """The files that hold the rows of these entries, each row once, in order of their paths.

    Raises:
        RunFailure: a merge record cannot be read.
    """
    listed = {
        path: LakeFile(
            stream=stream,
            event_date=event_date_of(path),
            path=path,
            load_ids=frozenset((entry.load_id,)),
        )
        for entry in entries
        for stream, landed in entry.streams.items()
        for path in landed.files
    }
    for record in records_in_force(read_records(lake)):
        counting = [listed.pop(path) for path in record.originals if path in listed]
        if counting:
            load_ids = frozenset(load_id for one in counting for load_id in one.load_ids)
            merged_ids = {load_id_of(path) for path in record.originals}
            listed[record.path] = LakeFile(
                stream=record.stream,
                event_date=record.event_date,
                path=record.path,
                load_ids=load_ids,
                excluded_load_ids=tuple(sorted(merged_ids - load_ids)),
            )
    return sorted(listed.values(), key=lambda file: file.path)


def records_in_force(records: Sequence[MergeRecord]) -> list[MergeRecord]:
    """The records that no other one holds whole: a merge of merged files names all originals."""
    chosen: list[MergeRecord] = []
    taken: set[str] = set()
    for record in sorted(records, key=lambda one: (-len(one.originals), one.path)):
        if taken.isdisjoint(record.originals):
            chosen.append(record)
            taken.update(record.originals)
    return chosen


def read_records(lake: Path) -> list[MergeRecord]:
    """Every merge record, in order of stream, date and file.

    Raises:
        RunFailure: one cannot be read.
    """
    return [read_record(path) for path in sorted((lake / _FOLDER).glob("*/*/*.json"))]


def write_record(lake: Path, record: MergeRecord, *, staging: Path) -> None:
    """Put a record in force, durably and at once; it is written in ``staging``, a folder in the lake."""
    target = record_path(lake, record)
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = staging / f"{uuid.uuid4().hex}.json"
    with temporary.open("w", encoding="utf-8") as file:
        json.dump(vars(record), file, indent=1, sort_keys=True)
        file.write("\n")
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(target)
    sync_folder(target.parent)


def read_record(path: Path) -> MergeRecord:
    """One record.

    Raises:
        RunFailure: it cannot be read.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return MergeRecord(**{**content, "originals": tuple(content["originals"])})
    except (ValueError, KeyError, TypeError) as error:
        raise RunFailure(
            f"merge record {path} cannot be read ({error}); restore it from a backup: the files it "
            "stands for may be gone"
        ) from error


@contextmanager
def reading(lake: Path) -> Iterator[None]:
    """Keep the files that are listed meanwhile from being removed; readers never wait for readers."""
    with _lock_file(lake).open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)
        yield


@contextmanager
def nobody_reading(lake: Path) -> Iterator[bool]:
    """Whether no reader is at work; if so, new ones wait until this ends."""
    with _lock_file(lake).open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True


@contextmanager
def loading(lake: Path) -> Iterator[None]:
    """Add to the lake; loads never wait for loads, only for what takes rows out of it."""
    with _lock_file(lake, _LOADING_LOCK).open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)
        yield


@contextmanager
def nobody_loading(lake: Path) -> Iterator[None]:
    """Wait until every load is done, and keep new ones waiting until this ends.

    So a load either knows what must stay out of the lake or has landed before it is looked for.
    """
    with _lock_file(lake, _LOADING_LOCK).open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _lock_file(lake: Path, name: str = _LOCK) -> Path:
    lake.mkdir(parents=True, exist_ok=True)
    return lake / name
