"""Files that came again under another name: their bytes are in the lake, so nothing of them is read.

Belongs here: noting such a file once, and how many there were of each load. Does not belong here:
telling that the bytes are known (load.py), and rows that came twice, which the warehouse counts.

A note is an empty file, named by load and path, so that any number of loaders can make it at the same
time and a load that is killed makes it the next time.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from contextlib import suppress
from pathlib import Path

from orchestration.ingest.ledger import entry_path, read_entry

_FOLDER = "repeated"


def note_repeat(lake: Path, *, source_name: str, load_id: str, path: str) -> None:
    """Remember a file whose bytes are loaded, unless it is the very file that was loaded."""
    entry_file = entry_path(lake, source_name=source_name, load_id=load_id)
    # Without an entry nothing of it counts: what it held was erased, or it could not be loaded.
    if not entry_file.is_file() or read_entry(entry_file).path == path:
        return
    note = note_path(lake, source_name=source_name, load_id=load_id, path=path)
    note.parent.mkdir(parents=True, exist_ok=True)
    # A note that is there stays as it is: a run with nothing new changes no file.
    with suppress(FileExistsError):
        note.touch(exist_ok=False)


def note_path(lake: Path, *, source_name: str, load_id: str, path: str) -> Path:
    """The note of a file that came again."""
    name = hashlib.sha256(path.encode()).hexdigest()[:32]
    return lake / _FOLDER / source_name / load_id / name


def count_repeats(lake: Path) -> Counter[str]:
    """How many other files had the bytes of each load, by load id."""
    return Counter(note.parent.name for note in (lake / _FOLDER).glob("*/*/*"))
