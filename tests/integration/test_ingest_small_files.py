"""Small files are read together, and become what they would become alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from orchestration.ingest import load as loading
from orchestration.ingest import small_files
from orchestration.ingest.load import NEW
from orchestration.settings import Settings
from tests.support.landing import load, ndjson, put, quarantined, row_of, tree

FILES = 12


def _landing(settings: Settings) -> None:
    """Files of one and of several dates, compressed and not, one of them with a refused row."""
    for number in range(FILES):
        rows = [
            row_of("tasks", task_id=f"{number}-{row}", created_at=f"2026-03-0{day}T10:00:00Z")
            for row, day in enumerate([1 + number % 3, 1 + number % 4, 2])
        ]
        if number == 5:
            rows[1]["status"] = "unheard of"
        put(settings, f"tasks/{number:02d}.ndjson{'.gz' if number % 4 == 3 else ''}", ndjson(rows))


def _counted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many files each call read together."""
    calls: list[int] = []
    whole = small_files.run_small_files

    def counted(tasks: Any, **named: Any) -> Any:
        calls.append(len(tasks))
        return whole(tasks, **named)

    monkeypatch.setattr(loading, "run_small_files", counted)
    return calls


def test_what_is_read_together_changes_no_byte(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trees, calls = [], _counted(monkeypatch)
    for most, at_once in ((1, 100), (3, 100), (100, 100), (100, 4)):
        monkeypatch.setattr(loading, "_MOST_FILES_TOGETHER", most)
        monkeypatch.setattr(small_files, "_FILES_WRITTEN_AT_ONCE", at_once)
        settings = Settings(home=tmp_path / f"{most}-{at_once}", threads=1)
        _landing(settings)
        report = load(settings)
        assert (report.rows_landed, report.rows_quarantined) == (3 * FILES - 1, 1)
        trees.append(tree(settings.lake))
    assert calls == [3, 3, 3, 3, FILES, FILES]
    assert trees[1:] == trees[:1] * 3


@pytest.mark.parametrize("line", [b"\xff\xfe\n", b"{not json\n", b"[1]\n", b"\n"])
def test_a_broken_file_leaves_the_others_their_rows(settings: Settings, line: bytes) -> None:
    _landing(settings)
    good = ndjson([row_of("tasks", task_id="good")])
    put(settings, "tasks/07a.ndjson", good + line)
    put(settings, "tasks/08a.ndjson", b"")
    report = load(settings)
    outcomes = {outcome.path: outcome for outcome in report.files}
    assert outcomes.pop("tasks/08a.ndjson").error == "tasks/08a.ndjson: is empty"
    assert {outcome.status for outcome in outcomes.values()} == {NEW}
    assert outcomes["tasks/07a.ndjson"].rows_landed == 1
    refused = int(line != b"\n")
    assert report.rows_landed == 3 * FILES
    assert [(row["path"], row["row_number"]) for row in quarantined(settings)] == [
        ("tasks/05.ndjson", 2),
        *[("tasks/07a.ndjson", 2)] * refused,
    ]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path, threads=1)
