"""What an increment makes again, and what of the last build still holds.

A model is what its parents and the code make it. While no input that it is made of has changed since a build
that passed its audit, the model holds, and so do the data tests on it. Which inputs there were, and which
models are still due, is noted beside the run inputs; a build that failed or died leaves its models due.

Belongs here: that note, and following a change from the inputs to models and tests. Does not belong here:
which dates of a fact change (models/intermediate), whether there is anything to do at all (warehouse/plan),
and calling dbt (defs/dbt_build).
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any

from orchestration.ingest.ledger import LedgerEntry
from orchestration.settings import DEFAULT_TARGET, Settings

# What says which rows of an incremental model to make again is not what the model is made of.
_SAYS_WHAT_TO_REDO = frozenset(
    {"loads", "stg_loads", "pending_event_dates", "stg_pending_event_dates", "int_pending_dates"}
)
# They change with the loads of each stream, or say when the run was.
_READ_OTHERWISE = frozenset({"run_context", "lake_files"})


@dataclass(frozen=True, kw_only=True)
class Extent:
    """What a build makes: the names of models and of data tests to run, and what dbt calls them all.

    ``selectors`` are none when it is everything.
    """

    models: frozenset[str]
    tests: frozenset[str]
    selectors: Sequence[str]


@dataclass(frozen=True, kw_only=True)
class Upkeep:
    """The note of a build: its inputs by name, and the models that are due since.

    ``audited_by`` is the run whose audits tell of the tests that still hold.
    """

    code_fingerprint: str
    inputs: Mapping[str, str]
    due: frozenset[str]
    audited_by: int | None


class Lineage:
    """The models, their parents and their tests, as the parsed project has them."""

    def __init__(self, manifest: Mapping[str, Any]) -> None:
        self._nodes: Mapping[str, Any] = manifest["nodes"]
        self._sources: Mapping[str, Any] = manifest["sources"]

    @cached_property
    def models(self) -> frozenset[str]:
        """The names of all models."""
        return frozenset(node["name"] for node in self._of_kind("model"))

    @cached_property
    def everything(self) -> frozenset[str]:
        """The names of all models and of reference data."""
        return self.models | {node["name"] for node in self._of_kind("seed")}

    @cached_property
    def views(self) -> frozenset[str]:
        """Models that hold no rows: the same code makes them the same."""
        return frozenset(
            node["name"]
            for node in self._of_kind("model")
            if node["config"]["materialized"] == "view"
        )

    def of_every_run(self) -> frozenset[str]:
        """Models that say which run made the state."""
        return self._marked("is_of_every_run")

    def made_of(self, names: Iterable[str]) -> frozenset[str]:
        """The models that any of these inputs or models reaches, themselves included if they are models."""
        found, waiting = set(names), list(names)
        while waiting:
            for child in self._children[waiting.pop()] - found:
                found.add(child)
                waiting.append(child)
        return frozenset(found & self.models)

    def tests_of(self, built: Collection[str], *, behind: Collection[str]) -> frozenset[str]:
        """The data tests of what was built that hold together what stands at one state.

        A table that is ``behind`` lacks changes, and so does what is made of it. A test that reads any of
        them is sound as long as everything built that it reads lacks the same: a table may be held against
        what it was made of, and against its own rules always.
        """
        lacking = [self.made_of([one]) for one in behind]
        tests = set()
        for node in self._of_kind("test"):
            tested = {self._name(parent) for parent in node["depends_on"]["nodes"]}
            made = tested & set(built)
            if made and all(made <= same for same in lacking if tested & same):
                tests.add(node["name"])
        return frozenset(tests)

    def selectors(self, names: Collection[str]) -> list[str]:
        """What dbt calls these models and tests; by its name alone a model would select a folder, too."""
        return sorted(
            ".".join(node["fqn"])
            for kind in ("model", "seed", "test")
            for node in self._of_kind(kind)
            if node["name"] in names
        )

    @cached_property
    def _children(self) -> Mapping[str, set[str]]:
        children: dict[str, set[str]] = defaultdict(set)
        made_of_code = self._marked("is_made_of_code")
        for node in self._of_kind("model"):
            if node["name"] in made_of_code:
                continue
            is_incremental = node["config"]["materialized"] == "incremental"
            for parent in map(self._name, node["depends_on"]["nodes"]):
                if not (is_incremental and parent in _SAYS_WHAT_TO_REDO):
                    children[parent].add(node["name"])
        return children

    def _of_kind(self, kind: str) -> list[Mapping[str, Any]]:
        return [node for node in self._nodes.values() if node["resource_type"] == kind]

    def _marked(self, name: str) -> frozenset[str]:
        return frozenset(
            node["name"] for node in self._of_kind("model") if node["config"]["meta"].get(name)
        )

    def _name(self, unique_id: str) -> str:
        node = self._nodes.get(unique_id) or self._sources.get(unique_id)
        return str(node["name"]) if node else unique_id


def fingerprint_inputs(
    settings: Settings, *, entries: Sequence[LedgerEntry], as_of: datetime
) -> Mapping[str, str]:
    """A digest of everything that models read, by the name of its source.

    A stream is the loads that it holds: merging its files changes no row. The number of the run is no input.
    """
    loads: dict[str, list[str]] = defaultdict(list)
    for entry in entries:
        for stream in entry.streams:
            loads[stream].append(entry.load_id)
    digests = {stream: _digest(" ".join(sorted(ids)).encode()) for stream, ids in loads.items()}
    for path in sorted(settings.run_inputs.glob("*.parquet")):
        if path.stem not in _READ_OTHERWISE:
            digests[path.stem] = _digest(path.read_bytes())
    digests["run_context"] = _digest(f"{as_of.isoformat()} {settings.time_zone}".encode())
    return MappingProxyType(digests)


def plan_extent(
    lineage: Lineage,
    *,
    before: Upkeep | None,
    now: Upkeep,
    selected: Collection[str] | None,
    is_everything: bool,
) -> tuple[Extent, Upkeep]:
    """What to make of the selected models (None: of all), and the note to write before making it.

    ``now`` has the inputs of this build. The note holds what is due until the build succeeds.
    """
    if before is None or before.code_fingerprint != now.code_fingerprint:
        is_everything, audited_by = True, None
    else:
        audited_by = before.audited_by
    if is_everything or before is None:
        due = lineage.everything
    else:
        changed = [
            name
            for name in before.inputs.keys() | now.inputs.keys()
            if before.inputs.get(name) != now.inputs.get(name)
        ]
        # A view shows what its tables hold whoever made them; what is due of it is its tests.
        reached = lineage.made_of([*changed, *(before.due - lineage.views)])
        due = reached | before.due | lineage.of_every_run()
    made = due if selected is None else due & frozenset(selected)
    # Tables alone can be behind: an increment finds every view there.
    tests = lineage.tests_of(made, behind=due - made - lineage.views)
    models = made if is_everything else made - lineage.views
    extent = Extent(
        models=models,
        tests=tests,
        selectors=[] if made == lineage.everything else lineage.selectors(models | tests),
    )
    noted = Upkeep(
        code_fingerprint=now.code_fingerprint,
        inputs=now.inputs,
        due=due,
        audited_by=audited_by,
    )
    return extent, noted


def after_success(
    lineage: Lineage, noted: Upkeep, *, selected: Collection[str] | None, run_id: int
) -> Upkeep:
    """The note once the build passed its audit: what was not selected is still due."""
    return Upkeep(
        code_fingerprint=noted.code_fingerprint,
        inputs=noted.inputs,
        due=frozenset() if selected is None else noted.due - frozenset(selected),
        audited_by=run_id,
    )


def read_upkeep(settings: Settings) -> Upkeep | None:
    """The note of the last build; None where there is none that could be relied on.

    Other machines may build what other engines hold, so of them everything is made again.
    """
    path = _path(settings)
    if settings.target != DEFAULT_TARGET or not path.exists():
        return None
    content = json.loads(path.read_text(encoding="utf-8"))
    return Upkeep(
        code_fingerprint=content["code_fingerprint"],
        inputs=content["inputs"],
        due=frozenset(content["due"]),
        audited_by=content["audited_by"],
    )


def write_upkeep(settings: Settings, upkeep: Upkeep) -> None:
    """Replace the note as a whole."""
    path = _path(settings)
    unfinished = path.with_suffix(".json.tmp")
    content = {
        "code_fingerprint": upkeep.code_fingerprint,
        "inputs": dict(upkeep.inputs),
        "due": sorted(upkeep.due),
        "audited_by": upkeep.audited_by,
    }
    unfinished.write_text(json.dumps(content), encoding="utf-8")
    unfinished.replace(path)


def _path(settings: Settings) -> Path:
    return settings.run_inputs / "upkeep.json"


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
