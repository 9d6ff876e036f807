"""Event days that were damaged in the warehouse are made again by a range, and no other day is written.

Belongs here: what a range reaches in the warehouse. Does not belong here: reading a range that somebody
typed (tests/unit/warehouse/test_days.py), and the run around it (tests/soak/backfill.py).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest

from orchestration.generate.extracts import write_extracts
from orchestration.ingest.load import load_landing
from orchestration.settings import Settings
from orchestration.warehouse.days import DayRange
from tests.support.builds import Replayed, digests, tables_above_staging
from tests.support.recordings import recorded_builds

AS_OF = datetime(2026, 2, 12, 6, tzinfo=UTC)
_DAMAGED = DayRange(first=date(2026, 2, 6), end=date(2026, 2, 9))
# A fact with rows of each of these days, and a column that nothing else is made of.
_MARKED = "core.fct_tool_calls"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path, threads=2)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Replayed]:
    """Each test leaves it as it found it."""
    settings = Settings(home=tmp_path_factory.mktemp("built"), threads=2)
    write_extracts(out=settings.landing, events=800, days=8, seed=5, until=AS_OF)
    yield from _built(settings)


def _built(settings: Settings) -> Iterator[Replayed]:
    report = load_landing(settings=settings, landing=settings.landing, as_of=AS_OF)
    assert not [file.error for file in report.files if file.error]
    with closing(Replayed(recorded_builds()[1], settings)) as replayed:
        replayed.run(as_of=AS_OF)
        yield replayed


def _in_range(column: str = "event_date") -> str:
    return f"{column} >= date '{_DAMAGED.first}' and {column} < date '{_DAMAGED.end}'"


def _facts_by_day(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """Each table that keeps what no build replaces: those of single days, with their schema."""
    found = connection.execute(
        "select schema_name || '.' || table_name from duckdb_tables() where table_name in"
        " (select fact_name from intermediate.int_pending_dates)"
    )
    return sorted(name for (name,) in found.fetchall())


def test_three_damaged_days_of_every_fact_are_as_a_full_refresh_makes_them(
    built: Replayed,
) -> None:
    tables = tables_above_staging(built.connection)
    expected = digests(built.connection, tables)
    built.run(as_of=AS_OF, days=_DAMAGED)
    facts = _facts_by_day(built.connection)
    assert len(facts) == 16
    for fact in facts:
        row = fact.split(".")[1]
        # Some rows go, others are there twice.
        built.connection.execute(
            f"create or replace temp table twice as select * from {fact}"
            f" where {_in_range()} and hash({row}) % 3 = 0"
        )
        built.connection.execute(f"delete from {fact} where {_in_range()} and hash({row}) % 3 = 1")
        built.connection.execute(f"insert into {fact} select * from twice")
    assert digests(built.connection, tables) != expected

    built.run(as_of=AS_OF, days=_DAMAGED)

    assert digests(built.connection, tables) == expected


def test_days_outside_the_range_are_not_written(built: Replayed) -> None:
    count = f"select count(*) from {_MARKED} where tool_name = 'marked'"
    marked = f"update {_MARKED} set tool_name = 'marked'"
    (inside,) = built.connection.execute(
        f"select count(*) from {_MARKED} where {_in_range()}"
    ).fetchall()[0]
    (everything,) = built.connection.execute(f"select count(*) from {_MARKED}").fetchall()[0]
    assert 0 < inside < everything
    built.connection.execute(f"create or replace temp table kept as from {_MARKED}")
    built.connection.execute(marked)

    built.run(as_of=AS_OF, days=_DAMAGED, has_marts=False)

    assert built.connection.execute(count).fetchone() == (everything - inside,)
    assert built.connection.execute(f"{count} and {_in_range()}").fetchone() == (0,)
    built.connection.execute(f"delete from {_MARKED}")
    built.connection.execute(f"insert into {_MARKED} from kept")


def _plant(settings: Settings) -> None:
    event = {"agent_id": "a", "publisher_id": "p", "tenant_id": "t"}
    answers = [
        ("i1", "2026-02-06T09:00:00Z", 1000),
        # Begun on the day before its answer.
        ("i2", "2026-02-09T00:00:10Z", 60_000),
        ("i3", "2026-02-03T09:00:00Z", 1000),
    ]
    ratings = [("i1", "2026-02-10T09:00:00Z"), ("i3", "2026-02-04T09:00:00Z")]
    rows: dict[str, list[Any]] = {
        "agent_events": [
            *(
                {
                    **event,
                    "id": invocation,
                    "event_type": "agent_completed",
                    "timestamp": at,
                    "properties": {"invocation_id": invocation, "duration_ms": duration},
                }
                for invocation, at, duration in answers
            ),
            *(
                {
                    **event,
                    "id": f"rated {invocation}",
                    "event_type": "user_feedback",
                    "timestamp": at,
                    "properties": {"invocation_id": invocation, "rating": 5},
                }
                for invocation, at in ratings
            ),
        ],
        "llm_calls": [
            {
                "llm_call_id": "c2",
                "invocation_id": "i2",
                "timestamp": "2026-02-08T23:59:30Z",
                "model": "gpt-4o",
                "input_tokens": 5,
            }
        ],
    }
    for stream, planted in rows.items():
        (settings.landing / stream).mkdir(parents=True)
        lines = "".join(f"{json.dumps(row)}\n" for row in planted)
        (settings.landing / stream / "planted.ndjson").write_text(lines)


def test_days_that_read_a_day_of_the_range_are_built_again_with_it_and_no_others(
    settings: Settings,
) -> None:
    _plant(settings)
    for built in _built(settings):
        built.run(as_of=AS_OF, days=_DAMAGED, has_marts=False)
        pending = built.connection.execute(
            "select fact_name, cast(event_date as varchar) from intermediate.int_pending_dates"
            f" where not ({_in_range()}) order by all"
        ).fetchall()
        assert pending == [
            # The rating of an answer of the range, and the answer of a model call of the range.
            ("fct_feedback", "2026-02-10"),
            ("fct_invocations", "2026-02-09"),
            # Sessions that the answer may be in, cut of messages from the day before to the day after.
            ("fct_sessions", "2026-02-09"),
            ("fct_sessions: messages", "2026-02-05"),
            ("fct_sessions: messages", "2026-02-09"),
            ("fct_sessions: messages", "2026-02-10"),
        ]
