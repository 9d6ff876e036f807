"""Conservation broken on purpose: which test of the candidate finds a lost, doubled or miscounted row.

Belongs here: that each way to lose a row is found. Does not belong here: that a failed test stops a
run (tests/e2e), and how rows are counted (dbt models).
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from orchestration.ingest.ledger import read_entries
from orchestration.ingest.load import load_landing
from orchestration.settings import Settings
from orchestration.warehouse.broken_rules import name_broken_rules
from orchestration.warehouse.manifest import read_run_results
from orchestration.warehouse.plan import BuildPlan, write_run_inputs
from tests.support.dbt_runner import call_dbt
from tests.support.landing import VALID_ROWS, ndjson, put, row_of

AS_OF = datetime(2026, 3, 10, 12, tzinfo=UTC)
# What a full build counts, in its order: the copies are landed rows that every day adds to.
COUNTS = (
    "stg_agent_events__copies",
    "stg_llm_calls__copies",
    "stg_audit_events__copies",
    "stg_quality_scores__copies",
    "stg_charges__copies",
    "stg_instance_samples__copies",
    "stg_health_samples__copies",
    "stg_conversations__copies",
    "stg_tasks__copies",
    "stg_landed_counts",
    "stg_stream_copies",
    "int_rows_counted",
    "fct_files",
    "fct_file_counts",
)
CHECKS = (
    "every_landed_row_is_staged_or_a_copy",
    "every_staged_row_is_in_a_fact",
    "fct_file_counts_keeps_its_rules",
    "fct_files_keeps_its_rules",
    "int_rows_counted_keeps_its_rules",
)


def _write_extracts(settings: Settings) -> None:
    """One row of every stream; of some also copies, older states, rows refused for now or for good."""
    for stream in VALID_ROWS:
        if stream not in ("agent_events", "tasks", "charges"):
            put(settings, f"{stream}/rows.ndjson", ndjson([row_of(stream)]))
    events = [
        row_of("agent_events", id="e-1"),
        row_of("agent_events", id="e-2", event_type="install"),
        row_of("agent_events", id="e-3", event_type="agent_completed"),
    ]
    put(settings, "agent_events/a.ndjson", ndjson(events))
    # An earlier copy on another day, a copy of equal content, and a row that is refused.
    again = [
        row_of("agent_events", id="e-1", timestamp="2026-02-27T10:00:00Z"),
        events[1],
        row_of("agent_events", id="e-9", event_type="unheard of"),
    ]
    put(settings, "agent_events/b.ndjson", ndjson(again))
    states = [
        row_of("tasks", status="queued", updated_at="2026-03-01T11:00:00Z"),
        row_of("tasks", status="queued", updated_at="2026-03-01T11:00:00Z"),
        row_of("tasks", status="running", updated_at="2026-03-02T11:00:00Z"),
        row_of("tasks", status="completed", updated_at="2026-03-02T12:00:00Z"),
    ]
    put(settings, "tasks/rows.ndjson", ndjson(states))
    # One row is of the day after the first load, and lands by a replay with the second.
    charges = [
        row_of("charges"),
        row_of("charges", charge_id="ch-2", charged_at="2026-03-11T10:00:00Z"),
    ]
    put(settings, "charges/rows.ndjson", ndjson(charges))


@dataclass(frozen=True, kw_only=True)
class Built:
    """A deployment of which all facts are built, and what dbt made of the counts and their tests.

    dbt takes 5 s to run them, the engine a tenth of a second, so a test sends their SQL itself.
    """

    settings: Settings
    results: tuple[Mapping[str, Any], ...]


def _write_inputs(settings: Settings) -> None:
    entries = read_entries(settings.lake)
    loaded = frozenset(entry.load_id for entry in entries)
    plan = BuildPlan(
        reason="test",
        is_nothing=False,
        is_full_refresh=True,
        code_fingerprint="test",
        load_ids=loaded,
        pending_load_ids=loaded,
        entries=entries,
    )
    write_run_inputs(settings, plan=plan, run_id=1, as_of=AS_OF, is_complete=True)


def _dbt(settings: Settings, *arguments: str) -> tuple[Mapping[str, Any], ...]:
    """Build as a run does; dbt's results."""
    called = call_dbt(settings, "build", "--exclude-resource-type", "unit_test", *arguments)
    called.write(str(settings.dbt_target / "run_results.json"))
    return tuple(read_run_results(settings.dbt_target)["results"])


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    settings = Settings(home=tmp_path_factory.mktemp("built") / "home", threads=2)
    _write_extracts(settings)
    for as_of in (AS_OF, AS_OF + timedelta(days=2)):
        load_landing(settings=settings, landing=settings.landing, as_of=as_of)
    _write_inputs(settings)
    facts = _dbt(settings, "--select", "+core", "--exclude-resource-type", "test")
    assert {one["status"] for one in facts} == {"success"}
    results = _dbt(settings, "--full-refresh", "--select", *COUNTS)
    assert {one["status"] for one in results} == {"success", "pass"}
    return Built(settings=settings, results=results)


