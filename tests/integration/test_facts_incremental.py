"""Increments against one full build: the same extracts give the same facts, however they arrive.

Belongs here: what the pending dates must reach, on generated extracts and on rows planted for each
closure. Does not belong here: the figures themselves (dbt unit tests).
"""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from orchestration.generate.extracts import write_extracts
from orchestration.ingest.ledger import read_entries
from orchestration.ingest.load import load_landing
from orchestration.settings import Settings
from orchestration.warehouse.plan import BuildPlan, write_run_inputs
from tests.support.dbt_runner import call_dbt, failures

AS_OF = datetime(2026, 3, 2, 6, tzinfo=UTC)
DELIVERIES = 3
FACTS = (
    "fct_audits",
    "fct_charges",
    "fct_conversations",
    "fct_deployments",
    "fct_feedback",
    "fct_health_samples",
    "fct_incidents",
    "fct_install_events",
    "fct_instance_samples",
    "fct_invocations",
    "fct_llm_calls",
    "fct_pii_redactions",
    "fct_provider_bills",
    "fct_quality_scores",
    "fct_sessions",
    "fct_tasks",
    "fct_tool_calls",
    "fct_user_messages",
)

# Lines as they are, broken ones too, of plain and compressed files.
_READ_LINES = """
select line
from read_csv(
    $1, columns = {'line': 'varchar'}, header = false, auto_detect = false, delim = '\x1f',
    quote = '', escape = '', new_line = '\\n'
)
"""

Row = Mapping[str, object]
# Which delivery (from 0) brings the row, its stream, and the row.
Planted = tuple[int, str, Row]


def _event(
    delivery: int, event_id: str, event_type: str, timestamp: str, **fields: object
) -> Planted:
    envelope = {
        "id": event_id,
        "event_type": event_type,
        "agent_id": fields.pop("agent_id"),
        "publisher_id": fields.pop("publisher_id", "p"),
        "tenant_id": "t",
        "timestamp": timestamp,
    }
    return delivery, "agent_events", {**envelope, "properties": fields}


def _call(
    delivery: int, call_id: str, invocation_id: str, timestamp: str, **fields: object
) -> Planted:
    row = {
        "llm_call_id": call_id,
        "invocation_id": invocation_id,
        "timestamp": timestamp,
        "model": "gpt-4o",
        "input_tokens": 100,
        "output_tokens": 10,
    }
    return delivery, "llm_calls", {**row, **fields}


def _agent(delivery: int, agent_id: str, agent_type_id: str, updated_at: str) -> Planted:
    row = {
        "agent_id": agent_id,
        "agent_name": agent_id,
        "agent_type_id": agent_type_id,
        "publisher_id": f"publisher of {agent_type_id}",
        "updated_at": updated_at,
    }
    return delivery, "agents", row


def _task(delivery: int, task_id: str, updated_at: str, **fields: object) -> Planted:
    row = {
        "task_id": task_id,
        "tenant_id": "t",
        "status": "running",
        "created_at": "2026-01-01T00:00:00Z",
        "updated_at": updated_at,
        "input_tokens": 7,
    }
    return delivery, "tasks", {**row, **fields}


def _audit(delivery: int, audit_id: str, agent_id: str, timestamp: str) -> Planted:
    row = {
        "audit_id": audit_id,
        "tenant_id": "t",
        "agent_id": agent_id,
        "timestamp": timestamp,
        "pii_redactions": {"PERSON": 2},
    }
    return delivery, "audit_events", row


def _message(delivery: int, event_id: str, timestamp: str, *, user_id: str = "u13") -> Planted:
    return _event(delivery, event_id, "agent_invoked", timestamp, agent_id="a13", user_id=user_id)


def _every_25_minutes(number: int) -> str:
    moment = datetime(2026, 2, 21, 23, tzinfo=UTC) + timedelta(minutes=25) * number
    return moment.isoformat()


