"""The target spark without a cluster: what is refused before one is asked, and how its files are read."""

from __future__ import annotations

import socket
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path

import duckdb
import pytest

from orchestration.errors import AgentmartError, RunFailure, UserError
from orchestration.settings import Settings
from orchestration.warehouse import spark
from orchestration.warehouse.spark import ENGINE

TARGET = Settings(home=Path("/nowhere"), target="spark", spark_remote="sc://127.0.0.1:15002")


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An environment that is there, as far as one sees from outside."""
    program = tmp_path / "environment" / "bin" / "dbt"
    program.parent.mkdir(parents=True)
    program.touch()
    monkeypatch.setattr(spark, "ENVIRONMENT", tmp_path / "environment")
    return tmp_path / "environment"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return replace(TARGET, home=tmp_path / "home")


def _is_one_line_naming_the_target(error: AgentmartError, *, fix: str) -> None:
    assert "the target spark" in str(error)
    assert fix in str(error)
    assert "\n" not in str(error)


def test_a_missing_environment_is_said_with_what_makes_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spark, "ENVIRONMENT", tmp_path / "nothing")
    with pytest.raises(UserError) as error:
        ENGINE.check(TARGET)
    _is_one_line_naming_the_target(error.value, fix="make spark")


@pytest.mark.parametrize(
    "remote",
    [
        None,
        "spark.example:15002",
        "http://spark.example:15002",
        "sc://",
        "sc://host:0",
        "sc://host:99999",
        "sc://user@host:15002/;token=SECRET",
    ],
)
def test_an_endpoint_that_cannot_be_read_is_said_without_its_text(
    remote: str | None, environment: Path
) -> None:
    with pytest.raises(UserError) as error:
        ENGINE.check(replace(TARGET, spark_remote=remote))
    _is_one_line_naming_the_target(error.value, fix="SPARK_REMOTE")
    assert "SECRET" not in str(error.value)


def test_an_unreachable_cluster_is_said_with_its_place_and_without_its_token(
    environment: Path,
) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    with pytest.raises(RunFailure) as error:
        ENGINE.check(replace(TARGET, spark_remote=f"sc://127.0.0.1:{port}/;token=SECRET"))
    _is_one_line_naming_the_target(error.value, fix="see that the Spark Connect server runs")
    assert f"127.0.0.1:{port} ([Errno 111] Connection refused)" in str(error.value)
    assert "SECRET" not in str(error.value)


def test_the_endpoint_is_in_no_text_of_the_settings() -> None:
    assert "15002" not in repr(TARGET)


def test_there_is_no_candidate_without_its_files(settings: Settings) -> None:
    assert not ENGINE.has_candidate(settings)


def test_a_fact_is_read_from_its_folders_by_date_as_its_contract_says(settings: Settings) -> None:
    folder = settings.warehouse / "spark" / "core" / "fct_charges"
    for day, amount in (("2026-03-01", "1.5"), ("2026-03-02", "2.5")):
        (folder / f"event_date={day}").mkdir(parents=True)
        duckdb.execute(
            f"copy (select cast({amount} as decimal(38, 12)) as amount, cast(1 as integer) as unit_count,"
            f" timestamptz '{day} 08:00:00+00' as charged_at)"
            f" to '{folder}/event_date={day}/part-0.parquet' (format parquet)"
        )
    # What a write that was killed has left.
    unfinished = folder / "_temporary" / "0" / "event_date=2026-03-02"
    unfinished.mkdir(parents=True)
    (unfinished / "part-1.parquet").write_bytes(b"PAR1")
    query = spark.table_query(
        _connection(),
        _node(
            "fct_charges",
            charged_at="timestamp",
            event_date="date",
            unit_count="bigint",
            amount="decimal(38, 12)",
        ),
        settings=settings,
    )
    rows = _connection().execute(f"{query} order by event_date")
    assert [column[0] for column in rows.description or []] == [
        "charged_at",
        "event_date",
        "unit_count",
        "amount",
    ]
    assert [(str(column[1])) for column in rows.description or []] == [
        "TIMESTAMP",
        "DATE",
        "BIGINT",
        "DECIMAL(38,12)",
    ]
    first, second = rows.fetchall()
    assert first[:2] == (datetime(2026, 3, 1, 8), date(2026, 3, 1))
    assert second[:2] == (datetime(2026, 3, 2, 8), date(2026, 3, 2))


def test_a_fact_without_a_file_has_the_columns_of_its_contract(settings: Settings) -> None:
    query = spark.table_query(
        _connection(), _node("fct_charges", charged_at="timestamp"), settings=settings
    )
    assert _connection().execute(f"describe {query}").fetchall()[0][:2] == (
        "charged_at",
        "TIMESTAMP",
    )


def test_a_half_written_file_is_said_with_what_to_do(settings: Settings) -> None:
    folder = settings.warehouse / "spark" / "core" / "fct_charges"
    folder.mkdir(parents=True)
    (folder / "part-0.parquet").write_bytes(b"PAR1")
    with pytest.raises(RunFailure) as error:
        spark.table_query(
            _connection(), _node("fct_charges", charged_at="timestamp"), settings=settings
        )
    _is_one_line_naming_the_target(error.value, fix=f"remove {settings.warehouse / 'spark'}")
    assert "core.fct_charges" in str(error.value)


def _connection() -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    connection.execute("set TimeZone = 'UTC'")
    return connection


def _node(name: str, **kinds: str) -> dict[str, object]:
    return {
        "resource_type": "model",
        "schema": "core",
        "alias": name,
        "columns": {one: {"data_type": kind} for one, kind in kinds.items()},
        "contract": {"enforced": True},
        "config": {"meta": {}},
    }