@pytest.fixture
def settings(built: Built, tmp_path: Path) -> Settings:
    """A copy that the test may break."""
    home = tmp_path / "home"
    shutil.copytree(built.settings.home, home)
    return Settings(home=home, threads=2)


def failed_checks(built: Built, settings: Settings) -> dict[str, str]:
    """The data tests that fail once the rows are counted again, with what a run would say."""
    _write_inputs(settings)
    by_name = {one["unique_id"].split(".")[2]: one for one in built.results}
    failed = []
    with duckdb.connect(str(settings.warehouse_file)) as connection:
        connection.execute("set TimeZone = 'UTC'")
        views = connection.execute("select sql from duckdb_views() where schema_name = 'raw'")
        for (view,) in views.fetchall():
            moved = view.replace(str(built.settings.home), str(settings.home))
            connection.execute(moved.replace("CREATE VIEW", "CREATE OR REPLACE VIEW", 1))
        for name in COUNTS:
            statement = by_name[name]["compiled_code"]
            connection.execute(
                f"create or replace table {by_name[name]['relation_name']} as {statement}"
            )
        for name in CHECKS:
            query = by_name[name]["compiled_code"]
            ((rows,),) = connection.execute(f"select count(*) from ({query})").fetchall()
            if rows:
                failed.append({**by_name[name], "status": "fail"})
    worded = name_broken_rules({"results": failed}, settings)["results"]
    return {one["unique_id"].split(".")[2]: str(one["message"]) for one in worded}


def change_lake_file(settings: Settings, stream: str, query: str, *, holding: str) -> None:
    """Rewrite the lake file that holds rows of a condition as a query over its ``rows``."""
    for path in sorted((settings.lake / "raw" / stream).glob("event_date=*/*.parquet")):
        rows = f"read_parquet('{path}', hive_partitioning = false)"
        with duckdb.connect() as connection:
            ((found,),) = connection.execute(
                f"select count(*) from {rows} where {holding}"
            ).fetchall()
            if found:
                target = path.with_suffix(".changed")
                statement = f"with rows as (from {rows}) {query}"
                connection.execute(f"copy ({statement}) to '{target}' (format parquet)")
                target.replace(path)
                return
    raise AssertionError(f"no file of {stream} holds a row with {holding}")


def change_entry(settings: Settings, path: str, change: Callable[[dict[str, Any]], object]) -> None:
    """Change the ledger's entry of a file behind its back."""
    for entry in sorted((settings.lake / "ledger").glob("*/*.json")):
        content = json.loads(entry.read_text())
        if content["path"] == path:
            change(content)
            entry.write_text(json.dumps(content))
            return
    raise AssertionError(f"{path} is not loaded")


def in_warehouse(settings: Settings, statement: str) -> None:
    with duckdb.connect(str(settings.warehouse_file)) as connection:
        connection.execute(statement)


def test_every_row_of_every_stream_is_accounted_for(built: Built, settings: Settings) -> None:
    assert failed_checks(built, settings) == {}
    with duckdb.connect(str(settings.warehouse_file), read_only=True) as connection:
        files = connection.execute(
            """select path, rows_read, files.rows_landed, files.rows_quarantined, counted_rows,
                duplicate_rows, superseded_rows
            from core.fct_files as files
            join core.fct_file_counts on file_load_id = load_id
            where path like 'agent_events/%' or path like 'tasks/%'
            order by path"""
        ).fetchall()
        replayed = connection.execute(
            """select rows_read, rows_landed, rows_quarantined, rows_replayed
            from core.fct_files where path = 'charges/rows.ndjson'"""
        ).fetchall()
        days = connection.execute(
            """select stream_name, event_date::varchar, duplicate_rows, superseded_rows,
                conflicting_rows
            from staging.stg_stream_copies
            where duplicate_rows + superseded_rows > 0
            order by all"""
        ).fetchall()
    # Of e-2's two equal copies it is a matter of the load's id which file's counts.
    a, b, tasks = files
    assert a[:4] == ("agent_events/a.ndjson", 3, 3, 0)
    assert b[:4] == ("agent_events/b.ndjson", 3, 2, 1)
    assert (a[4] + b[4], a[5] + b[5], a[6] + b[6]) == (3, 2, 0)
    assert tasks == ("tasks/rows.ndjson", 4, 4, 0, 1, 1, 2)
    assert replayed == [(2, 2, 0, 1)]
    # e-1 counts on the day of its earliest copy, so the one of March is the duplicate.
    assert days == [
        ("agent_events", "2026-03-01", 2, 0, 0),
        ("tasks", "2026-03-01", 1, 1, 0),
        ("tasks", "2026-03-02", 0, 1, 0),
    ]


