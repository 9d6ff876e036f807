"""Files of a landing folder and of sources: finding them, their formats by name, their hash.

Belongs here: names, extensions, bytes as they are. Does not belong here: the protocols of object
storage (object_storage.py), cutting a file (splitting.py), rows (reader.py).
"""

from __future__ import annotations

import hashlib
import importlib
import os
import re
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from orchestration.contracts.streams import STREAMS
from orchestration.errors import UserError
from orchestration.ingest.adapter import NATIVE, Adapter, native_adapter
from orchestration.ingest.object_storage import (
    ObjectStorage,
    StorageProblem,
    StoredObject,
    is_url,
)
from orchestration.ingest.sources import Source

FORMATS = {"ndjson": "lines", "jsonl": "lines", "json": "json", "csv": "csv", "parquet": "parquet"}
COMPRESSIONS = {"gz": "gzip", "zst": "zstd"}

_BLOCK = 1 << 20


class UnusableFile(Exception):
    """A file that cannot be loaded; the text says why, for the person who delivered it."""


class UnreachableFile(UnusableFile):
    """Not the file is at fault but where it lies: it is gone, locked away, or cannot be reached."""


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A file found for a source. A file that cannot be loaded has a problem and no adapter.

    Of an object on storage, ``path`` is only a name until it is fetched.
    """

    source_name: str
    path: Path
    shown_path: str
    adapter: Adapter | None = None
    source: Source | None = None
    stored: StoredObject | None = None
    size_bytes: int = 0
    # When a file was listed: whether its bytes are still those that were hashed shows by it.
    modified_ns: int | None = None
    problem: str | None = None
    is_unreachable: bool = False


@dataclass(frozen=True, kw_only=True)
class _Found:
    """A file, or a place where files should be and cannot be seen (then it has a problem)."""

    key: str
    path: Path
    shown_path: str
    # Below the landing folder; empty outside.
    parts: tuple[str, ...] = ()
    stored: StoredObject | None = None
    size_bytes: int = 0
    modified_ns: int | None = None
    problem: str | None = None


def find_files(
    landing: Path | str, *, sources: Sequence[Source], storage: ObjectStorage | None = None
) -> list[Candidate]:
    """Every file below the landing folder and of the declared sources, in the order of their paths.

    Args:
        landing: a folder, or the URL of one on object storage.
        storage: reads URLs; without it only what lies on this machine is found.

    Raises:
        UserError: the landing folder does not exist, or a URL is none that can be read.
    """
    if isinstance(landing, str) and not is_url(landing):
        landing = Path(landing)
    landed = (
        _objects_below(landing, landing=landing, storage=storage)
        if isinstance(landing, str)
        else _files_below(landing)
    )
    claimed: dict[str, Candidate] = {}
    for source in sources:
        for found in _matching(source.path, landing=landing, landed=landed, storage=storage):
            if found.key not in claimed and not _is_hidden(found.path.name):
                claimed[found.key] = _candidate(found, source=source)
    native = _native_candidates([found for found in landed if found.key not in claimed])
    return sorted(
        [*claimed.values(), *native],
        key=lambda candidate: (candidate.shown_path, candidate.source_name),
    )


def _candidate(found: _Found, *, source: Source) -> Candidate:
    return Candidate(
        source_name=source.name,
        path=found.path,
        shown_path=found.shown_path,
        adapter=None if found.problem else source.adapter,
        source=source,
        stored=found.stored,
        size_bytes=found.size_bytes,
        modified_ns=found.modified_ns,
        problem=found.problem,
        is_unreachable=found.problem is not None,
    )


def _native_candidates(landed: Sequence[_Found]) -> Iterator[Candidate]:
    strangers: dict[str, list[_Found]] = {}
    for found in landed:
        if any(_is_hidden(part) for part in found.parts):
            continue
        is_stream = found.parts[:1] and found.parts[0] in STREAMS
        if found.problem is not None:
            yield _problem(found, problem=found.problem, is_unreachable=True)
        elif len(found.parts) == 1:
            problem = f"lies in no stream folder; move it to one of {', '.join(STREAMS)}"
            yield _problem(found, problem=problem)
        elif is_stream:
            yield Candidate(
                source_name=NATIVE,
                path=found.path,
                shown_path=found.shown_path,
                adapter=native_adapter(STREAMS[found.parts[0]]),
                stored=found.stored,
                size_bytes=found.size_bytes,
                modified_ns=found.modified_ns,
            )
        else:
            strangers.setdefault(found.parts[0], []).append(found)
    for name, files in strangers.items():
        problem = (
            f"is no stream of the contract ({len(files)} files left alone); use one of "
            f"{', '.join(STREAMS)}, or declare a source for it in config/sources.yml"
        )
        yield Candidate(source_name=NATIVE, path=Path(name), shown_path=name, problem=problem)


def _problem(found: _Found, *, problem: str, is_unreachable: bool = False) -> Candidate:
    return Candidate(
        source_name=NATIVE,
        path=found.path,
        shown_path=found.shown_path,
        problem=problem,
        is_unreachable=is_unreachable,
    )


def _is_hidden(name: str) -> bool:
    # Marker and temporary files of the tools that deliver extracts.
    return name.startswith((".", "_"))


def _files_below(landing: Path) -> list[_Found]:
    """Every file below a folder, and every place in it that cannot be read."""
    if not landing.is_dir():
        raise UserError(
            f"landing folder {landing} does not exist; create it or name another with --landing"
        )
    found: list[_Found] = []

    def refuse(error: OSError) -> None:
        path = Path(error.filename)
        problem = f"cannot be listed: {error.strerror}; let this account read it"
        found.append(_found(path, landing=landing, problem=problem))

    # A linked folder counts where it is linked; one that leads back to itself is read once.
    seen: set[tuple[int, int]] = set()
    for folder, folders, names in os.walk(landing, onerror=refuse, followlinks=True):
        status = Path(folder).stat()
        if (status.st_dev, status.st_ino) in seen:
            folders.clear()
            continue
        seen.add((status.st_dev, status.st_ino))
        folders.sort()
        found.extend(_checked(Path(folder) / name, landing=landing) for name in sorted(names))
    return found


def _checked(path: Path, *, landing: Path) -> _Found:
    try:
        status = path.stat()
    except OSError as error:
        reason = "leads nowhere" if path.is_symlink() else "cannot be read"
        problem = f"{reason}: {error.strerror}; deliver the file itself"
        return _found(path, landing=landing, problem=problem)
    if not stat.S_ISREG(status.st_mode):
        problem = "is a pipe, a socket or a device; deliver a file"
        return _found(path, landing=landing, problem=problem)
    return _found(path, landing=landing, size_bytes=status.st_size, modified_ns=status.st_mtime_ns)


def _found(
    path: Path,
    *,
    landing: Path,
    size_bytes: int = 0,
    modified_ns: int | None = None,
    problem: str | None = None,
) -> _Found:
    is_below = path.is_relative_to(landing)
    return _Found(
        key=str(path),
        path=path,
        shown_path=path.relative_to(landing).as_posix() if is_below else path.as_posix(),
        parts=path.relative_to(landing).parts if is_below else (),
        size_bytes=size_bytes,
        modified_ns=modified_ns,
        problem=problem,
    )


def _objects_below(url: str, *, landing: Path | str, storage: ObjectStorage | None) -> list[_Found]:
    """Every object below a URL; if none can be seen, what says so."""
    if storage is None:
        return []
    base = url.rstrip("/")
    try:
        objects = storage.list_objects(base)
    except StorageProblem as problem:
        said = str(problem).removeprefix(f"{base}: ")
        return [_Found(key=base, path=Path(base), shown_path=base, problem=said)]
    if not objects:
        said = "holds no object; correct the prefix, or deliver the first file"
        return [_Found(key=base, path=Path(base), shown_path=base, problem=said)]
    return [_found_object(one, landing=landing) for one in objects]


def _found_object(stored: StoredObject, *, landing: Path | str) -> _Found:
    base = f"{landing.rstrip('/')}/" if isinstance(landing, str) else None
    is_below = base is not None and stored.url.startswith(base)
    shown = stored.url.removeprefix(base or "")
    return _Found(
        key=stored.url,
        path=Path(stored.name),
        shown_path=shown,
        parts=tuple(shown.split("/")) if is_below else (),
        stored=stored,
        size_bytes=stored.size_bytes,
    )


def _matching(
    pattern: str, *, landing: Path | str, landed: Sequence[_Found], storage: ObjectStorage | None
) -> Iterator[_Found]:
    """The files that a source's path names: relative to the landing folder, absolute, or a URL."""
    if is_url(pattern):
        below = _objects_below(_folder_of(pattern), landing=landing, storage=storage)
        yield from (one for one in below if one.stored is None or _matches(one.key, pattern))
    elif isinstance(landing, str) and not Path(pattern).is_absolute():
        whole = f"{landing.rstrip('/')}/{pattern}"
        yield from (one for one in landed if one.stored is not None and _matches(one.key, whole))
    else:
        folder = Path() if isinstance(landing, str) else landing
        path = Path(pattern).expanduser()
        if path.is_absolute():
            matches = Path(path.anchor).glob(str(path.relative_to(path.anchor)))
        else:
            matches = folder.glob(pattern)
        yield from (_checked(match, landing=folder) for match in matches if not match.is_dir())


