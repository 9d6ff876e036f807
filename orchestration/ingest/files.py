"""Files of a landing folder: finding them, their formats by name, and their content hash.

Belongs here: names, extensions, bytes as they are. Does not belong here: cutting a file
(splitting.py), rows (reader.py).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from orchestration.contracts.streams import STREAMS
from orchestration.errors import UserError
from orchestration.ingest.adapter import NATIVE, Adapter, native_adapter
from orchestration.ingest.sources import Source

FORMATS = {"ndjson": "lines", "jsonl": "lines", "json": "json", "csv": "csv", "parquet": "parquet"}
COMPRESSIONS = {"gz": "gzip", "zst": "zstd"}

_BLOCK = 1 << 20


class UnusableFile(Exception):
    """A file that cannot be loaded; the text says why, for the person who delivered it."""


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A file found for a source. A file that cannot be loaded has a problem and no adapter."""

    source_name: str
    path: Path
    shown_path: str
    adapter: Adapter | None = None
    source: Source | None = None
    problem: str | None = None


def find_files(landing: Path, *, sources: Sequence[Source]) -> list[Candidate]:
    """Every file below the landing folder and of the declared sources, in the order of their paths.

    Raises:
        UserError: the landing folder does not exist.
    """
    if not landing.is_dir():
        raise UserError(
            f"landing folder {landing} does not exist; create it or name another with --landing"
        )
    found: dict[Path, Candidate] = {}
    for source in sources:
        matches = [path for path in _glob(landing, source.path) if path.is_file()]
        for path in matches:
            if path not in found and not _is_hidden(path.name):
                found[path] = Candidate(
                    source_name=source.name,
                    path=path,
                    shown_path=_shown(path, landing=landing),
                    adapter=source.adapter,
                    source=source,
                )
    for entry in sorted(landing.iterdir()):
        if not _is_hidden(entry.name):
            for candidate in _native_candidates(entry, landing=landing, claimed=set(found)):
                found.setdefault(candidate.path, candidate)
    return sorted(
        found.values(), key=lambda candidate: (candidate.shown_path, candidate.source_name)
    )


def _glob(landing: Path, pattern: str) -> Iterator[Path]:
    path = Path(pattern).expanduser()
    if path.is_absolute():
        return Path(path.anchor).glob(str(path.relative_to(path.anchor)))
    return landing.glob(pattern)


def _is_hidden(name: str) -> bool:
    # Marker and temporary files of the tools that deliver extracts.
    return name.startswith((".", "_"))


def _shown(path: Path, *, landing: Path) -> str:
    return path.relative_to(landing).as_posix() if path.is_relative_to(landing) else path.as_posix()


def _native_candidates(entry: Path, *, landing: Path, claimed: set[Path]) -> list[Candidate]:
    if entry.is_file():
        if entry in claimed:
            return []
        problem = f"lies in no stream folder; move it to one of {', '.join(STREAMS)}"
        return [_problem(entry, landing=landing, problem=problem)]
    files = [
        path
        for path in sorted(entry.rglob("*"))
        if path.is_file()
        and path not in claimed
        and not any(_is_hidden(part) for part in path.relative_to(entry).parts)
    ]
    if entry.name not in STREAMS:
        if not files:
            return []
        problem = (
            f"is no stream of the contract ({len(files)} files left alone); use one of "
            f"{', '.join(STREAMS)}, or declare a source for it in config/sources.yml"
        )
        return [_problem(entry, landing=landing, problem=problem)]
    adapter = native_adapter(STREAMS[entry.name])
    return [
        Candidate(
            source_name=NATIVE, path=path, shown_path=_shown(path, landing=landing), adapter=adapter
        )
        for path in files
    ]


def _problem(path: Path, *, landing: Path, problem: str) -> Candidate:
    return Candidate(
        source_name=NATIVE, path=path, shown_path=_shown(path, landing=landing), problem=problem
    )


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
        UnusableFile: the file cannot be read.
    """
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while block := file.read(_BLOCK):
                digest.update(block)
    except OSError as error:
        raise UnusableFile(f"cannot be read: {error.strerror}") from error
    return digest.hexdigest()
