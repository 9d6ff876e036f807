"""Refused rows loaded again after a fix: once, whole, and with every count kept."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from orchestration.contracts.model import Field, Stream
from orchestration.contracts.streams import STREAMS
from orchestration.errors import UserError
from orchestration.ingest import load_place
from orchestration.ingest.ledger import LedgerEntry, read_entries, write_entry
from orchestration.ingest.load import REPEATED, REPLAYED
from orchestration.ingest.quarantine import Selection, count_refused, read_refused
from orchestration.ingest.reread import FileReplay, replay_refused_rows
from orchestration.settings import Settings
from tests.support.landing import (
    AS_OF,
    csv_bytes,
    load,
    ndjson,
    put,
    put_with_duckdb,
    query,
    row_of,
)

LATER = AS_OF + timedelta(hours=1)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "home", threads=2, user_id_salt="salt")


def changed(stream: Stream, name: str, **changes: object) -> Stream:
    """The stream with another rule for one field."""

    def one(field: Field) -> Field:
        return Field(**{**vars(field), **changes}) if field.name == name else field

    return Stream(
        **{
            **vars(stream),
            "fields": tuple(one(field) for field in stream.fields),
            "properties": tuple(one(field) for field in stream.properties),
        }
    )


def load_under(
    settings: Settings, stream: Stream, monkeypatch: pytest.MonkeyPatch, **options: Any
) -> None:
    """Load while another declaration of a stream holds: the rule that is fixed afterwards."""
    with monkeypatch.context() as patch:
        patch.setitem(STREAMS, stream.name, stream)
        load(settings, **options)


def replay_now(
    settings: Settings, selection: Selection | None = None, *, as_of: datetime = LATER
) -> tuple[FileReplay, ...]:
    return replay_refused_rows(
        settings=settings,
        landing=settings.landing,
        as_of=as_of,
        selection=selection or Selection(),
    )


def counted(settings: Settings, stream: str) -> list[dict[str, Any]]:
    """The rows of a stream in the files that the ledger lists."""
    files = [
        str(settings.lake / file)
        for entry in read_entries(settings.lake)
        if stream in entry.streams
        for file in entry.streams[stream].files
    ]
    if not files:
        return []
    return query(
        f"select * from read_parquet({files}, hive_partitioning = true, "
        "hive_types = {'event_date': date}) order by all"
    )


def refused(settings: Settings) -> list[tuple[str, int, str]]:
    return [
        (row.path, row.row_number, row.reason)
        for row in read_refused(
            settings.lake,
            entries=read_entries(settings.lake),
            selection=Selection(),
            limit=1_000,
        )
    ]


def assert_conserved(settings: Settings) -> None:
    """Read = landed + refused + ignored, in every load and over the load and its replays."""
    entries = read_entries(settings.lake)
    for entry in entries:
        in_streams = entry.rows_landed + entry.rows_quarantined
        assert entry.rows_read + entry.rows_expanded == entry.rows_ignored + in_streams
    for name in STREAMS:
        landed = sum(one.streams[name].rows_landed for one in entries if name in one.streams)
        assert landed == len(counted(settings, name)), name
    by_reason: Counter[tuple[str, str]] = Counter()
    for entry in entries:
        for name, stream in entry.streams.items():
            for reason, count in stream.quarantined_by_reason.items():
                by_reason[name, reason] += count
    shown: Counter[tuple[str, str]] = Counter()
    for one in count_refused(settings.lake, entries=entries, selection=Selection()):
        shown[one.stream, one.reason] += one.rows
    assert +by_reason == shown
    assert all(count >= 0 for count in by_reason.values())


def feedback(number: int, **properties: object) -> dict[str, Any]:
    return row_of(
        "agent_events",
        id=f"e-{number}",
        event_type="user_feedback",
        timestamp=f"2026-03-0{number}T10:00:00Z",
        properties={"rating": 4, "user_id": f"u-{number}", "comment": 'so "so"', **properties},
        trace={"span": "1.50", "path": "a/b"},
    )


FEEDBACK = [feedback(1, rating=7), feedback(2), feedback(3, rating=9, attempt=1), feedback(4)]
UP_TO_TEN = changed(STREAMS["agent_events"], "rating", maximum="10")
CONTENT = ("row_hash", "row_number", "user_id", "has_comment", "rating", "source_metadata")


@pytest.mark.parametrize("name", ["rows.ndjson", "rows.json", "rows.csv", "rows.parquet"])
def test_rows_refused_by_a_rule_that_was_fixed_land_as_if_it_had_held_from_the_start(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    at_once = Settings(home=tmp_path / "at once", threads=2, user_id_salt="salt")
    for one in (settings, at_once):
        path = f"agent_events/{name}"
        if name.endswith(".parquet"):
            put_with_duckdb(one, path, FEEDBACK)
        elif name.endswith(".csv"):
            put(one, path, csv_bytes(FEEDBACK))
        elif name.endswith(".json"):
            # Written over several lines, as an object in the quarantine then is.
            put(one, path, json.dumps(FEEDBACK, indent=1).encode())
        else:
            put(one, path, ndjson(FEEDBACK))
    load(settings)
    assert refused(settings) == [
        (f"agent_events/{name}", 1, "out_of_range"),
        (f"agent_events/{name}", 3, "out_of_range"),
    ]
    monkeypatch.setitem(STREAMS, "agent_events", UP_TO_TEN)
    assert replay_now(settings) == (
        FileReplay(
            source_name="native",
            path=f"agent_events/{name}",
            rows_tried=2,
            rows_landed=2,
            rows_still_refused=0,
        ),
    )
    load(at_once)
    assert refused(settings) == []
    assert_conserved(settings)
    contents = [
        sorted(tuple(row[column] for column in CONTENT) for row in counted(one, "agent_events"))
        for one in (settings, at_once)
    ]
    assert contents[0] == contents[1]
    assert len(contents[0]) == 4


def test_what_was_replayed_never_comes_twice(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(settings, "agent_events/rows.ndjson", ndjson(FEEDBACK))
    load(settings)
    monkeypatch.setitem(STREAMS, "agent_events", UP_TO_TEN)
    replay_now(settings)
    once = counted(settings, "agent_events")
    entries = read_entries(settings.lake)

    assert replay_now(settings) == ()
    assert replay_now(settings, as_of=LATER + timedelta(days=1)) == ()
    put(settings, "agent_events/again/rows.ndjson", ndjson(FEEDBACK))
    report = load(settings, as_of=LATER + timedelta(days=1))
    assert [outcome.status for outcome in report.files] == [REPEATED, REPEATED]
    assert read_entries(settings.lake) == entries
    assert counted(settings, "agent_events") == once

    # The same rows in a file of other bytes land as copies of the same content and key.
    put(settings, "agent_events/other.ndjson", ndjson(FEEDBACK[::-1]))
    load(settings, as_of=LATER + timedelta(days=1))
    rows = counted(settings, "agent_events")
    assert Counter(row["id"] for row in rows) == dict.fromkeys(("e-1", "e-2", "e-3", "e-4"), 2)
    assert len({(row["id"], row["row_hash"]) for row in rows}) == 4
    assert_conserved(settings)


def test_rows_that_still_break_a_rule_stay_with_the_reason_they_break_it_now(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [
        row_of("charges", charge_id="negative", amount="-1"),
        row_of("charges", charge_id="fraction of a kind", kind="gift"),
        row_of("charges", charge_id="both", kind="gift", amount="-1"),
        row_of("charges", charge_id="fine"),
    ]
    put(settings, "charges/rows.ndjson", ndjson(rows) + b"no json\n")
    load(settings)
    before = refused(settings)
    assert Counter(reason for _, _, reason in before) == {
        "out_of_range": 2,
        "not_allowed": 1,
        "malformed_row": 1,
    }
    # Nothing was fixed: the replay leaves no trace.
    entries = read_entries(settings.lake)
    (outcome,) = replay_now(settings)
    assert (outcome.rows_landed, outcome.rows_still_refused) == (0, 4)
    assert (refused(settings), read_entries(settings.lake)) == (before, entries)

    monkeypatch.setitem(STREAMS, "charges", changed(STREAMS["charges"], "amount", minimum="-5"))
    (outcome,) = replay_now(settings)
    assert (outcome.rows_tried, outcome.rows_landed, outcome.rows_still_refused) == (4, 1, 3)
    assert refused(settings) == [
        ("charges/rows.ndjson", 2, "not_allowed"),
        ("charges/rows.ndjson", 3, "not_allowed"),
        ("charges/rows.ndjson", 5, "malformed_row"),
    ]
    assert {row["charge_id"] for row in counted(settings, "charges")} == {"negative", "fine"}
    assert_conserved(settings)


def test_only_selected_rows_are_replayed(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [
        row_of("charges", charge_id="1", amount="-1"),
        row_of("charges", charge_id="2", kind="gift"),
    ]
    put(settings, "charges/a.ndjson", ndjson(rows))
    put(settings, "charges/b.ndjson", ndjson([row_of("charges", charge_id="3", amount="-1")]))
    put(settings, "tasks/c.ndjson", ndjson([row_of("tasks", attempts=-1)]))
    load(settings)
    charges = changed(STREAMS["charges"], "amount", minimum=None)
    monkeypatch.setitem(STREAMS, "charges", changed(charges, "kind", allowed=()))
    monkeypatch.setitem(STREAMS, "tasks", changed(STREAMS["tasks"], "attempts", minimum=None))

    def left() -> list[tuple[str, int]]:
        return [(path, number) for path, number, _ in refused(settings)]

    replay_now(settings, Selection(path="charges/b*"))
    assert left() == [("charges/a.ndjson", 1), ("charges/a.ndjson", 2), ("tasks/c.ndjson", 1)]
    replay_now(settings, Selection(stream="charges", reason="not_allowed"))
    assert left() == [("charges/a.ndjson", 1), ("tasks/c.ndjson", 1)]
    replay_now(settings, Selection(stream="tasks", source_name="native"))
    assert left() == [("charges/a.ndjson", 1)]
    replay_now(settings)
    assert left() == []
    assert sorted(row["charge_id"] for row in counted(settings, "charges")) == ["1", "2", "3"]
    assert_conserved(settings)


@pytest.mark.parametrize(
    ("selection", "message"),
    [
        (
            Selection(source_name="nobody"),
            "source 'nobody' has loaded nothing; use one of native",
        ),
        (Selection(path="charges/x*"), r"file 'charges/x\*' is none of the loaded ones"),
    ],
)
def test_a_selection_of_nothing_that_was_loaded_is_named(
    settings: Settings, selection: Selection, message: str
) -> None:
    put(settings, "charges/a.ndjson", ndjson([row_of("charges")]))
    load(settings)
    with pytest.raises(UserError, match=message):
        replay_now(settings, selection)


def test_a_replay_that_is_killed_before_its_entry_leaves_nothing_that_counts(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(settings, "agent_events/rows.ndjson", ndjson(FEEDBACK))
    load(settings)
    before = (refused(settings), counted(settings, "agent_events"))
    monkeypatch.setitem(STREAMS, "agent_events", UP_TO_TEN)

    def killed(lake: Path, entry: LedgerEntry, *, staging: Path) -> bool:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(load_place, "write_entry", killed)
        with pytest.raises(KeyboardInterrupt):
            replay_now(settings)
    assert (refused(settings), counted(settings, "agent_events")) == before
    replay_now(settings)
    assert refused(settings) == []
    assert len(counted(settings, "agent_events")) == 4
    assert_conserved(settings)


def test_of_two_replays_at_the_same_time_one_counts(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(settings, "agent_events/rows.ndjson", ndjson(FEEDBACK))
    load(settings)
    monkeypatch.setitem(STREAMS, "agent_events", UP_TO_TEN)

    def overtaken(lake: Path, entry: LedgerEntry, *, staging: Path) -> bool:
        with monkeypatch.context() as patch:
            patch.setattr(load_place, "write_entry", write_entry)
            replay_now(settings, as_of=LATER + timedelta(minutes=1))
        return write_entry(lake, entry, staging=staging)

    with monkeypatch.context() as patch:
        patch.setattr(load_place, "write_entry", overtaken)
        (outcome,) = replay_now(settings)
    assert outcome.rows_landed == 0
    assert len(read_entries(settings.lake)) == 2
    assert len(counted(settings, "agent_events")) == 4
    assert_conserved(settings)


def test_a_hashed_user_and_a_removed_comment_stay_what_they_are(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(settings, "agent_events/rows.ndjson", ndjson(FEEDBACK[:1]))
    load(settings)
    for _ in range(2):
        # Refused again for another reason, its text goes through the quarantine twice.
        load_rule = changed(STREAMS["agent_events"], "rating", maximum="6")
        with monkeypatch.context() as patch:
            patch.setitem(STREAMS, "agent_events", load_rule)
            replay_now(settings)
    monkeypatch.setitem(STREAMS, "agent_events", UP_TO_TEN)
    replay_now(settings)
    (row,) = counted(settings, "agent_events")
    assert row["user_id"] == hashlib.sha256(b"salt|native|u-1").hexdigest()[:32]
    assert row["has_comment"] is True


def test_rows_of_the_future_wait_on_through_replays_and_land_once(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [
        row_of("charges", charge_id="tomorrow", charged_at="2026-03-11T12:00:00Z"),
        row_of("charges", charge_id="negative", amount="-1"),
        row_of("charges", charge_id="next week", charged_at="2026-03-17T12:00:00Z", amount="-1"),
    ]
    put(settings, "charges/rows.ndjson", ndjson(rows))
    load(settings)
    monkeypatch.setitem(STREAMS, "charges", changed(STREAMS["charges"], "amount", minimum=None))
    replay_now(settings, Selection(reason="out_of_range"))

    def ids() -> list[str]:
        return [row["charge_id"] for row in counted(settings, "charges")]

    assert ids() == ["negative"]
    assert [reason for _, _, reason in refused(settings)] == ["future_time", "future_time"]
    assert_conserved(settings)
    report = load(settings, as_of=datetime(2026, 3, 12, tzinfo=UTC))
    assert [outcome.status for outcome in report.files] == [REPEATED, REPLAYED]
    assert ids() == ["negative", "tomorrow"]
    replay_now(settings, as_of=datetime(2026, 3, 12, tzinfo=UTC))
    assert ids() == ["negative", "tomorrow"]
    load(settings, as_of=datetime(2026, 4, 1, tzinfo=UTC))
    assert sorted(ids()) == ["negative", "next week", "tomorrow"]
    assert refused(settings) == []
    assert_conserved(settings)


def test_a_row_whose_time_has_come_meanwhile_lands_by_a_replay(settings: Settings) -> None:
    row = row_of("charges", charged_at="2026-03-11T12:00:00Z")
    put(settings, "charges/rows.ndjson", ndjson([row]))
    load(settings)
    (outcome,) = replay_now(settings, as_of=datetime(2026, 3, 12, tzinfo=UTC))
    assert outcome.rows_landed == 1
    assert load(settings, as_of=datetime(2026, 3, 13, tzinfo=UTC)).rows_landed == 0
    assert_conserved(settings)
