"""Which days a program is told of: each closed local day of each scope, once."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest

from orchestration.delivery.notifications import Notifications
from orchestration.delivery.notify import send_notifications
from orchestration.reporting.daily_summaries import queue_daily_summaries
from orchestration.reporting.documents import to_json
from orchestration.settings import Settings
from tests.support.published import PUBLISHED_AS_OF, TABLE_FUNCTION_PARAMETERS, publish_by_hand
from tests.support.shapes import differences

# 2026-03-08 06:00 in UTC, 11:30 in Kolkata.
_AS_OF = PUBLISHED_AS_OF.replace(tzinfo=UTC)


def _deployment(home: Path, *scopes: str, channels: tuple[str, ...] = ("webhook",)) -> Settings:
    """Each day has as many sessions as its number in the month."""
    settings = publish_by_hand(home)
    with duckdb.connect(str(settings.published_file)) as connection:
        connection.execute(
            f"create macro usage_daily({TABLE_FUNCTION_PARAMETERS}) as table"
            " select cast(start_local as date) as date_day, 3 as dau,"
            " day(cast(start_local as date)) as sessions,"
            " 1.255::decimal(38, 12) as cost_usd, 0.005::decimal(18, 4) as message_error_rate"
        )
    chosen = replace(settings.channels, daily_summary_scopes=scopes, daily_summary=channels)
    return replace(settings, channels=chosen)


def _at(settings: Settings, moment: datetime) -> None:
    """Let the published state be that of another time."""
    with duckdb.connect(str(settings.published_file)) as connection:
        connection.execute(
            "update meta.run_context set as_of = ?", [moment.astimezone(UTC).replace(tzinfo=None)]
        )


def _days(settings: Settings, *, as_of: datetime = _AS_OF) -> list[str]:
    queued: Any = queue_daily_summaries(settings=settings, as_of=as_of).queued
    return [one.payload["data"]["date"] for one in queued]


def test_a_scope_begins_with_the_last_closed_day_and_has_each_day_once(tmp_path: Path) -> None:
    settings = _deployment(tmp_path, "platform")

    assert _days(settings) == ["2026-03-07"]
    assert _days(settings) == []


def test_days_without_a_run_are_made_up_for(tmp_path: Path) -> None:
    settings = _deployment(tmp_path, "platform")
    _days(settings)
    _at(settings, _AS_OF + timedelta(days=3))

    assert _days(settings) == ["2026-03-08", "2026-03-09", "2026-03-10"]


def test_after_a_long_pause_the_last_month_is_made_up_for(tmp_path: Path) -> None:
    settings = _deployment(tmp_path, "platform")
    _days(settings)
    _at(settings, _AS_OF + timedelta(days=100))

    days = _days(settings)

    assert (len(days), days[-1]) == (31, "2026-06-15")


@pytest.mark.parametrize(
    ("published_at", "days"),
    [
        # Midnight in Kolkata is 18:30 in UTC.
        (datetime(2026, 3, 7, 18, 29, 59, tzinfo=UTC), ["2026-03-06"]),
        (datetime(2026, 3, 7, 18, 30, tzinfo=UTC), ["2026-03-07"]),
    ],
)
def test_a_day_is_over_when_it_is_over_where_the_tenant_is(
    published_at: datetime, days: list[str], tmp_path: Path
) -> None:
    settings = _deployment(tmp_path, "tenant:t1")
    _at(settings, published_at)

    assert _days(settings, as_of=published_at) == days


def test_the_payload_is_the_datasets_document_with_the_scope_beside_it(tmp_path: Path) -> None:
    settings = _deployment(tmp_path, "tenant:t1")
    (queued,) = queue_daily_summaries(settings=settings, as_of=_AS_OF).queued
    document = json.loads(to_json(queued.payload))

    assert differences("daily-summary", queued.payload) == []
    assert document["event"] == "analytics.daily_summary"
    assert document["data"] == {
        "date": "2026-03-07",
        "dau": 3,
        "sessions": 7,
        "costs": 1.26,
        "error_rate": 0.005,
    }
    assert (document["extra"]["scope"], document["extra"]["time_zone"]) == (
        "tenant:t1",
        "Asia/Kolkata",
    )
    assert (queued.title, queued.body) == (
        "Acme on 2026-03-07",
        "3 active users, 7 sessions, cost 1.26 USD, error rate 0.5 %.",
    )


@pytest.mark.parametrize(
    ("dau", "sessions", "words"),
    [
        (1, 1, "1 active user, 1 session,"),
        (0, 0, "0 active users, 0 sessions,"),
        (1234, 2, "1,234 active users, 2 sessions,"),
    ],
)
def test_one_user_is_one_user(dau: int, sessions: int, words: str, tmp_path: Path) -> None:
    settings = _deployment(tmp_path, "platform")
    with duckdb.connect(str(settings.published_file)) as connection:
        connection.execute(
            f"create or replace macro usage_daily({TABLE_FUNCTION_PARAMETERS}) as table"
            f" select cast(start_local as date) as date_day, {dau} as dau, {sessions} as sessions,"
            " 1.255::decimal(38, 12) as cost_usd, 0.005::decimal(18, 4) as message_error_rate"
        )

    (queued,) = queue_daily_summaries(settings=settings, as_of=_AS_OF).queued

    assert queued.body == f"{words} cost 1.26 USD, error rate 0.5 %."


def test_without_a_webhook_the_file_holds_that_payload_and_nothing_else(tmp_path: Path) -> None:
    settings = _deployment(tmp_path, "platform", "tenant:t1", channels=("webhook", "slack"))
    queue_daily_summaries(settings=settings, as_of=_AS_OF)

    assert send_notifications(settings=settings, as_of=_AS_OF).written == 4

    files = sorted(settings.outbox.glob("daily_summary-webhook-*.json"))
    documents = [json.loads(file.read_bytes(), parse_float=Decimal) for file in files]
    assert [differences("daily-summary", one) for one in documents] == [[], []]
    assert [one["extra"]["scope"] for one in documents] == ["platform", "tenant:t1"]


def test_a_scope_that_does_not_exist_is_named_and_the_others_are_told(tmp_path: Path) -> None:
    settings = _deployment(tmp_path, "tenant:nobody", "publisher:p1", "platform")

    made = queue_daily_summaries(settings=settings, as_of=_AS_OF)

    assert len(made.queued) == 1
    unknown, wrong = made.problems
    assert "nobody" in unknown
    assert "publisher:p1" in wrong
    assert all(one.startswith("AGENTMART_DAILY_SUMMARY_SCOPES: ") for one in made.problems)


def test_nothing_is_queued_unless_a_scope_is_asked_for(tmp_path: Path) -> None:
    settings = _deployment(tmp_path)

    assert queue_daily_summaries(settings=settings, as_of=_AS_OF).queued == ()
    assert Notifications(settings.state_file).rows() == []