# In each block a later delivery changes a fact on a day that it brings no row of. Agents and days
# are each block's own, so that no other block opens its days by chance.
PLANTED: Sequence[Planted] = (
    # Known agents, unless the block is about one that is not.
    *(
        _agent(0, f"a{number}", "type", "2026-01-01T00:00:00Z")
        for number in (1, 2, 3, 4, 5, 10, 11, 12, 13)
    ),
    # The request of an answer after midnight comes late.
    _event(0, "e1", "agent_completed", "2026-01-02T00:00:05Z", agent_id="a1", invocation_id="i1"),
    _event(
        1,
        "q1",
        "agent_invoked",
        "2026-01-01T23:59:50Z",
        agent_id="a1",
        invocation_id="i1",
        user_id="u1",
    ),
    # The copy that counts lies on an earlier day and comes later.
    _event(0, "e2", "agent_completed", "2026-01-04T09:00:00Z", agent_id="a2", input_tokens=5),
    _event(1, "e2", "agent_completed", "2026-01-03T09:00:00Z", agent_id="a2", input_tokens=6),
    _event(0, "e12", "install", "2026-02-04T09:00:00Z", agent_id="a2"),
    _event(1, "e12", "install", "2026-02-03T09:00:00Z", agent_id="a2"),
    _audit(0, "x12", "a2", "2026-02-04T09:00:00Z"),
    _audit(2, "x12", "a2", "2026-02-03T09:00:00Z"),
    # It names another invocation, so that the answer it was the request of loses its user.
    _event(0, "e13", "agent_errored", "2026-02-06T00:00:01Z", agent_id="a2", invocation_id="i13"),
    _event(
        0,
        "q13",
        "agent_invoked",
        "2026-02-05T09:00:00Z",
        agent_id="a2",
        invocation_id="i13",
        user_id="u13",
    ),
    _event(
        1,
        "q13",
        "agent_invoked",
        "2026-02-05T08:00:00Z",
        agent_id="a2",
        invocation_id="i14",
        user_id="u13",
    ),
    # Model calls take over from the tokens of the answer, days later.
    _event(
        0,
        "e3",
        "agent_completed",
        "2026-01-05T09:00:00Z",
        agent_id="a3",
        invocation_id="i3",
        input_tokens=5,
    ),
    _call(1, "c3", "i3", "2026-01-06T09:00:00Z"),
    # A model call has no owner until the answer comes.
    _call(0, "c4", "i4", "2026-01-07T23:59:59Z"),
    _event(2, "e4", "agent_errored", "2026-01-08T00:00:01Z", agent_id="a4", invocation_id="i4"),
    # A call of another agent lies below a call and repeats its tokens, which shows when the call
    # between them comes.
    _event(
        0, "e15", "agent_completed", "2026-02-08T00:00:01Z", agent_id="a12", invocation_id="i15"
    ),
    _call(0, "c15", "i15", "2026-02-07T09:00:00Z", span_id="s15"),
    _event(
        0, "e16", "agent_completed", "2026-02-10T00:00:01Z", agent_id="a12", invocation_id="i16"
    ),
    _call(1, "c17", "i16", "2026-02-09T09:00:02Z", span_id="s17", parent_span_id="s16"),
    _call(2, "c16", "i16", "2026-02-09T09:00:01Z", span_id="s16", parent_span_id="s15"),
    # An id that named the call above is used again, so that it names no call of other invocations.
    _event(
        0, "e18", "agent_completed", "2026-02-12T00:00:01Z", agent_id="a12", invocation_id="i18"
    ),
    _call(0, "c18", "i18", "2026-02-11T09:00:00Z", span_id="s18"),
    _call(1, "c19", "i19", "2026-02-13T09:00:00Z", parent_span_id="s18"),
    _call(2, "c20", "i20", "2026-02-14T09:00:00Z", span_id="s18"),
    # The answer that a rating is about comes late: its load is read elsewhere.
    _event(
        0,
        "f5",
        "user_feedback",
        "2026-01-10T09:00:00Z",
        agent_id="a5",
        invocation_id="i5",
        rating=2,
    ),
    _event(1, "e5", "agent_completed", "2026-01-09T09:00:00Z", agent_id="a5", invocation_id="i5"),
    # The gauge at the rated answer comes late.
    _agent(0, "a6", "type-6", "2026-01-01T00:00:00Z"),
    _event(
        0,
        "e6",
        "agent_completed",
        "2026-01-11T09:00:00Z",
        agent_id="a6",
        invocation_id="i6",
        duration_ms=1000,
    ),
    _event(
        0,
        "f6",
        "user_feedback",
        "2026-01-12T09:00:00Z",
        agent_id="a6",
        invocation_id="i6",
        rating=4,
    ),
    (
        1,
        "instance_samples",
        {
            "agent_type_id": "type-6",
            "timestamp": "2026-01-11T08:58:00Z",
            "running_instances": 4,
        },
    ),
    # An invocation that was under way at the rated answer and ended a day later comes late.
    _event(
        0, "e11", "agent_completed", "2026-01-31T09:00:00Z", agent_id="a11", invocation_id="i11"
    ),
    _event(
        0,
        "f11",
        "user_feedback",
        "2026-02-01T09:00:00Z",
        agent_id="a11",
        invocation_id="i11",
        rating=4,
    ),
    _event(
        1,
        "e11b",
        "agent_completed",
        "2026-02-02T08:00:00Z",
        agent_id="a11",
        duration_ms=2 * 86_400_000,
    ),
    # The agent had another type on the day of the answer than was known.
    _agent(0, "a7", "type-7", "2026-01-01T00:00:00Z"),
    _event(0, "e7", "agent_completed", "2026-01-15T09:00:00Z", agent_id="a7", invocation_id="i7"),
    _call(0, "c7", "i7", "2026-01-16T09:00:00Z"),
    _task(0, "k7", "2026-01-17T09:00:00Z", agent_id="a7"),
    _audit(0, "x7", "a7", "2026-01-18T09:00:00Z"),
    (
        0,
        "quality_scores",
        {
            "score_id": "s7",
            "conversation_id": "v7",
            "tenant_id": "t",
            "agent_id": "a7",
            "dimension": "tone",
            "score": 4,
            "judged_at": "2026-01-19T09:00:00Z",
        },
    ),
    (
        0,
        "charges",
        {
            "charge_id": "h7",
            "tenant_id": "t",
            "publisher_id": "p",
            "agent_id": "a7",
            "charged_at": "2026-01-20T09:00:00Z",
            "amount": "1.50",
            "currency": "EUR",
            "kind": "usage",
        },
    ),
    (
        0,
        "deployments",
        {
            "deployment_id": "d7",
            "agent_id": "a7",
            "agent_version": "1",
            "deployed_at": "2026-01-21T09:00:00Z",
        },
    ),
    _agent(1, "a7", "type-7b", "2026-01-14T00:00:00Z"),
    # A row older than the first one known changes what was before that one, too.
    _agent(0, "a8", "type-8", "2026-01-25T00:00:00Z"),
    _event(0, "e8", "install", "2026-01-22T09:00:00Z", agent_id="a8"),
    _agent(1, "a8", "type-8b", "2026-01-24T00:00:00Z"),
    # An agent that no list names has the publisher of its rows while they name only one.
    _event(0, "e9", "install", "2026-01-23T09:00:00Z", agent_id="a9"),
    _audit(0, "x9", "a9", "2026-01-24T09:00:00Z"),
    _event(1, "e9b", "install", "2026-01-25T10:00:00Z", agent_id="a9", publisher_id="p9"),
    # A task moves to another day, and is spent by an invocation after all.
    _task(0, "k10", "2026-01-26T09:00:00Z", agent_id="a10"),
    _task(
        1,
        "k10",
        "2026-01-28T09:00:00Z",
        agent_id="a10",
        status="completed",
        ended_at="2026-01-27T09:00:00Z",
    ),
    _event(
        2,
        "q10",
        "agent_invoked",
        "2026-01-29T09:00:00Z",
        agent_id="a10",
        invocation_id="i10",
        task_id="k10",
    ),
    _event(
        1,
        "e10",
        "agent_completed",
        "2026-01-30T09:00:00Z",
        agent_id="a10",
        invocation_id="i10",
        input_tokens=3,
    ),
    # A message between two sessions makes them one, which begins the day before.
    _message(0, "q21", "2026-02-15T23:50:00Z"),
    _message(0, "q22", "2026-02-16T00:40:00Z"),
    _message(1, "q23", "2026-02-16T00:15:00Z"),
    # The message that joined two others is of another day, so that they are two sessions.
    _message(0, "q24", "2026-02-18T23:40:00Z"),
    _message(0, "q25", "2026-02-19T00:05:00Z"),
    _message(0, "q26", "2026-02-19T00:30:00Z"),
    _message(1, "q25", "2026-02-17T09:00:00Z"),
    # A session of more than a day, whose silences are shorter than the gap of 30 minutes, gets longer at
    # its ends, then fuller.
    *(_message(0, f"q27-{number}", _every_25_minutes(number)) for number in range(63)),
    _message(1, "q28", "2026-02-23T01:15:00Z"),
    _message(1, "q29", "2026-02-21T22:40:00Z"),
    _message(2, "q34", "2026-02-22T12:00:00Z"),
    # Sessions of another user on the first and on the last day of it, which no message changes.
    _message(0, "q30", "2026-02-20T23:50:00Z", user_id="u14"),
    _message(0, "q31", "2026-02-21T00:10:00Z", user_id="u14"),
    _message(0, "q32", "2026-02-23T23:50:00Z", user_id="u14"),
    _message(0, "q33", "2026-02-24T00:10:00Z", user_id="u14"),
)


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return Settings(home=tmp_path_factory.mktemp("facts"), threads=4)


