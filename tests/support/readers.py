"""Readers of the published database, each a process of its own, while runs build and publish.

Belongs here: what a reader does, and the comparison with what was published. Does not belong here: how
many there are, and for how long (the tests).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb

from orchestration.ingest.load import load_landing
from orchestration.settings import PROJECT_ROOT, Settings
from orchestration.state.store import StateStore
from orchestration.warehouse.build import CurrentRun, prepare_build, publish_candidate
from orchestration.warehouse.publications import DATABASE
from tests.support.builds import replay_full_build
from tests.support.published_home import plant
from tests.support.recordings import recorded_builds

_FIRST = datetime(2026, 3, 2, 6, tzinfo=UTC)
_PUBLICATION = "meta.publication"
_RUN = "meta.run_context"
# Of every layer that readers see; each differs from publication to publication.
TABLES = (
    "core.fct_invocations",
    "core.fct_llm_calls",
    "usage.usage_summary",
    "usage.usage_by_agent",
    "usage.platform_days",
    "operations.data_quality",
    "meta.freshness",
    _PUBLICATION,
    _RUN,
)
# A connection is held for so many looks at all tables, so that publications come while it is open.
LOOKS = 5
_PAUSE = 0.05
_GIVES_WAY = 15


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What one connection saw: the id of the publication and a digest of each table, look by look."""

    publication_ids: Sequence[int]
    looks: Sequence[Mapping[str, str]]


def look(connection: duckdb.DuckDBPyConnection) -> Mapping[str, str]:
    return {
        table: str(
            connection.execute(
                f"select count(*), sum(hash(one)::hugeint) from {table} as one"
            ).fetchone()
        )
        for table in TABLES
    }


def publication_id(connection: duckdb.DuckDBPyConnection) -> int:
    """The publication that the tables of a connection are of, by what they say themselves."""
    ((found,),) = connection.execute(f"select publication_id from {_PUBLICATION}").fetchall()
    return int(found)


def publish_more(settings: Settings, numbers: Iterable[int]) -> Mapping[int, Mapping[str, str]]:
    """Publish once for each number, each time with more rows in every table; what each publication holds.

    Number 0 is loaded and built. The others add rows to its candidate as a build would: what readers meet is
    the publication, and a build takes several times as long.
    """
    published = {}
    for number in numbers:
        as_of = _FIRST + timedelta(hours=number)
        if number == 0:
            _load(settings, as_of=as_of)
        store = StateStore(settings.state_file)
        run = store.start_run(run_key=f"publication {number}", command="test", as_of=as_of)
        current = CurrentRun(settings=settings, store=store, run=run)
        prepare_build(current, is_complete=True)
        if number == 0:
            replay_full_build(recorded_builds()[1], settings)
        else:
            _add_rows(settings, run_id=run.run_id)
        folder = publish_candidate(current).folder
        with duckdb.connect(str(folder / DATABASE), read_only=True) as connection:
            assert publication_id(connection) == int(folder.name)
            published[int(folder.name)] = look(connection)
    return published


def _add_rows(settings: Settings, *, run_id: int) -> None:
    with duckdb.connect(str(settings.warehouse_file)) as candidate:
        for table in TABLES:
            if table not in (_PUBLICATION, _RUN):
                candidate.execute(f"insert into {table} from (from {table} limit 1)")
        candidate.execute(f"update {_RUN} set run_id = ?", [str(run_id)])


def _load(settings: Settings, *, as_of: datetime) -> None:
    rows = [
        {
            "id": f"e{number}",
            "event_type": "agent_completed",
            "agent_id": "a",
            "publisher_id": "p",
            "tenant_id": "t",
            "timestamp": f"2026-02-{1 + number:02d}T09:00:00Z",
            "properties": {"duration_ms": 10, "model": "gpt-4o", "input_tokens": 1},
        }
        for number in range(20)
    ]
    plant(settings.landing, {"agent_events": rows})
    report = load_landing(settings=settings, landing=settings.landing, as_of=as_of)
    assert not [file.error for file in report.files if file.error]


@contextmanager
def reading(settings: Settings, *, readers: int, folder: Path) -> Iterator[None]:
    """Let so many processes read what is published without pause; what they saw is in ``folder``."""
    folder.mkdir()
    started = [
        subprocess.Popen(
            [
                sys.executable,
                "-m",
                "tests.support.readers",
                str(settings.published_file),
                str(folder / f"reader-{number}.ndjson"),
            ],
            cwd=PROJECT_ROOT,
        )
        for number in range(readers)
    ]
    try:
        while len(list(folder.glob("*.ndjson"))) < readers:
            assert all(one.poll() is None for one in started), "a reader ended"
            time.sleep(_PAUSE)
        yield
        # What was published last is seen too: by whoever connects from now on.
        before = _lines(folder)
        while any(now < then + 2 for now, then in zip(_lines(folder), before, strict=True)):
            assert all(one.poll() is None for one in started), "a reader ended"
            time.sleep(_PAUSE)
        ended = [one for one in started if one.poll() is not None]
        assert not ended, f"{len(ended)} readers ended"
    finally:
        # A process started by one that takes no interrupts may take no request to end either.
        for one in started:
            one.kill()
        for one in started:
            one.wait()


def _lines(folder: Path) -> list[int]:
    return [file.read_text().count("\n") for file in sorted(folder.glob("*.ndjson"))]


def everything_seen(folder: Path) -> list[Seen]:
    """By all readers; a line that was being written when its reader was stopped is left out."""
    seen = []
    for file in sorted(folder.glob("*.ndjson")):
        for line in file.read_text().splitlines(keepends=True):
            if line.endswith("\n"):
                seen.append(Seen(**json.loads(line)))
    return seen


def assert_each_saw_one_publication(
    folder: Path, *, published: Mapping[int, Mapping[str, str]]
) -> list[Seen]:
    """Every look of a connection is at the publication that its first one was at, in all of its tables."""
    seen = everything_seen(folder)
    for one in seen:
        (held,) = set(one.publication_ids)
        assert all(look == published[held] for look in one.looks), held
    # Whoever reads sees the new state in time, too.
    assert {min(published), max(published)} <= publications_seen(seen)
    return seen


def publications_seen(seen: Iterable[Seen]) -> set[int]:
    return {held for one in seen for held in one.publication_ids}


def _read(database: str, out: Path) -> None:
    """Connect, look several times at all tables, and again, until somebody stops this process.

    A query that fails ends it, with the failure on stderr. Readers give way to what publishes, or twenty of
    them on a small machine leave it no time.
    """
    os.nice(_GIVES_WAY)
    with out.open("w", encoding="utf-8") as file:
        while True:
            with duckdb.connect(database, read_only=True, config={"threads": 1}) as connection:
                looks, ids = [], []
                for _ in range(LOOKS):
                    ids.append(publication_id(connection))
                    looks.append(look(connection))
                    time.sleep(_PAUSE)
            file.write(json.dumps({"publication_ids": ids, "looks": looks}) + "\n")
            file.flush()


if __name__ == "__main__":
    _read(sys.argv[1], Path(sys.argv[2]))
