"""Retention and erasure on a published deployment: what goes, what stays, and that it stays out.

Belongs here: everything but dbt's and Dagster's own part. Does not belong here: the commands as
processes, and kills at any moment (tests/soak/removals.py).
"""

from __future__ import annotations

import gzip
import json
import shutil
import sqlite3
from datetime import UTC, datetime
from email.message import EmailMessage
from pathlib import Path

import duckdb
import pytest

from orchestration.delivery.outbox import MadeReport, Outbox, ReportKey
from orchestration.errors import UserError
from orchestration.generate.extracts import write_extracts
from orchestration.reporting.datasets.asking import Request
from orchestration.reporting.query import read_published
from orchestration.retention.erasure import Subject
from orchestration.retention.removal import has_pending, read_log
from orchestration.settings import Settings
from tests.support.published_home import export, publish_landing
from tests.support.removals import (
    check_lake,
    content_of,
    erase,
    erase_and_die,
    expire,
    places_of,
    published_rows,
)

AS_OF = datetime(2026, 3, 2, 6, tzinfo=UTC)
# Of the generated tenants: one of the free plan (30 days), and one under legal hold.
FREE, HELD = "ten-quiet", "ten-azur"
NAME = 'Quiet Harbour "Inns"'
_FACTS = ("fct_invocations", "fct_llm_calls", "fct_charges", "fct_conversations", "fct_tasks")


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Forty days of generated extracts, one refused row of each of two tenants among them, published."""
    settings = Settings(home=tmp_path_factory.mktemp("removals") / "home", threads=2)
    write_extracts(out=settings.landing, events=1500, days=40, seed=7, until=AS_OF)
    shutil.rmtree(settings.landing / "health_samples")
    broken = [
        {"charge_id": f"broken-{tenant}", "tenant_id": tenant, "amount": "many"}
        for tenant in (FREE, HELD)
    ]
    lines = "".join(f"{json.dumps(row)}\n" for row in broken)
    (settings.landing / "charges" / "broken.ndjson").write_text(lines)
    publish_landing(settings, as_of=AS_OF)
    _remember(settings)
    return settings


def _remember(settings: Settings) -> None:
    """What reports, mails, exports and logs leave behind of a tenant."""
    outbox = Outbox(settings.state_file)
    for tenant in (FREE, HELD):
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
        made = datetime(2026, 1, 26, tzinfo=UTC)
        outbox.record_reports([MadeReport(key=key, as_of=made, files={"json": path})], as_of=made)
        mail = EmailMessage()
        mail["Subject"] = "Weekly report"
        mail.add_attachment(f"{tenant},1".encode(), maintype="text", subtype="csv", filename="a")
        settings.outbox.mkdir(exist_ok=True)
        (settings.outbox / f"weekly-2026-W05-tenant-{tenant}-0.eml").write_bytes(mail.as_bytes())
        export_file = settings.home / f"exports-{tenant[-1]}.csv.gz"
        export_file.write_bytes(gzip.compress(f"tenant_id\n{tenant}\n".encode()))
    log = settings.dagster_home / "history" / "runs.db"
    log.parent.mkdir(parents=True)
    with sqlite3.connect(log) as connection:
        connection.execute("create table event_logs (event text)")
        connection.execute(f"insert into event_logs values ('read {FREE}.csv of {HELD}')")


@pytest.fixture
def settings(published: Settings, tmp_path: Path) -> Settings:
    shutil.copytree(published.home, tmp_path / "home", symlinks=True)
    return Settings(home=tmp_path / "home", threads=2)


def _figures(settings: Settings, *, of: str) -> dict[str, list[tuple[object, ...]]]:
    """The facts of a tenant, or of all others where it is named with a minus."""
    where = f"tenant_key {'<>' if of.startswith('-') else '='} 'native:{of.removeprefix('-')}'"
    return {
        fact: published_rows(
            settings, f"select * from core.{fact} where coalesce({where}, true) order by all"
        )
        for fact in _FACTS
    }


def test_a_dry_run_changes_no_byte_and_counts_what_would_go(settings: Settings) -> None:
    before = content_of(settings.home)
    plan = erase(settings, Subject(kind="tenant", id=FREE), as_of=AS_OF, is_applied=False)
    after = content_of(settings.home)
    # Locks of operating system and staging are made by any reader of the lake.
    assert {name: one for name, one in after.items() if "lock" not in name} == {
        name: one for name, one in before.items() if "lock" not in name
    }
    events = duckdb.execute(
        "select count(*) from read_parquet(?, hive_partitioning = true) where tenant_id = ?",
        [f"{settings.lake}/raw/agent_events/event_date=*/*.parquet", FREE],
    ).fetchall()
    assert [(plan.removal.rows["agent_events"],)] == events
    assert plan.removal.rows["quarantine"] == 1
    assert {path.name for path in plan.derived} == {
        "exports-t.csv.gz",
        f"weekly-2026-W05-tenant-{FREE}-0.eml",
        f"agentmart-weekly-tenant-{FREE}-2026-W05.json",
    }
    assert ("charges/broken.ndjson", 1) in plan.landing
    assert plan.problems == ()


def test_an_erased_tenant_is_in_no_file_and_comes_back_by_none(settings: Settings) -> None:
    others = _figures(settings, of=f"-{FREE}")
    original = {
        path: path.read_bytes()
        for path in sorted(settings.landing.rglob("*"))
        if path.is_file() and path.parts[-3] in ("agent_events", "charges", "tenants", "llm_calls")
    }
    files = content_of(settings.landing)
    assert places_of(settings.home, FREE)

    plan = erase(settings, Subject(kind="tenant", id=FREE), as_of=AS_OF)
    check_lake(settings)
    publish_landing(settings, as_of=AS_OF)

    assert places_of(settings.home, FREE) == []
    assert places_of(settings.home, NAME) == places_of(settings.home, "Quiet Harbour") == []
    assert _figures(settings, of=FREE) == {fact: [] for fact in _FACTS}
    assert _figures(settings, of=f"-{FREE}") == others
    assert places_of(settings.home, f"tenant-{HELD}")
    (entry,) = read_log(settings)
    assert (entry.kind, entry.places_left) == ("erasure", 0)
    assert entry.rows == plan.removal.rows
    assert not has_pending(settings)
    # Files that held nothing of it are as they were.
    kept = content_of(settings.landing)
    changed = {name for name, digest in files.items() if kept.get(name) != digest}
    assert changed
    assert all(name.split("/")[0] != "agents" for name in changed)

    for path, content in original.items():
        path.write_bytes(content)
        again = path.with_name(f"again-{path.name}")
        if path.suffix == ".ndjson":
            again.write_bytes(b"\n" + content)
    publish_landing(settings, as_of=AS_OF)
    check_lake(settings)
    for folder in ("lake", "published", "warehouse", "state"):
        assert places_of(settings.home / folder, FREE) == []
    assert _figures(settings, of=f"-{FREE}") == others


def test_an_erased_user_goes_with_all_that_is_linked_and_others_stay(settings: Settings) -> None:
    (user,) = duckdb.execute(
        """select properties.user_id from read_ndjson(?, ignore_errors = true, union_by_name = true)
        where properties.user_id is not null group by all order by count(*) desc, 1 limit 1""",
        [f"{settings.landing}/agent_events/*/*.ndjson"],
    ).fetchall()[0]
    ((hashed,),) = duckdb.execute(
        "select sha256(? || '|native|' || ?)[1:32]", [settings.user_id_salt, user]
    ).fetchall()
    query = "select * from core.fct_invocations where user_key {} like '%{}' order by all"
    mine = published_rows(settings, query.format("", hashed))
    others = published_rows(
        settings,
        f"select * from core.fct_invocations where coalesce(user_key, '') not like '%{hashed}' order by all",
    )
    assert mine

    erase(settings, Subject(kind="user", id=user), as_of=AS_OF)
    check_lake(settings)
    publish_landing(settings, as_of=AS_OF)

    assert places_of(settings.home, hashed) == []
    assert places_of(settings.home, f'"{user}"') == []
    assert published_rows(settings, "select * from core.fct_invocations order by all") == others
    assert read_log(settings)[-1].places_left == 0


def test_retention_removes_old_detail_and_the_platforms_days_stay(settings: Settings) -> None:
    days = "select * exclude (has_frozen_part) from usage.platform_days order by event_date"
    before = published_rows(settings, days)
    held = _figures(settings, of=HELD)
    oldest = "select min(event_date)::varchar from usage.tenant_days where tenant_key = 'native:{}'"
    assert published_rows(settings, oldest.format(FREE)) < [("2026-01-31",)]

    plan = expire(settings, as_of=AS_OF)
    check_lake(settings)
    assert {one.tenant_id for one in plan.tenants if one.rows} >= {FREE}
    assert {one.rows for one in plan.tenants if one.plan_tier != "free"} == {0}
    publish_landing(settings, as_of=AS_OF)

    assert published_rows(settings, days) == before
    assert published_rows(settings, oldest.format(FREE)) >= [("2026-01-31",)]
    assert _figures(settings, of=HELD) == held
    assert not (settings.outbox / f"weekly-2026-W05-tenant-{FREE}-0.eml").exists()
    assert (settings.outbox / f"weekly-2026-W05-tenant-{HELD}-0.eml").exists()
    assert [one.kind for one in read_log(settings)] == ["retention"]
    with read_published(settings) as state:
        for period, is_truncated in (
            ("2026-01-25..2026-02-05", True),
            ("2026-02-03..2026-02-09", False),
        ):
            request = Request(scope=f"tenant:{FREE}", period=period)
            for dataset in ("usage-summary", "usage-timeline", "tenant-dashboard"):
                extra = export(state, dataset, request, as_of=AS_OF)["extra"]
                assert extra.get("truncated_by_retention", False) is is_truncated

    # Nothing more is too old, and what is delivered late for a removed day stays out.
    late = {
        "charge_id": "late",
        "tenant_id": FREE,
        "publisher_id": "pub-menard",
        "agent_id": "a",
        "charged_at": "2026-01-22T10:00:00Z",
        "amount": "1",
        "currency": "USD",
        "kind": "usage",
    }
    (settings.landing / "charges" / "late.ndjson").write_text(json.dumps(late))
    publish_landing(settings, as_of=AS_OF)
    assert expire(settings, as_of=AS_OF).row_count == 0
    assert published_rows(settings, days) == before


def test_a_legal_hold_forbids_to_erase_the_tenant_and_its_users(settings: Settings) -> None:
    before = content_of(settings.lake)
    with pytest.raises(UserError, match=f"tenant '{HELD}' is under legal hold"):
        erase(settings, Subject(kind="tenant", id=HELD), as_of=AS_OF)
    assert {
        name: one for name, one in content_of(settings.lake).items() if name in before
    } == before


@pytest.mark.parametrize("kind", ["tenant", "user"])
def test_somebody_whom_nothing_names_is_an_error(settings: Settings, kind: str) -> None:
    with pytest.raises(UserError, match=f"{kind} 'nobody-at-all' is in no file"):
        erase(settings, Subject(kind=kind, id="nobody-at-all"), as_of=AS_OF)


def test_a_removal_that_was_interrupted_anywhere_is_ended_by_the_next_build(
    settings: Settings, tmp_path: Path
) -> None:
    whole = Settings(home=tmp_path / "whole", threads=2)
    shutil.copytree(settings.home, whole.home, symlinks=True)
    erase(whole, Subject(kind="tenant", id=FREE), as_of=AS_OF)
    publish_landing(whole, as_of=AS_OF)
    for after in (3, 40, 90):
        died = erase_and_die(settings, Subject(kind="tenant", id=FREE), as_of=AS_OF, renames=after)
        assert died, f"was done before its {after} renames"
    publish_landing(settings, as_of=AS_OF)
    assert places_of(settings.home, FREE) == []
    assert content_of(settings.landing) == content_of(whole.landing)
    check_lake(settings)
    for fact in _FACTS:
        query = f"select * from core.{fact} order by all"
        assert published_rows(settings, query) == published_rows(whole, query)