@pytest.fixture(scope="module")
def warehouses(settings: Settings) -> Iterator[duckdb.DuckDBPyConnection]:
    """The facts after three increments (``increments``), after one full build (``whole``) and after one that
    makes them a day or two at a time (``sliced``)."""
    extracts = settings.home / "extracts"
    write_extracts(out=extracts, events=600, days=4, seed=11, until=AS_OF)
    deliveries = [settings.home / f"delivery-{number}" for number in range(DELIVERIES)]
    _deal(extracts, deliveries, random.Random(5))
    for number, delivery in enumerate(deliveries):
        _write_planted(delivery, number)

    known: frozenset[str] = frozenset()
    for number, delivery in enumerate(deliveries):
        report = load_landing(settings=settings, landing=delivery, as_of=AS_OF)
        assert not [outcome.error for outcome in report.files if outcome.error]
        loaded = _write_inputs(settings, published=known)
        assert loaded > known
        _build(settings, is_first=number == 0, is_full_refresh=number == 0)
        known = loaded
    increments = settings.home / "increments.duckdb"
    shutil.copy2(settings.warehouse_file, increments)

    _write_inputs(settings, published=frozenset())
    _build(settings, is_first=False, is_full_refresh=True)
    whole = settings.home / "whole.duckdb"
    shutil.copy2(settings.warehouse_file, whole)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("orchestration.warehouse.date_slices.ROWS_PER_GB", 100)
        _write_inputs(settings, published=frozenset())
    _build(settings, is_first=False, is_full_refresh=True)
    with duckdb.connect() as connection:
        connection.execute(f"attach '{increments}' as increments (read_only)")
        connection.execute(f"attach '{whole}' as whole (read_only)")
        connection.execute(f"attach '{settings.warehouse_file}' as sliced (read_only)")
        yield connection


