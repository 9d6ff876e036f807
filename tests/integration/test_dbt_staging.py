"""Staging and dimensions on landed files: what is read, which copy counts, what increments change.

Belongs here: the way from the lake's files to staging and the dimensions, two deliveries against
one full build. Does not belong here: the rules themselves (dbt unit tests beside the models), facts
(test_facts_incremental).
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import duckdb
import pytest

from orchestration.ingest.ledger import read_entries
from orchestration.ingest.load import load_landing
from orchestration.settings import Settings
from orchestration.warehouse.plan import BuildPlan, write_run_inputs
from tests.support.dbt_runner import DbtRefused, call_dbt, failures

AS_OF = datetime(2026, 3, 10, tzinfo=UTC)
MODELS = (
    "resource_type:seed",
    "staging",
    "dim_agents",
    "dim_agents_history",
    "dim_agent_types",
    "dim_publishers",
    "dim_tenants",
    "dim_tenants_history",
    "dim_models",
    "dim_model_prices",
)

Row = Mapping[str, object]


def _answer(
    event_id: str, at: str, *, agent: str = "a1", tokens: int = 10, model: str = "gpt-4o"
) -> Row:
    return {
        "id": event_id,
        "event_type": "agent_completed",
        "agent_id": agent,
        "publisher_id": "p1",
        "tenant_id": "t1",
        "timestamp": at,
        "properties": {"model": model, "input_tokens": tokens},
    }


def _agent(name: str, agent_type: str, updated_at: str) -> Row:
    return {
        "agent_id": "a1",
        "agent_name": name,
        "agent_type_id": agent_type,
        "updated_at": updated_at,
    }


# The second delivery repeats an event with an earlier time (another day), repeats one as it was,
# brings an older state of an agent after a newer one, and names an agent, a tenant, a model first.
FIRST: Mapping[str, Sequence[Row]] = {
    "agent_events": [
        _answer("moved", "2026-03-03T10:00:00Z", tokens=30),
        _answer("copied", "2026-03-03T11:00:00Z"),
        _answer("once", "2026-03-04T12:00:00Z"),
    ],
    "agents": [_agent("Newer", "sales", "2026-03-05T00:00:00Z")],
}
SECOND: Mapping[str, Sequence[Row]] = {
    "agent_events": [
        _answer("moved", "2026-03-02T10:00:00Z", tokens=20),
        _answer("copied", "2026-03-03T11:00:00Z"),
        _answer("new", "2026-03-05T12:00:00Z", agent="ghost", model="gemini/gemini-2.5-flash"),
    ],
    "agents": [_agent("Older", "support", "2026-03-01T00:00:00Z")],
    "tenants": [{"tenant_id": "t2", "tenant_name": "Two", "updated_at": "2026-03-01T00:00:00Z"}],
}


@dataclass(frozen=True, kw_only=True)
class Warehouse:
    """A home built in two deliveries: its tables after the increment and after a full build."""

    settings: Settings
    incremental: Mapping[str, Sequence[tuple[object, ...]]]
    full: Mapping[str, Sequence[tuple[object, ...]]]

    def rows(self, query: str) -> list[tuple[object, ...]]:
        with duckdb.connect(str(self.settings.warehouse_file), read_only=True) as connection:
            return connection.execute(query).fetchall()


def _land(settings: Settings, name: str, delivery: Mapping[str, Sequence[Row]]) -> frozenset[str]:
    """Load one delivery; returns the ids of its loads."""
    known = {entry.load_id for entry in read_entries(settings.lake)}
    for stream, rows in delivery.items():
        file = settings.landing / stream / f"{name}.ndjson"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    report = load_landing(settings=settings, landing=settings.landing, as_of=AS_OF)
    assert [file.error for file in report.files if file.error] == []
    return frozenset({entry.load_id for entry in read_entries(settings.lake)} - known)


def _write_inputs(settings: Settings, *, pending: frozenset[str]) -> None:
    entries = read_entries(settings.lake)
    plan = BuildPlan(
        reason="test",
        is_nothing=False,
        is_full_refresh=False,
        code_fingerprint="test",
        load_ids=frozenset(entry.load_id for entry in entries),
        pending_load_ids=pending,
        entries=entries,
    )
    write_run_inputs(settings, plan=plan, run_id=1, as_of=AS_OF, is_complete=True)


def _tables(settings: Settings) -> Mapping[str, Sequence[tuple[object, ...]]]:
    with duckdb.connect(str(settings.warehouse_file), read_only=True) as connection:
        names = connection.execute(
            "select table_schema || '.' || table_name from information_schema.tables "
            "where (table_schema = 'staging' and not ends_with(table_name, '__repeated_keys') "
            "and table_name not in ('stg_loads', 'stg_pending_event_dates')) "
            "or (table_schema = 'core' and starts_with(table_name, 'dim_'))"
        ).fetchall()
        return {
            name: sorted(connection.execute(f"select * from {name}").fetchall(), key=repr)
            for (name,) in names
        }


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    settings = Settings(home=tmp_path_factory.mktemp("staging"), threads=2)
    first = _land(settings, "first", FIRST)
    _write_inputs(settings, pending=first)
    build = ("build", "--exclude-resource-types", "unit_test", "test", "--select", *MODELS)
    assert failures(call_dbt(settings, *build)) == []
    second = _land(settings, "second", SECOND)
    # A file that no ledger entry names, as a load that was killed leaves it.
    landed = next((settings.lake / "raw" / "agent_events").glob("event_date=2026-03-04/*.parquet"))
    shutil.copyfile(landed, landed.with_name("0" * 32 + ".parquet"))
    _write_inputs(settings, pending=second)
    assert failures(call_dbt(settings, *build)) == []
    incremental = _tables(settings)
    _write_inputs(settings, pending=first | second)
    assert failures(call_dbt(settings, *build, "--full-refresh")) == []
    return Warehouse(
        settings=settings,
        incremental=incremental,
        full=_tables(settings),
    )


def test_two_deliveries_give_the_same_tables_as_one_full_build(warehouse: Warehouse) -> None:
    assert warehouse.incremental.keys() == warehouse.full.keys()
    for name, rows in warehouse.full.items():
        assert warehouse.incremental[name] == rows, name


def test_of_two_copies_the_earlier_one_counts_and_a_file_outside_the_ledger_is_not_read(
    warehouse: Warehouse,
) -> None:
    assert warehouse.rows(
        "select event_id, event_date::varchar, input_tokens "
        "from staging.stg_agent_events order by 1"
    ) == [
        ("copied", "2026-03-03", 10),
        ("moved", "2026-03-02", 20),
        ("new", "2026-03-05", 10),
        ("once", "2026-03-04", 10),
    ]


def test_repeated_keys_tell_every_day_that_a_repeated_event_stood_on(warehouse: Warehouse) -> None:
    assert warehouse.rows(
        "select distinct event_id, event_date::varchar "
        "from staging.stg_agent_events__repeated_keys order by 1, 2"
    ) == [
        ("copied", "2026-03-03"),
        ("moved", "2026-03-02"),
        ("moved", "2026-03-03"),
    ]


def test_an_older_state_that_arrives_later_takes_its_place_in_the_history(
    warehouse: Warehouse,
) -> None:
    assert warehouse.rows(
        "select agent_name, valid_from::date::varchar, valid_to::date::varchar, is_current "
        "from core.dim_agents_history where agent_id = 'a1' order by valid_from"
    ) == [
        ("Older", "1900-01-01", "2026-03-05", False),
        ("Newer", "2026-03-05", "9999-12-31", True),
    ]


def test_ids_that_only_events_name_have_an_inferred_row(warehouse: Warehouse) -> None:
    assert warehouse.rows(
        "select agent_id, agent_type_name, publisher_key from core.dim_agents where is_inferred"
    ) == [("ghost", "unknown", "native:p1")]
    assert warehouse.rows("select tenant_id, is_inferred from core.dim_tenants order by 1") == [
        ("t1", True),
        ("t2", False),
    ]
    assert warehouse.rows("select publisher_name, is_inferred from core.dim_publishers") == [
        ("p1", True)
    ]


def test_a_stream_without_files_is_empty_and_typed(warehouse: Warehouse) -> None:
    assert warehouse.rows("select count(*), sum(amount) from staging.stg_charges") == [(0, None)]


def test_a_filter_on_the_event_date_opens_only_the_files_of_that_day(warehouse: Warehouse) -> None:
    plan = warehouse.rows(
        "explain analyze select sum(input_tokens) from staging.stg_agent_events "
        "where event_date in (date '2026-03-04')"
    )[0][1]
    assert "Scanning Files: 1/5" in str(plan)


def test_a_build_without_run_inputs_says_what_is_missing_and_what_to_do(
    warehouse: Warehouse,
) -> None:
    file_list = warehouse.settings.run_inputs / "lake_files.parquet"
    set_aside = file_list.rename(file_list.with_suffix(".aside"))
    expected = f"{file_list} does not exist; start the build with `agentmart run`"
    try:
        with pytest.raises(DbtRefused, match=re.escape(expected)):
            call_dbt(warehouse.settings, "build", "--select", "stg_charges")
    finally:
        set_aside.rename(file_list)
