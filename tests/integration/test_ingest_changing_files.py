"""Files that vanish, shrink or grow while they are loaded: each is named, all others land, nothing is lost.

Belongs here: what happens between listing a file and having read it. Does not belong here: files
that were never readable (tests/integration/test_ingest_load.py).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from threading import Event, Thread

import pytest

from orchestration.ingest.ledger import read_entries
from orchestration.ingest.load import FAILED, NEW, REPEATED, FileOutcome, LoadReport, load_landing
from orchestration.settings import Settings
from tests.support.landing import AS_OF, VALID_ROWS, landed, load, put

FIRST, OTHERS, CHANGED = (
    "agent_events/a.ndjson",
    ("agent_events/b.ndjson",),
    "agent_events/z.ndjson",
)


def _lines(name: str, count: int) -> bytes:
    event = VALID_ROWS["agent_events"]
    return b"".join(
        json.dumps({**event, "id": f"{name}{number}"}).encode() + b"\n" for number in range(count)
    )


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A landing whose first file is loaded already: the load says so once it has hashed all files."""
    settings = Settings(home=tmp_path, threads=1)
    put(settings, FIRST, _lines("a", 2))
    load(settings)
    for path in OTHERS:
        put(settings, path, _lines("b", 300))
    put(settings, CHANGED, _lines("z", 200))
    return settings


def _load_and_change(settings: Settings, change: Callable[[Path], object]) -> LoadReport:
    """Load, and change one file after it was listed and hashed, before it is read."""

    def on_file(outcome: FileOutcome) -> None:
        # Files are hashed in the order of their paths; the first is known before any is read.
        if outcome.status == REPEATED and outcome.path == FIRST:
            change(settings.landing / CHANGED)

    return load_landing(settings=settings, landing=settings.landing, as_of=AS_OF, on_file=on_file)


def _cut(path: Path) -> None:
    path.write_bytes(_lines("z", 200)[: len(_lines("z", 100))])


def _grow(path: Path) -> None:
    path.write_bytes(_lines("z", 250))


def _replace(path: Path) -> None:
    path.write_bytes(_lines("y", 200))


@pytest.mark.parametrize("change", [Path.unlink, _cut, _grow, _replace])
def test_a_file_that_changes_before_it_is_read_is_named_and_all_others_land(
    settings: Settings, change: Callable[[Path], object]
) -> None:
    report = _load_and_change(settings, change)
    by_path = {outcome.path: outcome for outcome in report.files}
    assert by_path[OTHERS[0]].status == NEW
    assert by_path[OTHERS[0]].rows_landed == 300
    assert by_path[CHANGED].status == FAILED
    error = by_path[CHANGED].error or ""
    assert error.startswith(CHANGED)
    assert "vanished" in error or "changed" in error or "cannot be read" in error
    assert not [row for row in landed(settings, "agent_events") if row["id"][0] in "yz"]


def test_a_file_cut_while_it_is_loaded_lands_whole_when_it_is_delivered_again(
    settings: Settings,
) -> None:
    _load_and_change(settings, _cut)
    put(settings, CHANGED, _lines("z", 200))
    outcome = next(one for one in load(settings).files if one.path == CHANGED)
    assert (outcome.status, outcome.rows_landed) == (NEW, 200)
    ids = [row["id"] for row in landed(settings, "agent_events") if row["id"].startswith("z")]
    assert sorted(ids) == sorted(f"z{number}" for number in range(200))


def test_a_file_that_grows_all_the_while_lands_once_it_stands_still(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, threads=2)
    growing = put(settings, CHANGED, _lines("z", 20_000))
    put(settings, OTHERS[0], _lines("b", 300))
    is_enough = Event()

    def write() -> None:
        number = 20_000
        with growing.open("ab") as file:
            while not is_enough.wait(0.001):
                file.write(_lines(f"more{number}-", 1))
                file.flush()
                number += 1

    writer = Thread(target=write)
    writer.start()
    try:
        outcomes = {outcome.path: outcome for outcome in load(settings).files}
    finally:
        is_enough.set()
        writer.join()
    assert outcomes[OTHERS[0]].rows_landed == 300
    assert outcomes[CHANGED].status == FAILED
    assert "changed while it was read" in (outcomes[CHANGED].error or "")
    assert {entry.path for entry in read_entries(settings.lake)} == {OTHERS[0]}
    after = {outcome.path: outcome for outcome in load(settings).files}
    lines = growing.read_bytes().count(b"\n")
    assert after[CHANGED].rows_read == after[CHANGED].rows_landed == lines > 20_000