@pytest.mark.parametrize("fact", FACTS)
def test_three_increments_make_the_same_fact_as_one_full_build(
    warehouses: duckdb.DuckDBPyConnection, fact: str
) -> None:
    assert _count(warehouses, f"select count(*) from whole.core.{fact}") > 0
    for these, those in (("increments", "whole"), ("whole", "increments")):
        extra = warehouses.execute(
            f"select * from {these}.core.{fact} except all select * from {those}.core.{fact}"
        ).fetchall()
        assert extra == [], f"{len(extra)} rows of {fact} are in {these} only"


@pytest.mark.parametrize("fact", FACTS)
def test_a_full_build_in_slices_of_dates_makes_the_same_fact_as_one_of_all(
    settings: Settings, warehouses: duckdb.DuckDBPyConnection, fact: str
) -> None:
    ends = settings.run_inputs / "date_slices.parquet"
    assert _count(warehouses, f"select count(*) from '{ends}'") >= 3
    for these, those in (("sliced", "whole"), ("whole", "sliced")):
        extra = warehouses.execute(
            f"select * from {these}.core.{fact} except all select * from {those}.core.{fact}"
        ).fetchall()
        assert extra == [], f"{len(extra)} rows of {fact} are in {these} only"


def test_late_messages_join_part_and_lengthen_sessions_across_midnights(
    warehouses: duckdb.DuckDBPyConnection,
) -> None:
    sessions = warehouses.execute(
        "select cast(started_at as varchar), cast(ended_at as varchar), message_count "
        "from increments.core.fct_sessions where agent_key = 'native:a13' order by started_at"
    ).fetchall()
    assert sessions == [
        ("2026-02-15 23:50:00", "2026-02-16 00:40:00", 3),
        ("2026-02-17 09:00:00", "2026-02-17 09:00:00", 1),
        ("2026-02-18 23:40:00", "2026-02-18 23:40:00", 1),
        ("2026-02-19 00:30:00", "2026-02-19 00:30:00", 1),
        ("2026-02-20 23:50:00", "2026-02-21 00:10:00", 2),
        # 63 messages, one every 25 minutes, end at 00:50.
        ("2026-02-21 22:40:00", "2026-02-23 01:15:00", 66),
        ("2026-02-23 23:50:00", "2026-02-24 00:10:00", 2),
    ]