def _folder_of(pattern: str) -> str:
    """The URL below which everything lies that a pattern can match."""
    parts = pattern.split("/")
    fixed = next(
        (number for number, part in enumerate(parts) if re.search(r"[*?\[]", part)), len(parts) - 1
    )
    return "/".join(parts[: max(fixed, 3)])


def _matches(url: str, pattern: str) -> bool:
    # Imported with the storage's own library, which is there once objects are.
    translate = importlib.import_module("fsspec.utils").glob_translate
    return re.match(translate(pattern), url) is not None


def format_of(path: Path) -> tuple[str, str]:
    """Format and compression by the file's name.

    Raises:
        UnusableFile: the extension is unknown.
    """
    parts = path.name.lower().split(".")[1:]
    compression = COMPRESSIONS.get(parts[-1], "none") if parts else "none"
    if compression != "none":
        parts = parts[:-1]
    extension = parts[-1] if parts else ""
    if extension not in FORMATS or (extension == "parquet" and compression != "none"):
        allowed = ", ".join(f".{known}" for known in FORMATS)
        raise UnusableFile(
            f"unknown extension; use {allowed}, or all but .parquet with .gz or .zst behind"
        )
    return FORMATS[extension], compression


def hash_file(path: Path) -> str:
    """sha256 of the file's bytes.

    Raises:
        UnreachableFile: the file cannot be read.
    """
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while block := file.read(_BLOCK):
                digest.update(block)
    except OSError as error:
        raise UnreachableFile(f"cannot be read: {error.strerror}") from error
    return digest.hexdigest()
