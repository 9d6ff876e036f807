"""The published database is read with values that stay values, and says plainly when it cannot
be."""

import subprocess
import sys
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

from orchestration.errors import AgentmartError, RunFailure, UserError
from orchestration.reporting.periods import parse_period
from orchestration.reporting.query import read_published
from orchestration.reporting.scopes import Scope, ScopeKind
from orchestration.settings import PROJECT_ROOT, Settings
from tests.support.published import publish_by_hand

_AS_OF = datetime(2026, 3, 15, 12, tzinfo=UTC)
_WINDOW = parse_period("7d", as_of=_AS_OF, time_zone="Asia/Kolkata")
_HOSTILE = "x'); drop table answers.t; --"


def _scope(identifier: str, agent: str | None = None) -> Scope:
    return Scope(
        kind=ScopeKind.TENANT,
        id=identifier,
        name=identifier,
        source_name=None,
        time_zone=None,
        agent_id=agent,
    )


def test_a_table_function_is_asked_with_the_scope_and_the_window(tmp_path: Path) -> None:
    with read_published(publish_by_hand(tmp_path)) as published:
        (row,) = published.function("asked", scope=_scope("t1", agent="a1"), window=_WINDOW)
    assert row == {
        "asked_scope": "tenant:t1",
        "asked_start": datetime(2026, 3, 8),
        "asked_end": datetime(2026, 3, 15),
        "asked_zone": "Asia/Kolkata",
        "asked_source": None,
        "asked_agent": "a1",
        "asked_as_of": datetime(2026, 3, 15, 12),
        "asked_bucket": None,
        "asked_currency": "USD",
    }


def test_a_table_function_is_asked_for_a_currency_and_for_buckets(tmp_path: Path) -> None:
    with read_published(publish_by_hand(tmp_path)) as published:
        (row,) = published.function(
            "asked", scope=_scope("t1"), window=_WINDOW, currency="EUR", bucket="hour"
        )
    assert (row["asked_currency"], row["asked_bucket"]) == ("EUR", "hour")


def test_no_id_can_be_run_as_sql(tmp_path: Path) -> None:
    with read_published(publish_by_hand(tmp_path)) as published:
        (row,) = published.function("asked", scope=_scope(_HOSTILE, _HOSTILE), window=_WINDOW)
    assert (row["asked_scope"], row["asked_agent"]) == (f"tenant:{_HOSTILE}", _HOSTILE)


@pytest.mark.parametrize(
    "value",
    [
        "x' or '1'='1",
        "''",
        "'",
        "\\'; drop table t; --",
        "$scope",
        "line\nbreak",
        "Ünïcode ☃",
        "",
        None,
        -7,
        True,
        Decimal("12.50"),
        date(2026, 3, 1),
        datetime(2026, 3, 1, 2, 3, 4, 567),
        ["a'b", "c"],
    ],
)
def test_a_value_arrives_as_it_was_given(tmp_path: Path, value: object) -> None:
    with read_published(publish_by_hand(tmp_path)) as published:
        (row,) = published.rows("select $value as value", {"value": value, "unused": 1})
    assert row["value"] == value


@pytest.mark.parametrize(
    ("value", "error"),
    [("a\0b", UserError), (datetime(2026, 3, 1, tzinfo=UTC), TypeError), (0.5, TypeError)],
)
def test_a_value_that_could_mean_something_else_is_refused(
    tmp_path: Path, value: object, error: type[Exception]
) -> None:
    with read_published(publish_by_hand(tmp_path)) as published, pytest.raises(error):
        published.rows("select $value", {"value": value})


def test_asking_does_not_import_pandas() -> None:
    script = """
import sys, datetime, duckdb
from orchestration.reporting.query import Published
values = {"text": "x", "time": datetime.datetime(2026, 3, 1)}
Published(duckdb.connect()).rows("select $text, $time", values)
sys.exit("pandas" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=PROJECT_ROOT, check=False)
    assert done.returncode == 0


def test_a_name_that_is_no_function_name_is_refused(tmp_path: Path) -> None:
    with (
        read_published(publish_by_hand(tmp_path)) as published,
        pytest.raises(ValueError, match="not the name"),
    ):
        published.function("asked(); --", scope=_scope("t1"), window=_WINDOW)


def test_a_publication_without_the_function_says_to_run_again(tmp_path: Path) -> None:
    with (
        read_published(publish_by_hand(tmp_path)) as published,
        pytest.raises(RunFailure, match=r"no table function usage_summary.*agentmart run"),
    ):
        published.function("usage_summary", scope=_scope("t1"), window=_WINDOW)


def test_a_publication_without_the_table_says_to_run_again(tmp_path: Path) -> None:
    with (
        read_published(publish_by_hand(tmp_path)) as published,
        pytest.raises(
            RunFailure, match=r"no table alerts\.alerts; .* another version.*agentmart run"
        ),
    ):
        published.rows("select * from alerts.alerts")


def test_nothing_can_be_written(tmp_path: Path) -> None:
    with (
        read_published(publish_by_hand(tmp_path)) as published,
        pytest.raises(duckdb.Error, match="read-only"),
    ):
        published.rows("create table x as select 1")


def test_an_unpublished_deployment_says_what_to_do(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    with pytest.raises(AgentmartError, match="agentmart run"), read_published(settings):
        pass


def test_a_broken_file_is_named(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    settings.published.mkdir()
    settings.published_file.write_bytes(b"no database" * 1000)
    with pytest.raises(RunFailure) as raised, read_published(settings):
        pass
    assert str(settings.published_file) in str(raised.value)
