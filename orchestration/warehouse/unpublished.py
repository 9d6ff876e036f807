"""What of the candidate differs from the newest publication, so that publishing writes no more than that.

A build notes which models it begins, and once it has passed, of which of them it replaced single event days.
Where what differs is not known, all of the candidate is published anew: after a full refresh, after a
build that failed or died, after another program wrote to the warehouse or to the publication, and on engines
whose candidate other machines build too.

Belongs here: that note. Does not belong here: which models a build makes (warehouse/upkeep), and writing a
publication (warehouse/publishing).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path

from orchestration.settings import DEFAULT_TARGET, Settings
from orchestration.warehouse.publications import folder_of

# What is replaced in a file leaves half-filled blocks: 53 MB of rows took 68 after 24 increments. Writing
# all anew once the file has grown by half costs three times the bytes that were added.
_MOST_GROWTH = 1.5

# What changed of a table: event days of a fact, an empty set for nothing, None for anything.
Change = frozenset[date] | None


@dataclass(frozen=True, kw_only=True)
class Unpublished:
    """What was made since the publication ``publication_id`` of this candidate.

    ``whole_bytes`` is the size of the published database when it was last written anew, and ``files`` a
    digest of names, sizes and times of what was published. ``models`` holds by its name what changed of each
    model that was made; None where any model may differ. ``begun`` are models of a build that has not passed.
    """

    publication_id: int
    whole_bytes: int
    files: str
    models: Mapping[str, Change] | None = field(default_factory=dict)
    begun: frozenset[str] = frozenset()

    def is_outgrown(self, database_bytes: int) -> bool:
        """Whether the published database, now so large, is to be written without what replacing left."""
        return database_bytes > _MOST_GROWTH * self.whole_bytes

    def with_made(self, replaced_days: Mapping[str, Collection[date]]) -> Unpublished:
        """The note after a build; of what it began, the models that are not named were made as a whole."""
        if self.models is None:
            return replace(self, begun=frozenset())
        models = dict(self.models)
        for name in self.begun:
            known, days = models.get(name, frozenset()), replaced_days.get(name)
            models[name] = None if known is None or days is None else known.union(days)
        return replace(self, models=models, begun=frozenset())


def note_begun(settings: Settings, models: Collection[str], *, is_full_refresh: bool) -> None:
    """Note the models of a build before it begins. The caller holds the warehouse lock."""
    known = read_unpublished(settings)
    noted = _read(settings)
    if noted is None:
        return
    is_known = known is not None and not is_full_refresh
    _write(
        settings,
        replace(noted[0], models=noted[0].models if is_known else None, begun=frozenset(models)),
    )


def are_changes_known(settings: Settings) -> bool:
    """Whether it is of use to say what a build that passed replaced."""
    known = _read(settings)
    return known is not None and known[0].models is not None


def note_made(settings: Settings, replaced_days: Mapping[str, Collection[date]]) -> None:
    """Note what a build that passed made: the event days of the facts that it replaced by days."""
    known = _read(settings)
    if known is not None:
        _write(settings, known[0].with_made(replaced_days))


def note_published(
    settings: Settings,
    publication_id: int,
    *,
    whole_bytes: int,
    candidate: Sequence[int],
    is_all: bool = True,
) -> None:
    """Note that the candidate, when it had this stamp, is what this publication holds; not ``is_all`` says
    that only models that passed are taken from it."""
    if settings.target == DEFAULT_TARGET:
        noted = Unpublished(
            publication_id=publication_id,
            whole_bytes=whole_bytes,
            files=_digest_of(folder_of(settings, publication_id)),
            models={} if is_all else None,
        )
        _write(settings, noted, candidate=candidate)


def read_unpublished(settings: Settings) -> Unpublished | None:
    """What is noted; None where no publication is known that the candidate could be held against, one whose
    files are as they were written (somebody may have opened its database to write), or where the candidate
    is being made or was written to since."""
    known = _read(settings)
    if known is None or settings.target != DEFAULT_TARGET:
        return None
    unpublished, stamp = known
    if unpublished.begun or stamp != candidate_stamp(settings):
        return None
    is_untouched = unpublished.files == _digest_of(folder_of(settings, unpublished.publication_id))
    return unpublished if is_untouched else None


def candidate_stamp(settings: Settings) -> Sequence[int]:
    """What differs once a program that opened the warehouse file to write has changed a table. Of one that
    was killed the change is in the log beside the file, and the next build takes it over."""
    file = settings.warehouse_file
    places = (file, file.with_name(f"{file.name}.wal"))
    found = [place.stat() for place in places if place.exists()]
    return [figure for status in found for figure in (status.st_size, status.st_mtime_ns)]


def _digest_of(folder: Path) -> str:
    found = sorted((path, path.stat()) for path in folder.rglob("*") if path.is_file())
    lines = [
        f"{path.relative_to(folder)} {status.st_size} {status.st_mtime_ns}"
        for path, status in found
    ]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _read(settings: Settings) -> tuple[Unpublished, Sequence[int]] | None:
    path = _path(settings)
    if not path.exists():
        return None
    # An earlier version says less, and what a power cut left may say nothing: then nothing is known.
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        models = {
            name: None if days is None else frozenset(map(date.fromisoformat, days))
            for name, days in (content["models"] or {}).items()
        }
        unpublished = Unpublished(
            publication_id=content["publication_id"],
            whole_bytes=content["whole_bytes"],
            files=content["files"],
            models=models if content["models"] is not None else None,
            begun=frozenset(content["begun"]),
        )
        return unpublished, content["warehouse"]
    except (ValueError, KeyError, TypeError):
        return None


def _write(
    settings: Settings, unpublished: Unpublished, *, candidate: Sequence[int] | None = None
) -> None:
    path = _path(settings)
    unfinished = path.with_suffix(".json.tmp")
    content = {
        "publication_id": unpublished.publication_id,
        "whole_bytes": unpublished.whole_bytes,
        "files": unpublished.files,
        "models": (
            None
            if unpublished.models is None
            else {
                name: None if days is None else sorted(map(str, days))
                for name, days in unpublished.models.items()
            }
        ),
        "begun": sorted(unpublished.begun),
        "warehouse": list(candidate if candidate is not None else candidate_stamp(settings)),
    }
    unfinished.write_text(json.dumps(content), encoding="utf-8")
    unfinished.replace(path)


def _path(settings: Settings) -> Path:
    return settings.run_inputs / "unpublished.json"
