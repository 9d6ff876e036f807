"""Retention and erasure of a small deployment: what goes, what stays, and that it stays out.

Belongs here: landing, lake, refused rows, state, files made of rows. Does not belong here: building and
publishing what is left, and kills at any moment (tests/soak/removals.py).
"""

from __future__ import annotations

import gzip
import json
import shutil
import sqlite3
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import duckdb
import pytest

from orchestration.delivery.outbox import MadeReport, Outbox, ReportKey
from orchestration.errors import UserError
from orchestration.ingest.compaction import compact_lake
from orchestration.ingest.ledger import read_entries
from orchestration.ingest.load import NEW, REPEATED
from orchestration.retention.erasure import Subject
from orchestration.retention.removal import conclude, has_pending, read_log
from orchestration.run_steps import load_extracts
from orchestration.settings import Settings
from orchestration.state.store import StateStore
from orchestration.warehouse.build import CurrentRun
from orchestration.warehouse.publications import folder_of, kept_ids, make_current
from tests.support.landing import csv_bytes, landed, load, ndjson, put, put_with_duckdb, row_of
from tests.support.removals import (
    check_lake,
    content_of,
    erase,
    erase_and_die,
    expire,
    places_of,
)

AS_OF = datetime(2026, 3, 10, 12, tzinfo=UTC)
GONE, STAYS, HELD = "ten-gone", "ten-stays", "ten-held"
TENANT = Subject(kind="tenant", id=GONE)
USER = Subject(kind="user", id="user-7@example.org")
# The free plan keeps 30 whole days before 10 March.
OLD, YOUNG = "2026-02-07T10:00:00Z", "2026-02-08T10:00:00Z"

Row = Mapping[str, Any]


def _events(tenant: str) -> list[Row]:
    """Two invocations of a tenant on two days, the second by a user, and a rating without one."""
    events = []
    for number, (moment, user) in enumerate([(OLD, None), (YOUNG, USER.id)]):
        for kind in ("agent_invoked", "agent_completed"):
            properties = {
                "invocation_id": f"i-{tenant}-{number}",
                "conversation_id": f"c-{tenant}-{number}",
            }
            if user is not None and kind == "agent_invoked":
                properties["user_id"] = user
            events.append(
                row_of(
                    "agent_events",
                    id=f"{kind}-{tenant}-{number}",
                    event_type=kind,
                    tenant_id=tenant,
                    timestamp=moment,
                    properties=properties,
                )
            )
    rating = {"rating": 4, "conversation_id": f"c-{tenant}-1"}
    return [
        *events,
        row_of(
            "agent_events",
            id=f"rating-{tenant}",
            event_type="user_feedback",
            tenant_id=tenant,
            timestamp=YOUNG,
            properties=rating,
        ),
    ]


