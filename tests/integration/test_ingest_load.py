"""Loading: once, in any split and order, with the same bytes, and with private values kept out."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from orchestration.contracts.streams import STREAMS
from orchestration.errors import RunFailure
from orchestration.ingest.ledger import read_entries
from orchestration.ingest.load import NEW, REPEATED, REPLAYED
from orchestration.settings import Settings
from tests.support.landing import (
    AS_OF,
    landed,
    load,
    load_rows,
    ndjson,
    put,
    quarantined,
    query,
    row_of,
    tree,
)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "home", threads=2, user_id_salt="salt")


def test_the_same_bytes_again_leave_a_note_and_change_nothing(settings: Settings) -> None:
    put(settings, "publishers/a.ndjson", ndjson([row_of("publishers")]))
    load(settings)
    before = tree(settings.lake)
    put(settings, "publishers/again/b.jsonl", ndjson([row_of("publishers")]))
    report = load(settings, as_of=AS_OF + timedelta(days=1))
    assert [outcome.status for outcome in report.files] == [REPEATED, REPEATED]
    assert report.rows_read == 0
    after = tree(settings.lake)
    notes = [path for path in after if path.startswith("repeated/native/")]
    assert len(notes) == 1
    assert {path: digest for path, digest in after.items() if path not in notes} == before
    load(settings, as_of=AS_OF + timedelta(days=2))
    assert tree(settings.lake) == after


def test_equal_files_in_one_load_are_loaded_once(settings: Settings) -> None:
    for name in ("b", "a"):
        put(settings, f"publishers/{name}.ndjson", ndjson([row_of("publishers")]))
    report = load(settings)
    assert [(outcome.path, outcome.status) for outcome in report.files] == [
        ("publishers/a.ndjson", NEW),
        ("publishers/b.ndjson", REPEATED),
    ]
    assert len(landed(settings, "publishers")) == 1


def test_two_splits_of_the_same_rows_land_the_same_rows(settings: Settings, tmp_path: Path) -> None:
    rows = [
        row_of("agent_events", id=f"e-{number}", timestamp=f"2026-03-0{1 + number % 5}T10:00:00Z")
        for number in range(20)
    ]
    put(settings, "agent_events/all.ndjson", ndjson(rows))
    other = Settings(home=tmp_path / "other", threads=2, user_id_salt="salt")
    put(other, "agent_events/1.ndjson.gz", ndjson(rows[11:]))
    put(other, "agent_events/2.ndjson", ndjson(rows[:11]))
    load(settings)
    load(other)
    contents = [
        sorted(
            (row["id"], row["row_hash"], row["event_date"]) for row in landed(each, "agent_events")
        )
        for each in (settings, other)
    ]
    assert contents[0] == contents[1]
    assert len(contents[0]) == 20


def test_an_empty_landing_folder_gives_every_stream_its_typed_empty_file(
    settings: Settings,
) -> None:
    report = load(settings)
    assert report.files == ()
    for stream in STREAMS.values():
        path = settings.lake / "raw" / stream.name / "_empty.parquet"
        columns = query(f"describe select * from read_parquet('{path}')")
        assert [(one["column_name"], one["column_type"]) for one in columns] == list(
            stream.lake_columns
        )
        assert query(f"select count(*) as n from read_parquet('{path}')") == [{"n": 0}]


def test_the_ledger_says_what_a_load_did(settings: Settings) -> None:
    rows = [
        row_of("charges", charge_id="c-1"),
        row_of("charges", charge_id="c-2", charged_at="2026-03-03T23:59:59Z"),
        row_of("charges", charge_id="c-3", amount=-1),
    ]
    content = ndjson(rows)
    path = put(settings, "charges/rows.ndjson", content)
    load(settings)
    (entry,) = read_entries(settings.lake)
    assert entry.content_sha256 == hashlib.sha256(content).hexdigest()
    assert (entry.source_name, entry.path) == ("native", "charges/rows.ndjson")
    assert (entry.format, entry.size_bytes) == ("ndjson", path.stat().st_size)
    assert (entry.rows_read, entry.rows_ignored, entry.loaded_at) == (3, 0, AS_OF)
    charges = entry.streams["charges"]
    assert (charges.rows_landed, charges.rows_quarantined) == (2, 1)
    assert charges.quarantined_by_reason == {"out_of_range": 1}
    assert charges.event_dates == ("2026-03-01", "2026-03-03")
    assert charges.min_event_at == datetime(2026, 3, 1, 10, tzinfo=UTC)
    assert charges.max_event_at == datetime(2026, 3, 3, 23, 59, 59, tzinfo=UTC)
    assert [file.rpartition("-")[0] for file in charges.files] == [
        f"raw/charges/event_date={day}/{entry.load_id}" for day in ("2026-03-01", "2026-03-03")
    ]
    for file in (*charges.files, entry.quarantine_file or ""):
        digest = hashlib.sha256((settings.lake / file).read_bytes()).hexdigest()
        assert file.endswith(f"/{entry.load_id}-{digest[:16]}.parquet")


def test_a_broken_ledger_entry_is_named(settings: Settings) -> None:
    load_rows(settings, "publishers", [row_of("publishers")])
    (path,) = (settings.lake / "ledger" / "native").iterdir()
    path.write_text("{")
    with pytest.raises(RunFailure, match=path.name):
        read_entries(settings.lake)


def test_what_a_killed_load_left_is_removed_by_the_next(settings: Settings) -> None:
    left = settings.lake / ".staging" / "left" / "rows-0000"
    left.mkdir(parents=True)
    (left / "rows.parquet").write_bytes(b"x")
    (left.parent / ".lock").touch()
    load(settings)
    assert list((settings.lake / ".staging").iterdir()) == []


def test_a_row_refused_as_future_lands_once_when_its_time_has_come(settings: Settings) -> None:
    rows = [
        row_of("charges", charge_id="now"),
        row_of("charges", charge_id="tomorrow", charged_at="2026-03-11T12:00:00Z"),
        row_of("charges", charge_id="next week", charged_at="2026-03-17T12:00:00Z"),
    ]
    put(settings, "charges/rows.ndjson", ndjson(rows))

    def ids() -> list[str]:
        return sorted(row["charge_id"] for row in landed(settings, "charges"))

    def still_refused() -> int:
        return sum(entry.rows_quarantined for entry in read_entries(settings.lake))

    load(settings)
    assert (ids(), still_refused()) == (["now"], 2)

    # Four minutes early is close enough, six are not.
    load(settings, as_of=datetime(2026, 3, 11, 11, 54, tzinfo=UTC))
    assert (ids(), still_refused()) == (["now"], 2)
    report = load(settings, as_of=datetime(2026, 3, 11, 11, 56, tzinfo=UTC))
    assert [outcome.status for outcome in report.files] == [REPEATED, REPLAYED]
    assert (ids(), still_refused()) == (["now", "tomorrow"], 1)

    # Neither a later load nor one with an earlier clock lands it again.
    for as_of in (datetime(2026, 3, 12, tzinfo=UTC), datetime(2026, 3, 11, 11, 55, tzinfo=UTC)):
        load(settings, as_of=as_of)
        assert (ids(), still_refused()) == (["now", "tomorrow"], 1)

    load(settings, as_of=datetime(2026, 4, 1, tzinfo=UTC))
    assert (ids(), still_refused()) == (["next week", "now", "tomorrow"], 0)
    assert sum(entry.rows_read for entry in read_entries(settings.lake)) == 3

    at_once = Settings(home=settings.home / "at once", threads=1)
    put(at_once, "charges/rows.ndjson", ndjson(rows))
    load(at_once, as_of=datetime(2026, 4, 1, tzinfo=UTC))
    assert {row["charge_id"]: row["row_hash"] for row in landed(settings, "charges")} == {
        row["charge_id"]: row["row_hash"] for row in landed(at_once, "charges")
    }


def test_a_future_row_that_breaks_another_rule_is_refused_for_that(settings: Settings) -> None:
    load_rows(
        settings,
        "charges",
        [row_of("charges"), row_of("charges", charged_at="2027-01-01", amount=-1)],
    )
    assert quarantined(settings)[0]["reason_code"] == "out_of_range"
    load(settings, as_of=datetime(2027, 2, 1, tzinfo=UTC))
    assert len(landed(settings, "charges")) == 1


def test_user_ids_are_hashed_with_the_salt_and_the_source(
    settings: Settings, tmp_path: Path
) -> None:
    row = row_of("conversations", user_id="u-1")
    load_rows(settings, "conversations", [row])
    (stored,) = landed(settings, "conversations")
    assert stored["user_id"] == hashlib.sha256(b"salt|native|u-1").hexdigest()[:32]
    other = Settings(home=tmp_path / "other", threads=1, user_id_salt="pepper")
    load_rows(other, "conversations", [row])
    assert landed(other, "conversations")[0]["user_id"] != stored["user_id"]


def test_user_ids_and_comments_reach_no_file_of_the_lake(settings: Settings) -> None:
    def private(number: int, **changes: object) -> dict[str, object]:
        properties = {"rating": 4, "user_id": f"canary-user-{number}", "comment": 'canary, "said"'}
        return row_of(
            "agent_events",
            id=f"e-{number}",
            event_type="user_feedback",
            properties=properties,
            **changes,
        )

    rows = [private(1), private(2, timestamp="never"), private(3, timestamp="2026-03-20T00:00:00Z")]
    content = ndjson(rows) + b'{"user_id": "canary-user-4", "comment": "canary" \n'
    put(settings, "agent_events/a.ndjson", content)
    put(settings, "llm_calls/a.ndjson", ndjson([row_of("llm_calls", user_id="canary-user-5")]))
    report = load(settings)
    assert (report.rows_landed, report.rows_quarantined) == (2, 3)
    for path in settings.lake.rglob("*.parquet"):
        if "_empty" not in path.name:
            values = query(f"select * from read_parquet('{path}', hive_partitioning = false)")
            assert "canary" not in str(values), path
    load(settings, as_of=datetime(2026, 4, 1, tzinfo=UTC))
    users = {row["id"]: row["user_id"] for row in landed(settings, "agent_events")}
    assert users["e-3"] == hashlib.sha256(b"salt|native|canary-user-3").hexdigest()[:32]


def test_a_landing_file_that_cannot_be_opened_is_named(settings: Settings) -> None:
    path = put(settings, "publishers/a.ndjson", ndjson([row_of("publishers")]))
    path.unlink()
    path.symlink_to(settings.home / "gone")
    put(settings, "publishers/b.ndjson", ndjson([row_of("publishers")]))
    report = load(settings)
    assert report.rows_landed == 1
