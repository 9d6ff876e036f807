"""Which models of the candidate no audit has passed, so that no later build of a part lets readers see them.

A build of a part, such as health alone, tests what it makes. What an earlier build made and did not pass, or
was making when it died, lies beside it in the same candidate, and stays there until a build makes it again.

Belongs here: that note. Does not belong here: what is published in their place (warehouse/publishing), and
which models a build makes (warehouse/upkeep).
"""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path

from orchestration.settings import Settings


@dataclass(frozen=True, kw_only=True)
class Unaudited:
    """The models of the candidate by what became of the build that made them.

    ``begun`` are those of a build that is at work or died: some of them may be half-made. ``refused`` are of
    builds that did not pass; ``passed`` are of the last build that did, until it is published.
    """

    begun: frozenset[str] = frozenset()
    refused: frozenset[str] = frozenset()
    passed: frozenset[str] = frozenset()

    @property
    def models(self) -> frozenset[str]:
        """All that readers must not see."""
        return self.begun | self.refused


def read_unaudited(settings: Settings) -> Unaudited:
    """What is noted of the candidate."""
    path = _path(settings)
    if not path.exists():
        return Unaudited()
    content = json.loads(path.read_text(encoding="utf-8"))
    return Unaudited(**{name: frozenset(models) for name, models in content.items()})


def note_models_begun(
    settings: Settings, models: Collection[str], *, is_full_refresh: bool
) -> None:
    """Note the models of a build before it begins. The caller holds the warehouse lock."""
    before = frozenset() if is_full_refresh else read_unaudited(settings).models
    _write(settings, Unaudited(begun=frozenset(models), refused=before - frozenset(models)))


def note_models_refused(settings: Settings) -> None:
    """Note that the build that was begun made every model as a whole and did not pass its audit."""
    _write(settings, Unaudited(refused=read_unaudited(settings).models))


def note_models_passed(settings: Settings) -> None:
    """Note that the build that was begun passed its audit."""
    noted = read_unaudited(settings)
    _write(settings, Unaudited(refused=noted.refused, passed=noted.begun))


def note_passed_published(settings: Settings) -> None:
    """Note that readers see what passed."""
    _write(settings, replace(read_unaudited(settings), passed=frozenset()))


def _write(settings: Settings, noted: Unaudited) -> None:
    path = _path(settings)
    unfinished = path.with_suffix(".json.tmp")
    content = {
        "begun": sorted(noted.begun),
        "refused": sorted(noted.refused),
        "passed": sorted(noted.passed),
    }
    unfinished.write_text(json.dumps(content), encoding="utf-8")
    unfinished.replace(path)


def _path(settings: Settings) -> Path:
    return settings.run_inputs / "unaudited.json"
