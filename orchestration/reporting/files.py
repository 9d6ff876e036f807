"""Where report files stand and how they get there.

Belongs here: folder and file names, safe for any id, and writing without ever showing half a file.
Does not belong here: what is in a file.
"""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path

# Ids of the native extracts keep their text as long as it is safe in a file name on any system.
_PLAIN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,59}")
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")
_NATIVE = "native"


def scope_slug(kind: str, identifier: str, *, source_name: str) -> str:
    """A name for a scope's files: ``platform``, ``tenant-acme``; different for different scopes."""
    if not identifier:
        return kind
    if source_name in ("", _NATIVE) and _PLAIN_ID.fullmatch(identifier):
        return f"{kind}-{identifier}"
    digest = hashlib.sha256(f"{source_name}:{identifier}".encode()).hexdigest()[:8]
    readable = _UNSAFE.sub("-", identifier)[:40].strip("-.")
    return f"{kind}-{readable}-{digest}" if readable else f"{kind}-{digest}"


def edition_slug(edition: str) -> str:
    """The period of a report, and its zone where that is not its scope's own, in a file name."""
    return edition.replace(" ", "-").replace("/", "-")


def report_path(*, frequency: str, period: str, scope: str, suffix: str) -> Path:
    """The place of one file of a report, relative to the reports folder."""
    return (
        Path(frequency)
        / edition_slug(period)
        / scope
        / report_name(frequency=frequency, period=period, scope=scope, suffix=suffix)
    )


def report_name(*, frequency: str, period: str, scope: str, suffix: str) -> str:
    """The name of one file of a report."""
    return f"agentmart-{frequency}-{scope}-{edition_slug(period)}.{suffix}"


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file so that a reader sees all of it or none of it, even after a crash."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.unfinished")
    with unfinished.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(path)
