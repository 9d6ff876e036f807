"""Synthetic extracts: deterministic, complete, consistent, and telling the planted story."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest

from orchestration.contracts.streams import STREAMS
from orchestration.errors import UserError
from orchestration.generate import extracts, write_extracts

UNTIL = datetime(2026, 3, 2, 6, tzinfo=UTC)
EVENTS, DAYS, SEED = 6000, 8, 7


def _write(out: Path, *, seed: int = SEED) -> Path:
    write_extracts(out=out, events=EVENTS, days=DAYS, seed=seed, until=UNTIL)
    return out


def _digest(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def landing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _write(tmp_path_factory.mktemp("extracts") / "landing")


@pytest.fixture(scope="module")
def rows(landing: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """The sound part of the extracts, one view for each stream that a test reads."""
    with duckdb.connect() as connection:
        parts = [
            "select id, event_type, agent_id, tenant_id, timestamp as happened_at, "
            f"properties from read_json('{landing}/agent_events/*/part-0.{suffix}', columns = {{"
            "id: 'varchar', event_type: 'varchar', agent_id: 'varchar', tenant_id: 'varchar', "
            "timestamp: 'timestamp', properties: 'json'}, format = 'newline_delimited')"
            for suffix in ("ndjson", "ndjson.gz", "ndjson.zst")
        ]
        parts.append(
            "select id, event_type, agent_id, tenant_id, cast(timestamp as timestamp), properties "
            f"from '{landing}/agent_events/*/part-0.parquet'"
        )
        connection.execute(f"create view agent_events as {' union all '.join(parts)}")
        for stream, suffix in (
            ("llm_calls", "ndjson"),
            ("conversations", "ndjson"),
            ("tasks", "ndjson.zst"),
            ("agents", "json"),
            ("report_subscriptions", "ndjson"),
        ):
            connection.execute(
                f"create view {stream} as from read_json('{landing}/{stream}/*/part-0.{suffix}')"
            )
        for stream in ("charges", "tenants", "provider_bills"):
            connection.execute(
                f"create view {stream} as "
                f"from read_csv('{landing}/{stream}/*/part-0.csv', all_varchar = true)"
            )
        yield connection


def _one(rows: duckdb.DuckDBPyConnection, query: str) -> object:
    found = rows.execute(query).fetchone()
    assert found is not None
    return found[0]


def test_same_arguments_give_the_same_bytes_however_many_days_are_made_at_once(
    landing: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(extracts, "EVENTS_PER_CHUNK", EVENTS // 4)
    assert _digest(_write(tmp_path / "again")) == _digest(landing)


def test_another_seed_gives_other_events(landing: Path, tmp_path: Path) -> None:
    other = _digest(_write(tmp_path / "other", seed=SEED + 1))
    mine = _digest(landing)
    file = "agent_events/dt=2026-02-22/part-0.ndjson"
    assert other[file] != mine[file]


def test_every_stream_of_the_contract_has_a_file(landing: Path) -> None:
    written = {path.name for path in landing.iterdir() if path.is_dir()}
    assert written == set(STREAMS)


def test_about_as_many_events_are_written_as_were_asked_for(
    rows: duckdb.DuckDBPyConnection,
) -> None:
    count = _one(rows, "select count(*) from agent_events")
    assert isinstance(count, int)
    assert EVENTS * 0.85 < count < EVENTS * 1.15


def test_no_event_lies_after_the_end(rows: duckdb.DuckDBPyConnection) -> None:
    assert (
        _one(rows, "select max(happened_at) < timestamp '2026-03-02 06:00' from agent_events")
        is True
    )


@pytest.mark.parametrize(
    ("stream", "column", "property_name"),
    [
        ("llm_calls", "invocation_id", "invocation_id"),
        ("conversations", "conversation_id", "conversation_id"),
    ],
)
def test_ids_of_other_streams_are_ids_of_events(
    rows: duckdb.DuckDBPyConnection, stream: str, column: str, property_name: str
) -> None:
    # Rows that wait for a later delivery at the end of the set are rare, and the only ones missing.
    unknown = _one(
        rows,
        f"select avg(cast({column} not in (select properties ->> '{property_name}' "
        "from agent_events where properties ->> "
        f"'{property_name}' is not null) as integer)) from {stream}",
    )
    assert isinstance(unknown, float)
    assert unknown < 0.01


def test_a_task_of_an_agent_that_writes_events_is_carried_by_them(
    rows: duckdb.DuckDBPyConnection,
) -> None:
    carried = _one(
        rows,
        "select count(*) from tasks where agent_id = 'agt-scribe' and task_id in "
        "(select properties ->> 'task_id' from agent_events)",
    )
    batch = _one(
        rows,
        "select count(*) from tasks where agent_id = 'agt-night-batch' and task_id in "
        "(select properties ->> 'task_id' from agent_events)",
    )
    assert isinstance(carried, int)
    assert carried > 0
    assert batch == 0


def test_one_agent_costs_more_than_all_others_together(rows: duckdb.DuckDBPyConnection) -> None:
    share = _one(
        rows,
        "with spent as ("
        "select agent_id, cast(properties ->> 'cost_usd' as decimal(18, 9)) as usd "
        "from agent_events union all "
        "select 'agt-atlas', cast(cost_usd as decimal(18, 9)) from llm_calls) "
        "select cast(sum(usd) filter (where agent_id = 'agt-atlas') / sum(usd) as double) "
        "from spent",
    )
    assert isinstance(share, float)
    assert share > 0.5


def test_one_tool_fails_in_more_than_a_tenth_of_its_attempts_and_the_others_do_not(
    rows: duckdb.DuckDBPyConnection,
) -> None:
    failing = rows.execute(
        "with used as (select properties ->> 'tool_name' as tool_name, "
        "count(*) filter (where event_type = 'tool_called') as called, "
        "count(*) filter (where event_type = 'tool_failed') as failed "
        "from agent_events group by all) "
        "select tool_name from used where called >= 30 and failed > 0.1 * called"
    ).fetchall()
    assert failing == [("crm_lookup",)]


def test_ratings_fall_where_six_or_more_instances_run(
    rows: duckdb.DuckDBPyConnection, landing: Path
) -> None:
    bands = rows.execute(
        "with rated as (select happened_at, agent_type_id, "
        "cast(properties ->> 'rating' as integer) as rating from agent_events inner join "
        "(select distinct agent_id, agent_type_id from agents) as known using (agent_id) "
        "where event_type = 'user_feedback') "
        "select running_instances >= 6, avg(rating) from rated asof inner join "
        f"(from '{landing}/instance_samples/*/*.parquet' where tenant_id is null) as samples "
        "on rated.agent_type_id = samples.agent_type_id "
        "and rated.happened_at >= samples.timestamp "
        "group by all order by all"
    ).fetchall()
    (_, quiet), (_, busy) = bands
    assert quiet - busy > 0.2


def test_errors_burst_at_noon_of_the_last_weekdays(rows: duckdb.DuckDBPyConnection) -> None:
    noon = _one(
        rows,
        "select avg(cast(event_type = 'agent_errored' as integer)) from agent_events "
        "where agent_id = 'agt-root' and event_type in ('agent_completed', 'agent_errored') "
        "and hour(happened_at) in (12, 13) "
        "and cast(happened_at as date) between '2026-02-23' and '2026-02-27'",
    )
    assert isinstance(noon, float)
    assert noon > 0.25


def test_models_without_a_list_price_and_events_without_cost_both_occur(
    rows: duckdb.DuckDBPyConnection,
) -> None:
    kinds = rows.execute(
        "select distinct properties ->> 'cost_usd' is null from agent_events "
        "where event_type = 'agent_completed'"
    ).fetchall()
    unlisted = _one(
        rows,
        "select count(*) from agent_events where properties ->> 'model' = 'house-llama-70b'",
    )
    assert len(kinds) == 2
    assert isinstance(unlisted, int)
    assert unlisted > 0


def test_states_of_a_conversation_end_after_they_begin(rows: duckdb.DuckDBPyConnection) -> None:
    wrong = _one(rows, "select count(*) from conversations where ended_at < created_at")
    assert wrong == 0


def test_names_in_other_scripts_and_zones_of_three_continents_occur(
    rows: duckdb.DuckDBPyConnection,
) -> None:
    names = {name for (name,) in rows.execute("select tenant_name from tenants").fetchall()}
    zones = {zone for (zone,) in rows.execute("select timezone from tenants").fetchall()}
    assert {"Ωρίων Ναυτιλιακή", "Сибирь Маркет", "Müller & Söhne GmbH"} <= names
    assert zones == {
        "UTC",
        "America/New_York",
        "America/Los_Angeles",
        "Europe/Berlin",
        "Asia/Kolkata",
    }


def test_every_scope_has_a_weekly_and_a_monthly_subscription_and_one_tenant_stopped_them(
    rows: duckdb.DuckDBPyConnection,
) -> None:
    counted = rows.execute(
        "select frequency, count(*), count(*) filter (where not is_active) "
        "from report_subscriptions group by all order by all"
    ).fetchall()
    # 1 platform, 5 publishers, 14 tenants.
    assert counted == [("monthly", 20, 1), ("weekly", 20, 1)]


def test_every_recipient_is_at_a_reserved_domain(rows: duckdb.DuckDBPyConnection) -> None:
    outside = _one(
        rows,
        "select count(*) from (select unnest(recipients) as address from report_subscriptions) "
        "where address not like '%@example.com'",
    )
    assert outside == 0


def test_a_delivered_file_occurs_twice_and_events_say_that_they_are_synthetic(
    landing: Path,
) -> None:
    digests = list(_digest(landing / "agent_events").values())
    assert len(digests) - len(set(digests)) == 1
    first = landing / "agent_events" / "dt=2026-02-22" / "part-0.ndjson"
    lines = first.read_text(encoding="utf-8").splitlines()
    assert all(line.endswith('"synthetic":true}') for line in lines)
    assert (landing / "_README.txt").read_text(encoding="utf-8").startswith("SYNTHETIC EXTRACTS")


def test_a_folder_with_files_is_never_written_over(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("keep", encoding="utf-8")
    with pytest.raises(UserError, match="is not an empty folder"):
        _write(tmp_path)
    assert (tmp_path / "mine.txt").read_text(encoding="utf-8") == "keep"


@pytest.mark.parametrize(
    ("events", "days", "until", "message"),
    [
        (0, 1, UNTIL, "events is 0"),
        (1, 0, UNTIL, "days is 0"),
        (1, 1, UNTIL.replace(tzinfo=None), "without a zone"),
    ],
)
def test_an_argument_out_of_range_is_named(
    tmp_path: Path, events: int, days: int, until: datetime, message: str
) -> None:
    with pytest.raises(UserError, match=message):
        write_extracts(out=tmp_path / "new", events=events, days=days, seed=1, until=until)
    assert not (tmp_path / "new").exists()


def test_a_set_of_one_day_and_few_events_is_whole(tmp_path: Path) -> None:
    write_extracts(out=tmp_path / "small", events=5, days=1, seed=1, until=UNTIL)
    assert (tmp_path / "small" / "tenants" / "dt=2026-03-01" / "part-0.csv").exists()