def test_an_event_that_moves_to_an_earlier_day_leaves_the_later_one(
    warehouses: duckdb.DuckDBPyConnection,
) -> None:
    days = warehouses.execute(
        "select cast(event_date as varchar) from increments.core.fct_invocations "
        "where event_id = 'e2'"
    ).fetchall()
    assert days == [("2026-01-03",)]


def test_an_answer_after_midnight_gets_the_user_of_a_request_that_comes_later(
    warehouses: duckdb.DuckDBPyConnection,
) -> None:
    query = """
        select count(*)
        from increments.core.fct_invocations as answers
        inner join increments.core.fct_user_messages as requests using (invocation_key, user_key)
        where answers.event_id = 'e1'
    """
    assert _count(warehouses, query) == 1


def test_late_model_calls_take_over_from_the_figures_of_the_answer(
    warehouses: duckdb.DuckDBPyConnection,
) -> None:
    origins = warehouses.execute(
        "select distinct origin from increments.core.fct_llm_calls "
        "where invocation_key = 'native:i3'"
    ).fetchall()
    assert origins == [("call",)]


def test_calls_above_another_are_counted_until_the_last_link_between_them_comes(
    warehouses: duckdb.DuckDBPyConnection,
) -> None:
    counted = warehouses.execute(
        "select llm_call_id from increments.core.fct_llm_calls "
        "where llm_call_id in ('c15', 'c16', 'c17', 'c18', 'c19', 'c20') order by 1"
    ).fetchall()
    # c17 is below c16 and c15; c18 is one of two calls that c19 may be below.
    assert counted == [("c17",), ("c18",), ("c19",), ("c20",)]


def _deal(extracts: Path, deliveries: Sequence[Path], chance: random.Random) -> None:
    """Spread the files over the deliveries; lines of text files one by one, one in ten twice."""
    files = [
        file for folder in extracts.iterdir() if folder.is_dir() for file in folder.rglob("*.*")
    ]
    for file in sorted(file for file in files if file.is_file()):
        place = file.relative_to(extracts)
        if ".ndjson" not in file.name:
            target = chance.choice(deliveries) / place
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(file, target)
            continue
        dealt: list[list[str]] = [[] for _ in deliveries]
        for (line,) in duckdb.execute(_READ_LINES, [str(file)]).fetchall():
            for hand in chance.sample(dealt, 2 if chance.random() < 0.1 else 1):
                hand.append(line)
        for delivery, hand in zip(deliveries, dealt, strict=True):
            if hand:
                chance.shuffle(hand)
                name = file.name.split(".")[0] + ".ndjson"
                _write_lines(delivery / place.parent / name, hand)


def _write_planted(delivery: Path, number: int) -> None:
    for stream in sorted({stream for _, stream, _ in PLANTED}):
        rows = [
            json.dumps(row) for when, where, row in PLANTED if (when, where) == (number, stream)
        ]
        if rows:
            _write_lines(delivery / stream / "planted.ndjson", rows)


def _write_lines(path: Path, lines: Sequence[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _write_inputs(settings: Settings, *, published: frozenset[str]) -> frozenset[str]:
    entries = read_entries(settings.lake)
    loaded = frozenset(entry.load_id for entry in entries)
    plan = BuildPlan(
        reason="test",
        is_nothing=False,
        is_full_refresh=not published,
        code_fingerprint="test",
        load_ids=loaded,
        pending_load_ids=loaded - published,
        entries=entries,
    )
    write_run_inputs(settings, plan=plan, run_id=1, as_of=AS_OF, is_complete=True)
    return loaded


def _build(settings: Settings, *, is_first: bool, is_full_refresh: bool) -> None:
    """Build the facts and what they read; views and seeds, which hold no extract, only once."""
    arguments = ["--select", *(f"+{fact}" for fact in FACTS)]
    arguments += ["--exclude-resource-type", "test", "--exclude-resource-type", "unit_test"]
    if not is_first:
        arguments += ["--exclude", "config.materialized:view", "resource_type:seed"]
    if is_full_refresh:
        arguments.append("--full-refresh")
    assert failures(call_dbt(settings, "build", *arguments)) == []


def _count(connection: duckdb.DuckDBPyConnection, query: str) -> int:
    row = connection.execute(query).fetchone()
    assert row is not None
    return int(row[0])
