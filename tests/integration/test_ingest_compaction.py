"""Merging small lake files changes their number and nothing else, at whatever step it is stopped."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from orchestration.errors import RunFailure
from orchestration.ingest import compaction, listing
from orchestration.ingest.compaction import CompactionReport, compact_lake
from orchestration.ingest.ledger import read_entries
from orchestration.ingest.listing import lake_files, reading
from orchestration.ingest.load import NEW, REPEATED
from orchestration.settings import Settings
from tests.support.landing import AS_OF, load, ndjson, put, query, row_of, tree


class Killed(BaseException):
    """Stands for the end of the process: nothing catches it."""


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "home", threads=2)


def put_charges(settings: Settings, numbers: range) -> None:
    """A file per number, each with a row of the first and one of the second of March."""
    for number in numbers:
        rows = [
            row_of("charges", charge_id=f"{number}-{day}", charged_at=f"2026-03-0{day}T10:00:00Z")
            for day in (1, 2)
        ]
        put(settings, f"charges/{number}.ndjson", ndjson(rows))


def compact(settings: Settings) -> CompactionReport:
    return compact_lake(settings.lake, most_files=3)


def rows_read(settings: Settings) -> list[dict[str, Any]]:
    """Every row that a reader of the lake finds, in no order of files."""
    rows = []
    for file in lake_files(settings.lake, entries=read_entries(settings.lake)):
        ids = ", ".join(f"'{load_id}'" for load_id in (*file.excluded_load_ids, "none"))
        rows += query(
            f"select * from read_parquet('{settings.lake / file.path}', hive_partitioning = true) "
            f"where load_id not in ({ids})"
        )
    return sorted(rows, key=lambda row: (row["load_id"], row["row_number"]))


def raw_files(settings: Settings) -> list[Path]:
    return sorted((settings.lake / "raw" / "charges").glob("event_date=*/*.parquet"))


def test_many_small_files_of_a_date_become_one_and_no_row_changes(settings: Settings) -> None:
    put_charges(settings, range(5))
    load(settings)
    before, ledger = rows_read(settings), tree(settings.lake / "ledger")
    report = compact(settings)
    assert (report.files_before, report.files_after, report.rows_merged) == (10, 2, 10)
    assert len(before) == 10
    assert rows_read(settings) == before
    assert tree(settings.lake / "ledger") == ledger


def test_a_date_with_few_files_is_left_alone(settings: Settings) -> None:
    put_charges(settings, range(3))
    load(settings)
    files = tree(settings.lake / "raw")
    report = compact(settings)
    assert (report.files_before, report.files_after) == (6, 6)
    assert tree(settings.lake / "raw") == files


def test_large_files_are_not_merged(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    put_charges(settings, range(5))
    load(settings)
    monkeypatch.setattr(compaction, "SMALL_BYTES", 100)
    assert compact(settings).files_after == 10


def test_a_merged_file_grows_no_larger_than_the_limit(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_charges(settings, range(6))
    load(settings)
    before = rows_read(settings)
    size = raw_files(settings)[0].stat().st_size
    monkeypatch.setattr(compaction, "_MERGED_BYTES", size * 2 + 100)
    assert compact(settings).files_after == 6
    assert rows_read(settings) == before


def test_merged_files_stay_readable_until_the_next_compaction_removes_them(
    settings: Settings,
) -> None:
    put_charges(settings, range(5))
    load(settings)
    originals = raw_files(settings)
    assert compact(settings).files_removed == 0
    assert set(originals) < set(raw_files(settings))
    assert compact(settings).files_removed == 10
    assert len(raw_files(settings)) == 2
    assert set(originals).isdisjoint(raw_files(settings))


def test_nothing_is_removed_while_a_reader_is_at_work(settings: Settings) -> None:
    put_charges(settings, range(5))
    load(settings)
    compact(settings)
    with reading(settings.lake):
        report = compact(settings)
    assert (report.files_removed, report.is_reader_at_work) == (0, True)
    assert compact(settings).files_removed == 10


def test_a_file_delivered_again_after_a_compaction_is_still_known(settings: Settings) -> None:
    put_charges(settings, range(5))
    load(settings)
    compact(settings)
    compact(settings)
    before = rows_read(settings)
    put_charges(settings, range(6))
    report = load(settings, as_of=AS_OF + timedelta(days=1))
    assert [outcome.status for outcome in report.files] == [REPEATED] * 5 + [NEW]
    assert len(rows_read(settings)) == len(before) + 2


def test_later_files_are_merged_with_the_merged_one(settings: Settings) -> None:
    put_charges(settings, range(5))
    load(settings)
    compact(settings)
    put_charges(settings, range(5, 9))
    load(settings)
    before = rows_read(settings)
    assert compact(settings).files_after == 2
    compact(settings)
    assert rows_read(settings) == before
    assert len(raw_files(settings)) == 2
    assert len(list((settings.lake / "merged").rglob("*.json"))) == 2


def test_the_same_files_give_the_same_bytes_in_one_merge_or_two(
    settings: Settings, tmp_path: Path
) -> None:
    put_charges(settings, range(9))
    load(settings)
    compact(settings)
    compact(settings)
    other = Settings(home=tmp_path / "other", threads=1)
    put_charges(other, range(5))
    load(other)
    compact(other)
    put_charges(other, range(5, 9))
    load(other)
    compact(other)
    compact(other)
    assert tree(other.lake / "raw") == tree(settings.lake / "raw")
    assert tree(other.lake / "merged") == tree(settings.lake / "merged")


def _kill_before_the_merged_file_is_in_place(_: pytest.MonkeyPatch) -> tuple[object, str]:
    return compaction, "keep_file"


def _kill_before_the_record_is_written(_: pytest.MonkeyPatch) -> tuple[object, str]:
    return compaction, "write_record"


def _kill_before_the_record_is_durable(_: pytest.MonkeyPatch) -> tuple[object, str]:
    return listing, "sync_folder"


@pytest.mark.parametrize("merges_done", [0, 1])
@pytest.mark.parametrize(
    "step",
    [
        _kill_before_the_merged_file_is_in_place,
        _kill_before_the_record_is_written,
        _kill_before_the_record_is_durable,
    ],
)
def test_a_compaction_killed_while_it_merges_loses_nothing_and_the_next_one_ends_it(
    settings: Settings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    step: Callable[[pytest.MonkeyPatch], tuple[object, str]],
    merges_done: int,
) -> None:
    put_charges(settings, range(5))
    load(settings)
    before = rows_read(settings)
    undisturbed = Settings(home=tmp_path / "undisturbed", threads=2)
    put_charges(undisturbed, range(5))
    load(undisturbed)
    for _ in range(3):
        compact(undisturbed)

    module, name = step(monkeypatch)
    whole, calls = getattr(module, name), iter(range(100))

    def killed_later(*arguments: Any, **named: Any) -> object:
        if next(calls) == merges_done:
            raise Killed
        return whole(*arguments, **named)

    with monkeypatch.context() as patch:
        patch.setattr(module, name, killed_later)
        with pytest.raises(Killed):
            compact(settings)
    assert rows_read(settings) == before
    for _ in range(3):
        compact(settings)
        assert rows_read(settings) == before
    assert tree(settings.lake) == tree(undisturbed.lake)


@pytest.mark.parametrize("removals_done", range(0, 12, 2))
def test_a_compaction_killed_while_it_removes_loses_nothing_and_the_next_one_ends_it(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, removals_done: int
) -> None:
    put_charges(settings, range(5))
    load(settings)
    compact(settings)
    put_charges(settings, range(5, 9))
    load(settings)
    compact(settings)
    before = rows_read(settings)
    whole, calls = Path.unlink, iter(range(100))

    def killed_later(path: Path, missing_ok: bool = False) -> None:
        if next(calls) == removals_done:
            raise Killed
        whole(path, missing_ok=missing_ok)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", killed_later)
        with pytest.raises(Killed):
            compact(settings)
    assert rows_read(settings) == before
    compact(settings)
    assert rows_read(settings) == before
    assert len(raw_files(settings)) == 2


def test_rows_of_a_load_that_a_newer_adapter_replaced_are_read_no_more(
    settings: Settings,
) -> None:
    put_charges(settings, range(5))
    load(settings)
    compact(settings)
    compact(settings)
    (path, *_) = sorted((settings.lake / "ledger" / "native").iterdir())
    entry = json.loads(path.read_text())
    newer = {
        **entry,
        "adapter_version": str(int(entry["adapter_version"]) + 1),
        "load_id": "newer",
        "streams": {"charges": {**entry["streams"]["charges"], "files": [], "rows_landed": 0}},
    }
    path.with_name("newer.json").write_text(json.dumps(newer))
    rows = rows_read(settings)
    assert len(rows) == 8
    assert entry["load_id"] not in {row["load_id"] for row in rows}


def test_what_a_loader_left_that_was_not_first_is_removed(settings: Settings) -> None:
    put_charges(settings, range(1))
    load(settings)
    (first, second) = raw_files(settings)
    left = first.with_name(f"{first.stem.partition('-')[0]}-0123456789abcdef.parquet")
    left.write_bytes(first.read_bytes())
    at_work = first.with_name("0123-0123456789abcdef.parquet")
    at_work.write_bytes(first.read_bytes())
    assert compact(settings).files_removed == 1
    assert raw_files(settings) == sorted((first, second, at_work))


def test_a_missing_merged_file_is_named_and_nothing_is_removed(settings: Settings) -> None:
    put_charges(settings, range(5))
    load(settings)
    compact(settings)
    merged = next(path for path in raw_files(settings) if path.name.startswith("merged-"))
    merged.unlink()
    files = raw_files(settings)
    with pytest.raises(RunFailure, match=merged.name):
        compact(settings)
    assert raw_files(settings) == files
