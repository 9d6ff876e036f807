"""A disk that fills up during a write: one line says so, nothing is half there, a rerun mends all.

Belongs here: loads. Does not belong here: whole runs (tests/e2e/test_disk_full_runs.py).
"""

from __future__ import annotations

import errno
import json
import sqlite3
from pathlib import Path

import duckdb
import pytest

from orchestration.disk_space import is_out_of_space
from orchestration.errors import RunFailure
from orchestration.ingest.ledger import read_entries
from orchestration.settings import Settings
from tests.support.disk import files_up_to
from tests.support.kills import lake_content, staged_content
from tests.support.landing import VALID_ROWS, landed, load, put


def _put_events(settings: Settings, *, name: str, count: int) -> None:
    event = VALID_ROWS["agent_events"]
    # Texts that do not compress, so that the lake file is as large as it looks.
    lines = [
        json.dumps({**event, "id": f"{name}-{number * 7919 % 104729:x}-{_digits(number)}"})
        for number in range(count)
    ]
    put(settings, f"agent_events/{name}.ndjson", "\n".join(lines).encode())


def _digits(number: int) -> str:
    return f"{number * 2654435761 % 2**64:016x}" * 4


@pytest.mark.parametrize("size_bytes", [1_000, 20_000, 60_000])
def test_a_load_onto_a_full_disk_says_so_and_the_next_one_mends_it(
    tmp_path: Path, size_bytes: int
) -> None:
    whole = Settings(home=tmp_path / "whole", threads=2)
    filled = Settings(home=tmp_path / "filled", threads=2)
    for settings in (whole, filled):
        _put_events(settings, name="small", count=20)
        _put_events(settings, name="large", count=4_000)
    load(whole)
    assert max(path.stat().st_size for path in whole.lake.rglob("*.parquet")) > 60_000
    with files_up_to(size_bytes), pytest.raises(RunFailure) as failure:
        load(filled)
    message = str(failure.value)
    assert str(filled.home) in message
    assert "full" in message
    assert "run again" in message
    assert "\n" not in message
    # What the ledger lists is whole, and nothing else counts.
    listed = {
        file for entry in read_entries(filled.lake) for file in entry.streams["agent_events"].files
    }
    for file in listed:
        assert (filled.lake / file).read_bytes() == (whole.lake / file).read_bytes()
    load(filled)
    assert lake_content(filled.lake) == lake_content(whole.lake)
    assert staged_content(filled.lake) == []
    assert len(landed(filled, "agent_events")) == 4_020


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        OSError(errno.EDQUOT, "Disk quota exceeded"),
        OSError(errno.EFBIG, "File too large"),
        duckdb.IOException('Could not write file "x": No space left on device'),
        sqlite3.OperationalError("database or disk is full"),
    ],
)
def test_a_full_disk_is_known_whoever_meets_it(tmp_path: Path, error: Exception) -> None:
    wrapped = RuntimeError("a step failed")
    wrapped.__cause__ = error
    assert is_out_of_space(wrapped, home=tmp_path)


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.EACCES, "Permission denied"),
        sqlite3.OperationalError("disk I/O error"),
        duckdb.IOException("Could not read file"),
    ],
)
def test_another_failure_is_not_taken_for_a_full_disk(tmp_path: Path, error: Exception) -> None:
    assert not is_out_of_space(error, home=tmp_path)
