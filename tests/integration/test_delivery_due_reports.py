"""Due reports from a published state: made once, queued once, one failure among many."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from datetime import datetime
from email import message_from_bytes
from email.policy import default
from pathlib import Path
from typing import Any

import duckdb
import pytest
from pypdf import PdfReader

from orchestration.delivery import deliver
from orchestration.delivery.outbox import Outbox
from orchestration.errors import UserError
from orchestration.reporting.model import Frequency
from orchestration.reporting.run import last_complete_period, make_due_reports, make_report
from orchestration.reporting.scopes import ScopeKind
from orchestration.settings import Settings
from orchestration.warehouse.publications import DATABASE
from tests.support.report_rows import AS_OF
from tests.support.report_state import LATER, ScopeSeed, publish_reports, subscribe

_ONE_TENANT = (ScopeSeed(kind=ScopeKind.TENANT, id="acme", name="Acme Support"),)


def _files(settings: Settings) -> set[str]:
    return {
        path.relative_to(settings.reports).as_posix()
        for path in settings.reports.rglob("*")
        if path.is_file()
    }


def _recipients(settings: Settings) -> list[str]:
    return sorted(message.recipient for message in Outbox(settings.state_file).messages())


def test_every_scope_gets_its_weekly_and_monthly_report_as_pdf_and_csv(tmp_path: Path) -> None:
    settings = publish_reports(tmp_path)

    run = make_due_reports(settings=settings, as_of=AS_OF)

    assert (len(run.made), run.failed) == (8, ())
    scopes = ("platform", "publisher-p1", "tenant-acme", "tenant-bolt")
    expected = {
        f"{frequency}/{period}/{scope}/agentmart-{frequency}-{scope}-{period}.{suffix}"
        for frequency, period in (("weekly", "2026-W09"), ("monthly", "2026-02"))
        for scope in scopes
        for suffix in ("pdf", "csv", "json", "mail.json")
    }
    assert _files(settings) == expected


def test_the_second_call_makes_queues_and_writes_nothing(tmp_path: Path) -> None:
    settings = publish_reports(tmp_path, _ONE_TENANT)
    subscribe(settings, {})
    first = make_due_reports(settings=settings, as_of=AS_OF)
    stamps = {path: path.stat().st_mtime_ns for path in settings.reports.rglob("*")}

    second = make_due_reports(settings=settings, as_of=LATER)

    assert (len(first.made), first.queued) == (2, 1)
    assert (second.made, second.failed, second.queued, second.undeliverable) == ((), (), 0, ())
    assert {path: path.stat().st_mtime_ns for path in settings.reports.rglob("*")} == stamps


def test_the_same_published_state_gives_the_same_bytes_in_whatever_order_its_rows_were_written(
    tmp_path: Path,
) -> None:
    contents = []
    for name in ("one", "two"):
        settings = publish_reports(tmp_path / name, _ONE_TENANT)
        with duckdb.connect(str(settings.published / DATABASE)) as connection:
            # Two that the text of the review names one after the other.
            connection.execute(
                "update operations.goals set goal_status = 'missed' where metric = 'uptime'"
            )
            if name == "two":
                assert _turn_tables_round(connection) > 10
        subscribe(settings, {})
        make_due_reports(settings=settings, as_of=AS_OF)
        deliver(settings=settings, as_of=AS_OF)
        folders = (settings.reports, settings.outbox)
        contents.append(
            {
                path.relative_to(settings.home).as_posix(): path.read_bytes()
                for folder in folders
                for path in folder.rglob("*")
                if path.is_file()
            }
        )

    assert len(contents[0]) == 9
    assert contents[0] == contents[1]


def _turn_tables_round(connection: duckdb.DuckDBPyConnection) -> int:
    """Write the rows of every published table from the last to the first; how many tables that changed."""
    names = connection.execute(
        "select schema_name || '.' || table_name from duckdb_tables() where estimated_size > 1"
    ).fetchall()
    for (name,) in names:
        connection.execute(f"create temp table turned as from {name} order by rowid desc")
        connection.execute(f"delete from {name}")
        connection.execute(f"insert into {name} from turned")
        connection.execute("drop table turned")
    return len(names)


def test_one_message_per_recipient_with_the_formats_of_all_its_subscriptions(
    tmp_path: Path,
) -> None:
    settings = publish_reports(tmp_path, _ONE_TENANT)
    subscribe(
        settings,
        {"recipients": ["ann@example.org", "bob@example.org"], "formats": ["pdf"]},
        {"recipients": ["Ann@example.org"], "formats": ["csv"]},
        {"recipients": ["cy@example.org"], "frequency": "monthly"},
    )

    run = make_due_reports(settings=settings, as_of=AS_OF)
    deliver(settings=settings, as_of=AS_OF)

    assert run.queued == 3
    assert _recipients(settings) == ["ann@example.org", "bob@example.org", "cy@example.org"]
    attached = {}
    for file in settings.outbox.glob("*.eml"):
        message = message_from_bytes(file.read_bytes(), policy=default)
        attached[message["To"]] = sorted(
            (part.get_filename() or "").rpartition(".")[2]
            for part in message.walk()
            if part.get_filename()
        )
    assert attached == {
        "ann@example.org": ["csv", "pdf"],
        "bob@example.org": ["pdf"],
        "cy@example.org": ["csv", "pdf"],
    }


def test_an_invalid_address_is_listed_once_and_the_others_go_out(tmp_path: Path) -> None:
    settings = publish_reports(tmp_path, _ONE_TENANT)
    subscribe(settings, {"recipients": ["not an address", "ann@example.org"]})

    run = make_due_reports(settings=settings, as_of=AS_OF)
    again = make_due_reports(settings=settings, as_of=AS_OF)
    outcome = deliver(settings=settings, as_of=AS_OF)

    assert run.undeliverable == ("'not an address' of subscription s1: the address has no @",)
    assert again.undeliverable == ()
    assert (outcome.written, outcome.undelivered) == (1, 1)


def test_a_subscription_to_an_unknown_scope_is_listed(tmp_path: Path) -> None:
    settings = publish_reports(tmp_path, _ONE_TENANT)
    subscribe(settings, {"scope_id": "nobody"}, {})

    run = make_due_reports(settings=settings, as_of=AS_OF)

    assert run.queued == 1
    assert run.undeliverable == (
        "subscription s1: no tenant:nobody is published for source native",
    )


@pytest.mark.parametrize(
    "states",
    [
        [{"is_active": False}],
        [
            {"subscription_id": "s1"},
            {"subscription_id": "s1", "is_active": False, "updated_at": datetime(2026, 2, 1)},
        ],
        [{"updated_at": datetime(2026, 4, 1)}],
    ],
    ids=["inactive", "ended later", "not begun yet"],
)
def test_a_subscription_that_is_not_active_gets_nothing(
    states: Sequence[Mapping[str, Any]], tmp_path: Path
) -> None:
    settings = publish_reports(tmp_path, _ONE_TENANT)
    subscribe(settings, *states)

    assert make_due_reports(settings=settings, as_of=AS_OF).queued == 0


def test_who_subscribes_after_the_report_was_made_still_gets_it(tmp_path: Path) -> None:
    settings = publish_reports(tmp_path, _ONE_TENANT)
    make_due_reports(settings=settings, as_of=AS_OF)
    subscribe(settings, {})

    run = make_due_reports(settings=settings, as_of=LATER)

    assert (run.made, run.queued) == ((), 1)


def test_a_report_that_fails_is_listed_and_the_others_go_out(tmp_path: Path) -> None:
    settings = publish_reports(tmp_path)
    subscribe(settings, {}, {"scope_id": "bolt", "recipients": ["bob@example.org"]})
    _spoil_days(settings, "tenant:native:bolt/weekly/current")

    run = make_due_reports(settings=settings, as_of=AS_OF)

    assert [str(failure) for failure in run.failed] == [
        "weekly report 2026-W09 of tenant:bolt: RunFailure: the published column date_day holds"
        " None, which is not a date"
    ]
    assert len(run.made) == 7
    assert _recipients(settings) == ["ann@example.org"]
    assert not [name for name in _files(settings) if "weekly-tenant-bolt" in name]


def test_a_report_that_failed_is_made_when_its_fault_is_gone(tmp_path: Path) -> None:
    settings = publish_reports(tmp_path, _ONE_TENANT)
    _spoil_days(settings, "tenant:native:acme/weekly/current")
    assert len(make_due_reports(settings=settings, as_of=AS_OF).failed) == 1
    publish_reports(tmp_path, _ONE_TENANT)

    run = make_due_reports(settings=settings, as_of=AS_OF)

    assert [made.key.frequency for made in run.made] == ["weekly"]


def test_a_daily_digest_is_made_where_somebody_subscribed(tmp_path: Path) -> None:
    settings = publish_reports(tmp_path)
    subscribe(settings, {"frequency": "daily"})

    run = make_due_reports(settings=settings, as_of=AS_OF)
    again = make_due_reports(settings=settings, as_of=AS_OF)

    daily = [made.key for made in run.made if made.key.frequency == "daily"]
    assert [(key.scope_text, key.period) for key in daily] == [("tenant:acme", "2026-03-01")]
    assert (run.queued, again.made, again.queued) == (1, (), 0)


def test_a_publishers_report_names_no_tenant(tmp_path: Path) -> None:
    settings = publish_reports(tmp_path)

    make_due_reports(settings=settings, as_of=AS_OF)

    for path in settings.reports.rglob("*publisher-p1*"):
        if path.is_file():
            text = path.read_bytes().decode("utf-8", "replace")
            if path.suffix == ".pdf":
                pages = PdfReader(io.BytesIO(path.read_bytes())).pages
                text = " ".join(page.extract_text() for page in pages)
            assert "Acme" not in text
            assert "acme" not in text
            assert "Bolt" not in text


def test_one_report_on_demand_is_written_and_nothing_is_recorded_or_queued(
    tmp_path: Path,
) -> None:
    settings = publish_reports(tmp_path / "home")

    paths = make_report(
        settings=settings,
        scope_text="tenant:acme",
        source=None,
        frequency=Frequency.DAILY,
        as_of=None,
        formats=["pdf", "csv", "json", "html"],
        folder=tmp_path / "out",
    )

    assert [path.suffix for path in paths] == [".pdf", ".csv", ".json", ".html"]
    assert all(path.is_file() for path in paths)
    assert paths[0].name == "agentmart-daily-tenant-acme-2026-03-01.pdf"
    assert not settings.state_file.exists()


def test_the_due_report_asked_for_on_demand_has_the_same_bytes(tmp_path: Path) -> None:
    settings = publish_reports(tmp_path / "home", _ONE_TENANT)
    make_due_reports(settings=settings, as_of=AS_OF)

    paths = make_report(
        settings=settings,
        scope_text="tenant:acme",
        source=None,
        frequency=Frequency.MONTHLY,
        as_of=AS_OF,
        formats=["pdf", "csv"],
        folder=tmp_path / "out",
    )

    for path in paths:
        due = settings.reports / path.relative_to(tmp_path / "out")
        assert path.read_bytes() == due.read_bytes()


def test_a_report_on_demand_of_an_unknown_scope_names_it(tmp_path: Path) -> None:
    settings = publish_reports(tmp_path)

    with pytest.raises(UserError, match="unknown tenant 'nobody'"):
        make_report(
            settings=settings,
            scope_text="tenant:nobody",
            source=None,
            frequency=Frequency.WEEKLY,
            as_of=None,
            formats=["csv"],
            folder=tmp_path / "out",
        )


@pytest.mark.parametrize(
    ("frequency", "today", "period"),
    [
        (Frequency.DAILY, "2026-03-02", "2026-03-01..2026-03-01"),
        (Frequency.WEEKLY, "2026-03-02", "2026-02-23..2026-03-01"),
        (Frequency.WEEKLY, "2026-03-08", "2026-03-01..2026-03-07"),
        (Frequency.WEEKLY, "2026-01-04", "2025-12-28..2026-01-03"),
        (Frequency.MONTHLY, "2026-03-01", "2026-02"),
        (Frequency.MONTHLY, "2026-01-31", "2025-12"),
    ],
)
def test_the_last_complete_period_ends_before_today(
    frequency: Frequency, today: str, period: str
) -> None:
    day = datetime.fromisoformat(today).date()

    assert last_complete_period(frequency, day) == period


def _spoil_days(settings: Settings, window_key: str) -> None:
    with duckdb.connect(str(settings.published_file)) as connection:
        connection.execute(
            "update usage.usage_daily set date_day = null where window_key = ?", [window_key]
        )
