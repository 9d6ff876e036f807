"""The benchmark of the whole job compares like with like: its floor makes the rows that are published.

Run by `make soak`; pytest does not collect it by itself.
"""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from orchestration.settings import Settings
from tests.benchmarks.whole_job.floor import make_floor
from tests.benchmarks.whole_job.landings import AS_OF, FAULTS, SALT, write_landing
from tests.support.published_home import publish_landing

_TABLES = (
    *("core.fct_audits", "core.fct_charges", "core.fct_conversations", "core.fct_feedback"),
    *("core.fct_install_events", "core.fct_invocations", "core.fct_llm_calls"),
    *("core.fct_pii_redactions", "core.fct_quality_scores", "core.fct_sessions"),
    *("core.fct_tasks", "core.fct_tool_calls", "core.fct_user_messages"),
    *("revenue.revenue_daily", "usage.platform_days", "usage.tenant_days", "usage.usage_daily"),
)


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> duckdb.DuckDBPyConnection:
    """A connection that sees what is published of a landing, and the floor made from the same files."""
    home = tmp_path_factory.mktemp("whole_job")
    write_landing(home / "landing", events=4_000, base_events=2_000)
    settings = Settings(home=home, threads=2, user_id_salt=SALT)
    publish_landing(settings, as_of=AS_OF)
    make_floor(home / "landing", home / "floor.duckdb")
    connection = duckdb.connect(config={"threads": 2})
    connection.execute("set TimeZone = 'UTC'")
    for name, file in {
        "floor": home / "floor.duckdb",
        "published": settings.published_file,
    }.items():
        connection.execute(f"attach '{Path(file).resolve()}' as {name} (read_only)")
    return connection


@pytest.mark.parametrize("table", _TABLES)
def test_the_floor_makes_every_row_and_column_that_is_published(
    table: str, both: duckdb.DuckDBPyConnection
) -> None:
    columns = ", ".join(row[0] for row in both.execute(f"describe published.{table}").fetchall())
    differing = [
        both.execute(
            f"select {columns} from {one}.{table} except all select {columns} from {other}.{table}"
        ).fetchall()
        for one, other in (("floor", "published"), ("published", "floor"))
    ]
    assert differing == [[], []]
    assert both.execute(f"select count(*) from published.{table}").fetchall()[0][0] > 0


def test_every_table_of_the_floor_is_compared(both: duckdb.DuckDBPyConnection) -> None:
    made = both.execute(
        "select schema_name || '.' || table_name from duckdb_tables() where database_name = 'floor'"
    ).fetchall()
    assert {name for (name,) in made} == set(_TABLES)


def test_a_landing_has_rows_of_every_fault_and_rows_that_come_twice(
    both: duckdb.DuckDBPyConnection,
) -> None:
    counts = both.execute(
        "select rows_quarantined, duplicate_rows from published.operations.data_quality"
        " where stream_name = 'agent_events'"
    ).fetchall()
    assert counts[0][0] >= len(FAULTS)
    assert counts[0][1] > 0