def test_a_row_deleted_from_the_lake_is_missed(built: Built, settings: Settings) -> None:
    change_lake_file(settings, "agent_events", "from rows where id <> 'e-3'", holding="id = 'e-3'")
    failed = failed_checks(built, settings)
    assert "the lake holds the rows that landed" in failed["fct_file_counts_keeps_its_rules"]
    # The fact still has it.
    assert "every_staged_row_is_in_a_fact" in failed


def test_a_row_doubled_in_the_lake_is_found(built: Built, settings: Settings) -> None:
    change_lake_file(
        settings, "charges", "from rows union all from rows", holding="charge_id = 'ch-1'"
    )
    failed = failed_checks(built, settings)
    assert set(failed) == {"fct_file_counts_keeps_its_rules"}
    assert "the lake holds the rows that landed" in failed["fct_file_counts_keeps_its_rules"]


@pytest.mark.parametrize("name", ["rows_read", "rows_ignored", "rows_expanded"])
def test_a_count_of_a_file_that_was_altered_is_found(
    built: Built, settings: Settings, name: str
) -> None:
    change_entry(
        settings, "agent_events/b.ndjson", lambda entry: entry.update({name: entry[name] + 1})
    )
    failed = failed_checks(built, settings)
    assert set(failed) == {"fct_files_keeps_its_rules"}
    assert "rows read land, are quarantined or ignored" in failed["fct_files_keeps_its_rules"]


def test_a_count_of_landed_or_refused_rows_that_was_altered_is_found(
    built: Built, settings: Settings
) -> None:
    def move_one(entry: dict[str, Any]) -> None:
        # The sum stays what it is, so only the lake tells.
        stream = entry["streams"]["agent_events"]
        stream["rows_landed"] -= 1
        stream["rows_quarantined"] += 1

    change_entry(settings, "agent_events/b.ndjson", move_one)
    assert set(failed_checks(built, settings)) == {"fct_file_counts_keeps_its_rules"}


def test_a_row_that_staging_loses_or_doubles_is_found(built: Built, settings: Settings) -> None:
    # The relation of repeated keys decides which rows are ranked: a key that is listed though it
    # landed once, on a day it did not land on, is lost.
    in_warehouse(
        settings,
        "insert into staging.stg_agent_events__repeated_keys "
        "select 'native', 'e-3', date '2026-01-01', timestamp '2026-01-01', 'h', 'no load', 1, 1",
    )
    failed = failed_checks(built, settings)
    assert "every_landed_row_is_staged_or_a_copy" in failed
    # A key that landed twice and is not listed counts twice.
    in_warehouse(settings, "delete from staging.stg_agent_events__repeated_keys")
    failed = failed_checks(built, settings)
    assert "every_staged_row_is_in_a_fact" in failed


@pytest.mark.parametrize(
    ("fact", "condition"),
    [
        ("fct_invocations", "event_id = 'e-3'"),
        ("fct_install_events", "true"),
        ("fct_llm_calls", "origin = 'call'"),
        ("fct_tasks", "true"),
        ("dim_publishers", "not is_inferred"),
    ],
)
def test_a_staged_row_that_is_in_no_fact_is_found(
    built: Built, settings: Settings, fact: str, condition: str
) -> None:
    in_warehouse(settings, f"delete from core.{fact} where {condition}")
    assert set(failed_checks(built, settings)) == {"every_staged_row_is_in_a_fact"}


def test_a_fact_on_another_day_than_its_row_is_found(built: Built, settings: Settings) -> None:
    in_warehouse(settings, "update core.fct_install_events set event_date = event_date + 1")
    assert set(failed_checks(built, settings)) == {"every_staged_row_is_in_a_fact"}


def test_an_event_type_without_a_destination_is_found(built: Built, settings: Settings) -> None:
    change_lake_file(
        settings,
        "agent_events",
        "select * replace ("
        "case when id = 'e-3' then 'agent_paused' else event_type end as event_type) from rows",
        holding="id = 'e-3'",
    )
    assert "every_staged_row_is_in_a_fact" in failed_checks(built, settings)
