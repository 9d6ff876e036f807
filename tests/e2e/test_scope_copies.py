"""A copy for one tenant or publisher answers as the whole does, and gives nobody else away."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import duckdb
import pytest

from orchestration.settings import Settings
from orchestration.warehouse.scope_copy import CopiedScope, copy_scope
from tests.e2e.conftest import DeploymentUnderTest

_PERSONAL = {
    "tenant_key",
    "tenant_id",
    "user_key",
    "user_id",
    "conversation_key",
    "conversation_id",
}
_FEBRUARY = "date '2026-02-01', date '2026-03-01'"


@pytest.fixture(scope="module")
def whole(deployment: DeploymentUnderTest) -> Iterator[duckdb.DuckDBPyConnection]:
    path = str((deployment.home / "published" / "agentmart.duckdb").resolve())
    with duckdb.connect(path, read_only=True) as connection:
        connection.execute("set TimeZone = 'UTC'")
        yield connection


def _ids(whole: duckdb.DuckDBPyConnection, kind: str) -> list[str]:
    """The tenants or publishers with the most invocations first."""
    return [
        row[0]
        for row in whole.execute(
            f"select {kind}_id from core.dim_{kind}s left join core.fct_invocations"
            f" using ({kind}_key) group by {kind}_id order by count(*) desc, {kind}_id"
        ).fetchall()
    ]


@pytest.fixture(scope="module")
def copies(
    deployment: DeploymentUnderTest,
    whole: duckdb.DuckDBPyConnection,
    tmp_path_factory: pytest.TempPathFactory,
) -> Mapping[str, Path]:
    """The copies of the busiest tenant and publisher, made by the command."""
    folder = tmp_path_factory.mktemp("copies")
    made = {}
    for kind in ("tenant", "publisher"):
        made[kind] = folder / f"{kind}.duckdb"
        finished = deployment(
            *("export", "--all", "--scope", f"{kind}:{_ids(whole, kind)[0]}"),
            *("--format", "duckdb", "--out", str(made[kind])),
        )
        assert finished.exit_code == 0, finished.stderr
    assert sorted(path.name for path in folder.iterdir()) == ["publisher.duckdb", "tenant.duckdb"]
    return made


@pytest.fixture(scope="module", params=["tenant", "publisher"])
def copy(
    request: pytest.FixtureRequest, copies: Mapping[str, Path]
) -> Iterator[tuple[str, Path, duckdb.DuckDBPyConnection]]:
    path = copies[request.param]
    with duckdb.connect(str(path), read_only=True) as connection:
        connection.execute("set TimeZone = 'UTC'")
        yield request.param, path, connection


def _canaries(whole: duckdb.DuckDBPyConnection, kind: str) -> dict[str, set[str]]:
    """What must not be in the copy of the busiest scope: names and ids of others, and of users."""
    own = _ids(whole, kind)[0]
    mine = f"{kind}_key = 'native:{own}'"
    agents = f"select agent_key from core.fct_invocations where {mine}"
    for fact in ("fct_llm_calls", "fct_charges", "fct_feedback", "fct_tool_calls", "fct_tasks"):
        agents += f" union select agent_key from core.{fact} where {mine}"
    for fact in ("fct_audits", "fct_conversations", "fct_install_events", "fct_user_messages"):
        agents += f" union select agent_key from core.{fact} where {mine}"
    queries = {
        "tenants": "select tenant_id, tenant_name, tenant_key from core.dim_tenants"
        + (f" where not {mine}" if kind == "tenant" else ""),
        "publishers": "select publisher_id, publisher_name, publisher_key from core.dim_publishers"
        + (
            f" where not {mine}"
            if kind == "publisher"
            else f" where publisher_key not in (select publisher_key from core.fct_user_messages where {mine}"
            f" union select publisher_key from core.dim_agents where agent_key in ({agents}))"
        ),
        "agents": f"select agent_id, agent_key from core.dim_agents where agent_key not in ({agents})"
        + (f" and not {mine}" if kind == "publisher" else ""),
        "users": "select distinct user_key, split_part(user_key, ':', -1) from core.fct_user_messages"
        " where user_key is not null" + (f" and not {mine}" if kind == "tenant" else ""),
        "conversations": "select conversation_id from core.fct_conversations"
        + (f" where not {mine}" if kind == "tenant" else ""),
        "events": f"select event_id from core.fct_invocations where not {mine} order by 1 limit 200",
        "charges": f"select charge_id from core.fct_charges where not {mine} order by 1 limit 200",
    }
    return {
        what: {str(cell) for row in whole.execute(sql).fetchall() for cell in row if cell}
        for what, sql in queries.items()
    }


def test_nothing_of_anybody_else_is_in_any_column_or_byte_of_the_file(
    copy: tuple[str, Path, duckdb.DuckDBPyConnection], whole: duckdb.DuckDBPyConnection
) -> None:
    kind, path, connection = copy
    canaries = _canaries(whole, kind)
    assert all(canaries[what] for what in ("tenants", "users", "conversations", "events"))
    forbidden = {one for some in canaries.values() for one in some}
    for schema, table, column in connection.execute(
        "select schema_name, table_name, column_name from duckdb_columns()"
        " where data_type = 'VARCHAR' and not internal"
    ).fetchall():
        found = {
            row[0]
            for row in connection.execute(
                f'select distinct "{column}" from {schema}.{table}'
            ).fetchall()
        }
        assert not found & forbidden, (schema, table, column)
    content = path.read_bytes()
    # Ids shorter than this could stand in any bytes by chance. A search takes some ms, so the bytes are
    # searched for some of each kind; the columns above are for all.
    searched = [
        one
        for some in canaries.values()
        for one in sorted(each for each in some if len(each) >= 8)[:40]
    ]
    leaked = {one for one in searched if one.encode() in content}
    assert leaked == set()


def test_the_search_for_leaks_finds_them_in_the_whole_database(
    whole: duckdb.DuckDBPyConnection, deployment: DeploymentUnderTest
) -> None:
    content = (deployment.home / "published" / "agentmart.duckdb").read_bytes()
    for some in (_canaries(whole, "tenant"), _canaries(whole, "publisher")):
        for what in ("tenants", "publishers"):
            assert any(one.encode() in content for one in some[what])


def test_a_publishers_copy_has_no_column_of_tenants_users_or_conversations(
    copies: Mapping[str, Path],
) -> None:
    with duckdb.connect(str(copies["publisher"]), read_only=True) as connection:
        columns = connection.execute(
            "select column_name, schema_name || '.' || table_name from duckdb_columns() where not internal"
        ).fetchall()
    assert [place for name, place in columns if name in _PERSONAL] == []


def test_a_publishers_copy_withholds_every_small_cell(copies: Mapping[str, Path]) -> None:
    with duckdb.connect(str(copies["publisher"]), read_only=True) as connection:
        tables = connection.execute(
            "select schema_name || '.' || table_name from duckdb_columns()"
            " where column_name = 'is_suppressed'"
        ).fetchall()
        assert len(tables) > 5
        for (table,) in tables:
            shown = connection.execute(
                f"select count(*) from {table} where not is_suppressed and active_tenants between 1 and 2"
            ).fetchone()
            assert shown == (0,), table
        withheld = [
            connection.execute(
                f"select count(*), count(active_tenants) from {table} where is_suppressed"
            ).fetchone()
            for (table,) in tables
        ]
    assert sum(row[0] for row in withheld if row) > 0
    assert sum(row[1] for row in withheld if row) == 0


def test_a_tenants_copy_answers_any_span_as_the_whole_does(
    copies: Mapping[str, Path], whole: duckdb.DuckDBPyConnection
) -> None:
    tenant = _ids(whole, "tenant")[0]
    span = "timestamp '2026-02-03 10:00', timestamp '2026-02-20 11:30'"
    with duckdb.connect(str(copies["tenant"]), read_only=True) as connection:
        connection.execute("set TimeZone = 'UTC'")
        functions = connection.execute("select function_name from meta.table_functions").fetchall()
        assert len(functions) > 15
        for (name,) in functions:
            call = f"from {name}('tenant:{tenant}', {span}, 'Asia/Kolkata') order by all"
            assert connection.execute(call).fetchall() == whole.execute(call).fetchall(), name


def test_a_publishers_copy_answers_for_each_window_it_holds_as_the_marts_of_the_whole_do(
    copies: Mapping[str, Path], whole: duckdb.DuckDBPyConnection
) -> None:
    publisher = _ids(whole, "publisher")[0]
    with duckdb.connect(str(copies["publisher"]), read_only=True) as connection:
        windows = connection.execute(
            "select distinct start_local, end_local, time_zone from core.dim_windows"
            " where window_kind = 'monthly'"
        ).fetchall()
        functions = connection.execute(
            "select function_name, schema_name || '.' || function_name from meta.table_functions"
            " inner join duckdb_tables() on table_name = function_name"
        ).fetchall()
        assert len(functions) > 15
        for name, mart in functions:
            for start, end, zone in windows:
                call = (
                    f"from {name}('publisher:{publisher}', date '{start}', date '{end}', '{zone}')"
                )
                held = (
                    f"from {mart} where scope_id = '{publisher}' and window_kind = 'monthly'"
                    f" and start_local = date '{start}'"
                )
                assert _records(connection, call) == _records(whole, held), (name, start)


def _records(connection: duckdb.DuckDBPyConnection, call: str) -> list[Any]:
    found = connection.execute(call)
    names = [column[0] for column in found.description or ()]
    records = [dict(zip(names, row, strict=True)) for row in found.fetchall()]
    return sorted(json.dumps(record, default=str, sort_keys=True) for record in records)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("'platform', date '2026-02-01', date '2026-03-01'", "alone: ask for that scope"),
        ("'tenant:nobody', date '2026-02-01', date '2026-03-01'", "alone: ask for that scope"),
    ],
)
def test_a_copy_answers_for_no_other_scope(
    copy: tuple[str, Path, duckdb.DuckDBPyConnection], arguments: str, said: str
) -> None:
    with pytest.raises(duckdb.Error, match=said):
        copy[2].execute(f"from usage_summary({arguments})").fetchall()


@pytest.mark.parametrize(
    ("rest", "said"),
    [
        ("date '2026-02-02', date '2026-02-05'", "holds the windows of core.dim_windows alone"),
        (f"{_FEBRUARY}, currency := 'EUR'", "holds whole windows in USD"),
        (f"{_FEBRUARY}, agent := 'x'", "holds whole windows in USD"),
    ],
)
def test_a_publishers_copy_says_what_it_does_not_hold(
    copies: Mapping[str, Path], whole: duckdb.DuckDBPyConnection, rest: str, said: str
) -> None:
    publisher = _ids(whole, "publisher")[0]
    with (
        duckdb.connect(str(copies["publisher"]), read_only=True) as connection,
        pytest.raises(duckdb.Error, match=said),
    ):
        connection.execute(f"from usage_by_agent('publisher:{publisher}', {rest})").fetchall()


def test_a_copy_keeps_every_description(
    copy: tuple[str, Path, duckdb.DuckDBPyConnection],
) -> None:
    undescribed = copy[2].execute(
        "select table_name from duckdb_tables() where comment is null"
        " union all select column_name from duckdb_columns() where comment is null and not internal"
        " union all select function_name from duckdb_functions() where comment is null and not internal"
    )
    assert undescribed.fetchall() == []


def test_every_tenant_and_publisher_can_have_a_copy_and_sees_its_own_rows(
    deployment: DeploymentUnderTest, whole: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    settings = Settings(home=deployment.home)
    quietest = {kind: _ids(whole, kind)[-1] for kind in ("tenant", "publisher")}
    for kind, identifier in quietest.items():
        target = tmp_path / f"{kind}.duckdb"
        copy_scope(
            settings, CopiedScope(kind=kind, id=identifier, source_name="native"), target=target
        )
        with duckdb.connect(str(target), read_only=True) as connection:
            scopes = connection.execute(
                "select distinct scope_kind, scope_id from core.dim_windows"
            ).fetchall()
        assert scopes == [(kind, identifier)]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--scope", "platform", "--format", "duckdb", "--out", "x"), "tenant:ID or publisher:ID"),
        (("--scope", "tenant:nobody", "--format", "duckdb", "--out", "x"), "unknown tenant"),
        (("--scope", "tenant:t1", "--format", "json", "--out", "x"), "--format duckdb"),
        (("--scope", "tenant:t1", "--format", "duckdb"), "--out FILE"),
        (
            ("--scope", "tenant:t1", "--format", "duckdb", "--out", "x", "--period", "7d"),
            "without --period",
        ),
    ],
)
def test_what_cannot_be_copied_is_said(
    deployment: DeploymentUnderTest, arguments: tuple[str, ...], said: str
) -> None:
    finished = deployment("export", "--all", *arguments)
    assert finished.exit_code == 2
    assert said in finished.stderr