def _of_all(stream: str, **changes: str) -> list[Row]:
    """A row of a stream for every tenant; in changes {} stands for the tenant."""
    return [
        row_of(stream, tenant_id=one, **{name: text.format(one) for name, text in changes.items()})
        for one in (GONE, STAYS, HELD)
    ]


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Rows of three tenants in every format, refused and early ones among them, and what was made of them."""
    settings = Settings(home=tmp_path_factory.mktemp("removals") / "home", threads=2)
    events = [event for tenant in (GONE, STAYS, HELD) for event in _events(tenant)]
    put(settings, "agent_events/a.ndjson", ndjson(events[:8]).replace(b"\n", b"\n\n", 3))
    put_with_duckdb(settings, "agent_events/b.ndjson.zst", events[8:])
    calls = [
        row_of(
            "llm_calls",
            llm_call_id=f"call-{tenant}-{number}",
            invocation_id=f"i-{tenant}-{number}",
            timestamp=moment,
        )
        for tenant in (GONE, STAYS, HELD)
        for number, moment in enumerate((OLD, YOUNG))
    ]
    put(settings, "llm_calls/calls.ndjson.gz", ndjson(calls))
    charges = _of_all("charges", charge_id="ch-{}", charged_at=OLD, currency="EUR")
    early = row_of("charges", charge_id="early", tenant_id=GONE, charged_at="2026-03-11T10:00:00Z")
    refused = [
        {"charge_id": "no", "tenant_id": tenant, "amount": "many"} for tenant in (GONE, STAYS)
    ]
    put(settings, "charges/rows.json", json.dumps([*charges, early, *refused]).encode())
    put(settings, "charges/broken.ndjson", b'{"charge_id": "x", "tenant_id": "ten-gone", "am\n')
    put(settings, "charges/notes.txt", f"Ask {GONE} about this.".encode())
    audits = _of_all("audit_events", audit_id="a,\n{}", timestamp=OLD, invocation_id="i-{}-0")
    put(settings, "audit_events/rows.csv", csv_bytes(audits))
    put_with_duckdb(
        settings,
        "conversations/rows.parquet",
        _of_all("conversations", conversation_id="c-{}-1", created_at=YOUNG, updated_at=YOUNG),
    )
    terms = {GONE: {}, STAYS: {}, HELD: {"legal_hold": True}}
    tenants = [
        row_of(
            "tenants",
            tenant_id=tenant,
            tenant_name=f'The "{tenant}" Inn',
            plan_tier="free",
            updated_at="2026-01-01T00:00:00Z",
            **more,
        )
        for tenant, more in terms.items()
    ]
    put(settings, "tenants/rows.ndjson", ndjson(tenants))
    only = row_of("goals", scope_kind="tenant", scope_id=GONE, metric="cost_usd", target="1")
    put(settings, "goals/only.ndjson", ndjson([only]))
    load(settings, as_of=AS_OF)
    _remember(settings)
    return settings


def _remember(settings: Settings) -> None:
    """What reports, mails, exports and logs leave behind of a tenant."""
    outbox = Outbox(settings.state_file)
    for tenant in (GONE, STAYS):
        path = f"weekly/2026-W05/tenant-{tenant}/agentmart-weekly-tenant-{tenant}-2026-W05.json"
        (settings.reports / path).parent.mkdir(parents=True)
        (settings.reports / path).write_text(json.dumps({"scope": f"tenant:{tenant}"}))
        key = ReportKey(
            scope_kind="tenant",
            source_name="native",
            scope_id=tenant,
            frequency="weekly",
            period="2026-W05",
        )
        made = datetime(2026, 2, 2, tzinfo=UTC)
        outbox.record_reports([MadeReport(key=key, as_of=made, files={"json": path})], as_of=made)
        mail = EmailMessage()
        mail["Subject"] = "Weekly report"
        mail.add_attachment(f"{tenant},1".encode(), maintype="text", subtype="csv", filename="a")
        settings.outbox.mkdir(exist_ok=True)
        (settings.outbox / f"weekly-2026-W05-tenant-{tenant}-0.eml").write_bytes(mail.as_bytes())
        packed = gzip.compress(f"tenant_id\n{tenant}\n".encode())
        (settings.home / f"export-{tenant[-1]}.csv.gz").write_bytes(packed)
    log = settings.dagster_home / "history" / "runs.db"
    log.parent.mkdir(parents=True)
    with sqlite3.connect(log) as connection:
        connection.execute("create table event_logs (event text)")
        connection.execute(f"insert into event_logs values ('read {GONE}.csv of {STAYS}')")


@pytest.fixture
def settings(loaded: Settings, tmp_path: Path) -> Settings:
    shutil.copytree(loaded.home, tmp_path / "home")
    return Settings(home=tmp_path / "home", threads=2)


def _rows(settings: Settings, *, without: str) -> dict[str, list[Row]]:
    """The landed rows of every stream but those of a tenant."""
    streams = ("agent_events", "llm_calls", "charges", "audit_events", "conversations", "tenants")
    return {
        stream: [row for row in landed(settings, stream) if without not in str(row)]
        for stream in streams
    }


def _lines(path: Path) -> list[str]:
    return path.read_text().split("\n")


def test_a_dry_run_changes_no_byte_and_counts_what_would_go(settings: Settings) -> None:
    before = content_of(settings.home)
    plan = erase(settings, TENANT, as_of=AS_OF, is_applied=False)
    # What readers lock is made by any reader of the lake.
    after = {name: one for name, one in content_of(settings.home).items() if "lock" not in name}
    assert after == {name: one for name, one in before.items() if "lock" not in name}
    assert plan.removal.rows == {
        "agent_events": 5,
        "audit_events": 1,
        "charges": 1,
        "conversations": 1,
        "goals": 1,
        "llm_calls": 2,
        # Refused for its amount, and for being early.
        "quarantine": 2,
        "tenants": 1,
    }
    assert dict(plan.landing) == {
        "agent_events/a.ndjson": 5,
        "audit_events/rows.csv": 1,
        "charges/broken.ndjson": 1,
        "charges/rows.json": 3,
        "conversations/rows.parquet": 1,
        "goals/only.ndjson": 1,
        "llm_calls/calls.ndjson.gz": 2,
        "tenants/rows.ndjson": 1,
    }
    assert {path.name for path in plan.derived} == {
        "export-e.csv.gz",
        f"weekly-2026-W05-tenant-{GONE}-0.eml",
        f"agentmart-weekly-tenant-{GONE}-2026-W05.json",
    }


def test_an_erased_tenant_is_in_no_file_and_comes_back_by_none(settings: Settings) -> None:
    others = _rows(settings, without=GONE)
    delivered = {path: path.read_bytes() for path in settings.landing.rglob("*") if path.is_file()}
    compact_lake(settings.lake, most_files=1)
    compact_lake(settings.lake, most_files=1)
    plan = erase(settings, TENANT, as_of=AS_OF)
    assert conclude(settings) is not None

    # No load can read this one, so that no row of it is anybody's: it is for its owner to remove.
    assert places_of(settings.home, GONE) == ["landing/charges/notes.txt"]
    assert _rows(settings, without=GONE) == others
    check_lake(settings)
    (entry,) = read_log(settings)
    assert (entry.rows, entry.places_left) == (plan.removal.rows, 1)
    assert not has_pending(settings)
    assert len(places_of(settings.home, STAYS)) > 10
    # Of a landing file all else is as it was, byte for byte where it is text.
    kept = [line for line in _lines_of(delivered, "a.ndjson") if GONE not in line]
    assert _lines(settings.landing / "agent_events" / "a.ndjson") == kept
    assert not (settings.landing / "goals" / "only.ndjson").exists()
    report = load(settings, as_of=AS_OF)
    assert {one.path for one in report.files if one.status != REPEATED} == {"charges/notes.txt"}

    for path, content in delivered.items():
        path.write_bytes(content)
        if path.suffix == ".ndjson":
            path.with_name(f"again-{path.name}").write_bytes(b"\n" + content)
    report = load(settings, as_of=datetime(2026, 3, 12, tzinfo=UTC))
    assert NEW in {one.status for one in report.files}
    assert report.rows_ignored > 5
    for folder in (settings.lake, settings.state_file.parent):
        assert places_of(folder, GONE) == []
    check_lake(settings)


def _lines_of(delivered: Mapping[Path, bytes], name: str) -> list[str]:
    (content,) = (content for path, content in delivered.items() if path.name == name)
    return content.decode().split("\n")


def test_an_erased_user_goes_with_all_that_is_linked(settings: Settings) -> None:
    ((hashed,),) = duckdb.execute(
        "select sha256(? || '|native|' || ?)[1:32]", [settings.user_id_salt, USER.id]
    ).fetchall()
    with pytest.raises(UserError, match=f"tenant '{HELD}' is under legal hold"):
        erase(settings, USER, as_of=AS_OF)
    free = row_of("tenants", tenant_id=HELD, updated_at="2026-03-01T00:00:00Z")
    put(settings, "tenants/free.ndjson", ndjson([free]))
    load(settings, as_of=AS_OF)

    erase(settings, USER, as_of=AS_OF)
    assert conclude(settings) is not None
    assert places_of(settings.home, hashed) == places_of(settings.home, USER.id) == []
    check_lake(settings)
    # The second invocation of each tenant, its call and the rating of its conversation are the user's.
    assert sorted(row["id"] for row in landed(settings, "agent_events")) == sorted(
        f"{kind}-{tenant}-0"
        for tenant in (GONE, STAYS, HELD)
        for kind in ("agent_invoked", "agent_completed")
    )
    assert {row["llm_call_id"] for row in landed(settings, "llm_calls")} == {
        f"call-{tenant}-0" for tenant in (GONE, STAYS, HELD)
    }
    assert len(landed(settings, "audit_events")) == 3
    assert landed(settings, "conversations") == []


def test_a_legal_hold_forbids_to_erase(settings: Settings) -> None:
    with pytest.raises(UserError, match=f"tenant '{HELD}' is under legal hold"):
        erase(settings, Subject(kind="tenant", id=HELD), as_of=AS_OF)
    assert not has_pending(settings)


@pytest.mark.parametrize("kind", ["tenant", "user"])
def test_somebody_whom_nothing_names_is_an_error(settings: Settings, kind: str) -> None:
    with pytest.raises(UserError, match=f"{kind} 'nobody-at-all' is in no file"):
        erase(settings, Subject(kind=kind, id="nobody-at-all"), as_of=AS_OF)


def _publish_days(settings: Settings, days: Sequence[tuple[str, str, int, str]]) -> None:
    """A publication of all that is loaded, with these days of tenants: tenant, day, answers, cost."""
    folder = settings.published / "versions" / "000001"
    folder.mkdir(parents=True)
    with duckdb.connect(str(folder / "agentmart.duckdb")) as connection:
        connection.execute("create schema usage")
        connection.execute(
            "create table usage.tenant_days (tenant_day_key varchar, source_name varchar, "
            "tenant_key varchar, event_date date, agent_messages bigint, cost_usd decimal(38, 12))"
        )
        connection.executemany(
            "insert into usage.tenant_days select $1, 'native', 'native:' || $1, $2, $3, $4", days
        )
    (settings.published / "current").symlink_to(Path("versions") / "000001")
    store = StateStore(settings.state_file)
    run = store.start_run(run_key="test", command="test", as_of=AS_OF)
    store.record_publication(
        publication_id=1,
        run_id=run.run_id,
        as_of=AS_OF,
        code_fingerprint="test",
        is_complete=True,
        load_ids=[entry.load_id for entry in read_entries(settings.lake)],
    )


def test_retention_removes_old_detail_and_freezes_its_sums(settings: Settings) -> None:
    _publish_days(
        settings,
        [
            (GONE, "2026-02-07", 1, "0.5"),
            (STAYS, "2026-02-07", 1, "0.25"),
            (HELD, "2026-02-07", 1, "4"),
            (GONE, "2026-02-08", 1, "8"),
        ],
    )
    plan = expire(settings, as_of=AS_OF)
    check_lake(settings)
    # Of each: two events, a call, a charge and an audit of 7 February; the conversation is younger.
    assert {one.tenant_id: (one.days, one.rows, one.kept_from) for one in plan.tenants} == {
        GONE: (1, 5, date(2026, 2, 8)),
        STAYS: (1, 5, date(2026, 2, 8)),
        HELD: (0, 0, None),
    }
    days = {(row["tenant_id"], row["timestamp"].day) for row in landed(settings, "agent_events")}
    assert days == {(GONE, 8), (STAYS, 8), (HELD, 7), (HELD, 8)}
    assert {row["llm_call_id"] for row in landed(settings, "llm_calls")} == {
        f"call-{GONE}-1",
        f"call-{STAYS}-1",
        f"call-{HELD}-0",
        f"call-{HELD}-1",
    }
    removed = settings.lake / "removed"
    assert duckdb.execute(
        "select event_date, active_tenants, agent_messages, cost_usd::varchar from read_parquet(?)",
        [str(removed / "frozen_days.parquet")],
    ).fetchall() == [(date(2026, 2, 7), 2, 2, "0.750000000000")]
    assert duckdb.execute(
        "select scope_kind, scope_id, first_date, kept_from from read_parquet(?) order by all",
        [str(removed / "removed_ranges.parquet")],
    ).fetchall() == [
        (kind, one, date(2026, 2, 7), date(2026, 2, 8))
        for kind, one in [
            ("platform", "platform"),
            ("publisher", "p-1"),
            ("tenant", GONE),
            ("tenant", STAYS),
        ]
    ]
    # The report was made before any day that is kept, its mail too.
    assert not places_of(settings.outbox, GONE)
    assert not list(settings.reports.rglob("*.json"))

    late = row_of("charges", charge_id="late", tenant_id=STAYS, charged_at=OLD)
    put(settings, "charges/late.ndjson", ndjson([late]))
    load(settings, as_of=AS_OF)
    assert [row["tenant_id"] for row in landed(settings, "charges")] == [HELD]


def test_a_removal_that_was_interrupted_anywhere_is_ended_by_the_next(
    settings: Settings, tmp_path: Path
) -> None:
    whole = Settings(home=tmp_path / "whole", threads=2)
    shutil.copytree(settings.home, whole.home)
    plan = erase(whole, TENANT, as_of=AS_OF)
    for renames in (4, 9, 12):
        assert erase_and_die(settings, TENANT, as_of=AS_OF, renames=renames)
    assert not erase_and_die(settings, TENANT, as_of=AS_OF, renames=1_000)
    for folder in ("landing", "lake/raw", "lake/ledger", "lake/quarantine", "lake/rewritten"):
        assert content_of(settings.home / folder) == content_of(whole.home / folder)
    assert conclude(settings) is not None
    assert read_log(settings)[-1].rows == plan.removal.rows


def test_a_removal_whose_run_was_killed_once_it_had_published_ends_though_nothing_is_new(
    settings: Settings,
) -> None:
    _make_readers_see(settings, 1)
    erase(settings, TENANT, as_of=AS_OF)
    store = StateStore(settings.state_file)
    run = store.start_run(run_key="next", command="test", as_of=AS_OF)
    current = CurrentRun(settings=settings, store=store, run=run)

    load_extracts(current, landing=str(settings.landing))
    assert has_pending(settings)
    _make_readers_see(settings, 2)
    load_extracts(current, landing=str(settings.landing))
    assert not has_pending(settings)
    assert kept_ids(settings) == [2]
    assert len(read_log(settings)) == 1


def _make_readers_see(settings: Settings, publication_id: int) -> None:
    folder = folder_of(settings, publication_id)
    folder.mkdir(parents=True)
    make_current(settings, folder)
