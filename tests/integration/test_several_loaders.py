"""Loads that run at the same time over the same landing folder give the lake of one."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from orchestration.ingest.ledger import read_entries
from orchestration.ingest.listing import lake_files
from orchestration.settings import PROJECT_ROOT, Settings
from tests.support.landing import (
    AS_OF,
    charges_now_and_soon,
    events_and_a_bad_one,
    load,
    ndjson,
    put,
    query,
    tree,
)

_LOADERS = 4
_FILES = 8

# Waits for the others to be ready, loads, and says what it did.
_LOAD = """
import json, sys
from datetime import datetime
from pathlib import Path
from orchestration.ingest.load import load_landing
from orchestration.settings import Settings

home, as_of = Path(sys.argv[1]), datetime.fromisoformat(sys.argv[2])
print("ready", flush=True)
sys.stdin.readline()
settings = Settings(home=home, threads=1)
report = load_landing(settings=settings, landing=home / "landing", as_of=as_of)
print(json.dumps([[one.path, one.status, one.rows_landed] for one in report.files]))
"""


def put_extracts(settings: Settings) -> None:
    """Files of two streams, with rows of many days, refused rows, and rows of the future."""
    for number in range(_FILES):
        rows = events_and_a_bad_one(f"{number}-", rows=40, days=4)
        put(settings, f"agent_events/{number}.ndjson", ndjson(rows))
        put(settings, f"charges/{number}.ndjson.gz", ndjson(charges_now_and_soon(f"{number}-")))


def load_at_once(settings: Settings, as_of_of_each: list[datetime]) -> list[list[list[Any]]]:
    """Load in as many processes as there are times; what each says of its files."""
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", _LOAD, str(settings.home), as_of.isoformat()],
            cwd=PROJECT_ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for as_of in as_of_of_each
    ]
    try:
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        for process in processes:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        said = [process.communicate(timeout=120)[0] for process in processes]
    finally:
        for process in processes:
            process.kill()
            process.wait()
    assert [process.returncode for process in processes] == [0] * len(processes)
    return [json.loads(text) for text in said]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    made = Settings(home=tmp_path / "home", threads=2)
    put_extracts(made)
    return made


def test_four_loaders_give_exactly_the_lake_of_one(settings: Settings, tmp_path: Path) -> None:
    reports = load_at_once(settings, [AS_OF] * _LOADERS)
    alone = Settings(home=tmp_path / "alone", threads=2)
    put_extracts(alone)
    load(alone)
    assert tree(settings.lake) == tree(alone.lake)

    by_path: dict[str, list[str]] = {}
    for path, status, _ in (file for report in reports for file in report):
        by_path.setdefault(path, []).append(status)
    assert len(by_path) == 2 * _FILES
    assert all(sorted(one) == ["new"] + ["repeated"] * 3 for one in by_path.values())
    assert sum(landed for report in reports for _, _, landed in report) == _FILES * (39 + 1)


def test_loaders_with_different_clocks_land_each_row_once_as_the_ledger_says(
    settings: Settings,
) -> None:
    # For half of the loaders the later charges lie in the future, for the others not.
    load_at_once(settings, [AS_OF + timedelta(hours=number % 2) for number in range(_LOADERS)])
    entries = read_entries(settings.lake)
    files = lake_files(settings.lake, entries=entries)
    paths = [str(settings.lake / file.path) for file in files if file.stream == "charges"]
    rows = query(
        f"select load_id, loaded_at, count(*) as n from read_parquet({paths}) group by all"
    )
    landed = {
        (entry.load_id, entry.loaded_at.replace(tzinfo=None), entry.streams["charges"].rows_landed)
        for entry in entries
        if entry.streams.get("charges") and entry.streams["charges"].rows_landed
    }
    assert {(row["load_id"], row["loaded_at"], row["n"]) for row in rows} == landed

    load(settings, as_of=AS_OF + timedelta(days=1))
    entries = read_entries(settings.lake)
    charges = [
        str(settings.lake / file.path)
        for file in lake_files(settings.lake, entries=entries)
        if file.stream == "charges"
    ]
    counted = query(
        f"select count(*) as n, count(distinct charge_id) as ids from read_parquet({charges})"
    )
    assert counted == [{"n": 2 * _FILES, "ids": 2 * _FILES}]
    assert sum(entry.rows_quarantined for entry in entries if "charges" in entry.streams) == 0
