"""Table functions on a built warehouse: every one runs, and says what its mart says.

Belongs here: the statements of `meta.table_functions` in a copy of the warehouse under another
name, the meaning of their parameters. Does not belong here: the formulas (dbt unit tests).
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import duckdb
import pytest

from orchestration.generate.extracts import write_extracts
from orchestration.ingest.load import load_landing
from orchestration.settings import Settings
from tests.support.builds import replay_full_build, write_inputs
from tests.support.recordings import recorded_builds

AS_OF = datetime(2026, 3, 2, 6, tzinfo=UTC)

# Columns in which a function's one window differs from the standard window of the same span.
OF_THE_WINDOW = frozenset({"window_key", "window_kind", "is_previous"})

# Midnight in Kolkata is 18:30 UTC: one answer ends the tenant's February, two are on its 1 March.
ANSWERS_OF_THE_PLANTED_TENANT = (
    "2026-02-28T18:29:59Z",
    "2026-02-28T18:30:00Z",
    "2026-03-01T18:29:59Z",
)


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A warehouse built on generated extracts and one planted tenant."""
    settings = Settings(home=tmp_path_factory.mktemp("windows") / "home", threads=2)
    write_extracts(out=settings.landing, events=2000, days=35, seed=7, until=AS_OF)
    _plant_tenant(settings.landing)
    report = load_landing(settings=settings, landing=settings.landing, as_of=AS_OF)
    assert report.files
    write_inputs(settings, published=None, as_of=AS_OF)
    replay_full_build(recorded_builds()[1], settings)
    return settings.warehouse_file


@pytest.fixture(scope="module")
def published(
    warehouse: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[duckdb.DuckDBPyConnection]:
    """A copy of the warehouse under another name, with the table functions made in it."""
    copy = tmp_path_factory.mktemp("published") / "any_name.duckdb"
    shutil.copyfile(warehouse, copy)
    with duckdb.connect(str(copy)) as connection:
        connection.execute("set TimeZone = 'UTC'")
        for (ddl,) in connection.execute("select ddl from meta.table_functions").fetchall():
            connection.execute(ddl)
        yield connection


def test_every_table_function_runs_for_every_kind_of_scope(
    published: duckdb.DuckDBPyConnection,
) -> None:
    names = _function_names(published)
    assert {"usage_summary", "health_summary", "tool_usage", "insight_findings"} <= set(names)
    for kind in ("platform", "tenant", "publisher"):
        scope = _rows(
            published,
            "select scope_kind || case scope_kind when 'platform' then '' else ':' || scope_id end"
            f" from core.dim_windows where scope_kind = '{kind}' order by 1 limit 1",
        )[0][0]
        for name in names:
            _rows(
                published,
                f"from {name}(?, date '2026-02-01', date '2026-03-01', 'Europe/Berlin')",
                scope,
            )


def test_every_summary_that_is_a_mart_is_a_table_function(
    published: duckdb.DuckDBPyConnection,
) -> None:
    marts_over_windows = _rows(
        published,
        """
        select table_name
        from duckdb_columns()
        where column_name = 'window_key'
            and schema_name in
            ('usage', 'quality', 'revenue', 'compliance', 'feedback', 'operations')
        """,
    )
    assert {name for (name,) in marts_over_windows} <= set(_function_names(published))


def test_a_table_function_gives_the_rows_of_its_mart(
    published: duckdb.DuckDBPyConnection,
) -> None:
    windows = _rows(
        published,
        """
        select
            scope_kind,
            window_kind,
            window_key,
            scope_kind || case scope_kind when 'platform' then '' else ':' || scope_id end,
            start_local,
            end_local,
            time_zone
        from core.dim_windows
        where window_kind in ('30d', 'weekly', 'monthly')
        qualify 1 = row_number() over (
            partition by scope_kind, window_kind order by scope_id, is_previous
        )
        """,
    )
    assert len(windows) == 9
    for schema, name in _marts(published):
        # A mart may hold the windows alone that its figure is for; findings of a month are made of
        # the rules for a month.
        held = _rows(published, f"select distinct scope_kind, window_kind from {schema}.{name}")
        columns = [
            str(column)
            for (column,) in _rows(
                published,
                "select column_name from duckdb_columns() where schema_name = ? and table_name = ?",
                schema,
                name,
            )
            if column not in OF_THE_WINDOW
        ]
        figures = ", ".join(columns)
        kinds = {kind for _, kind in held}
        wanted = kinds & {"30d", "weekly"} or kinds
        compared = [one for one in windows if one[:2] in held and one[1] in wanted]
        assert compared, name
        for _, _, window_key, *arguments in compared:
            of_mart = _rows(
                published,
                f"select {figures} from {schema}.{name} where window_key = ? order by all",
                window_key,
            )
            of_function = _rows(
                published, f"select {figures} from {name}(?, ?, ?, ?) order by all", *arguments
            )
            assert of_function == of_mart, (name, window_key)


def test_the_local_month_of_a_tenant_begins_at_its_own_midnight(
    published: duckdb.DuckDBPyConnection,
) -> None:
    february, march = (
        _rows(
            published,
            "select agent_messages from usage_summary('tenant:planted', ?, ?, 'Asia/Kolkata')",
            start,
            end,
        )
        for start, end in (("2026-02-01", "2026-03-01"), ("2026-03-01", "2026-04-01"))
    )
    assert (february, march) == ([(1,)], [(2,)])


def test_a_span_may_begin_and_end_within_a_day(published: duckdb.DuckDBPyConnection) -> None:
    rows = _rows(
        published,
        "select agent_messages, day_count from usage_summary('tenant:planted',"
        " timestamp '2026-02-28 18:29:59', timestamp '2026-02-28 18:30:00')",
    )
    assert rows == [(1, 1)]


def test_an_open_span_ends_with_the_as_of_day_and_its_data_at_the_as_of_time(
    published: duckdb.DuckDBPyConnection,
) -> None:
    days = _rows(
        published,
        "select date_day::varchar, is_partial from usage_daily('platform',"
        " date '2026-03-01', date '2026-04-01') order by 1",
    )
    assert days == [("2026-03-01", True), ("2026-03-02", True)]
    earlier = _rows(
        published,
        "select agent_messages, end_at from usage_summary('tenant:planted', date '2026-02-01',"
        " date '2026-04-01', as_of := timestamp '2026-02-28 18:30:00')",
    )
    assert earlier == [(1, datetime(2026, 2, 28, 18, 30))]


@pytest.mark.parametrize(
    ("as_of", "days"),
    [
        ("2026-02-10 00:00:00", 9),
        ("2026-02-10 00:00:00.000001", 10),
        ("2026-02-01 00:00:00", 0),
    ],
)
def test_a_day_of_which_nothing_is_over_is_no_day_of_an_open_span(
    published: duckdb.DuckDBPyConnection, as_of: str, days: int
) -> None:
    span = "'platform', date '2026-02-01', date '2026-03-01', as_of := cast(? as timestamp)"
    dates = _rows(published, f"select date_day from usage_daily({span}) order by 1", as_of)
    assert dates == [(date(2026, 2, 1 + number),) for number in range(days)]
    assert _rows(published, f"select day_count, is_partial from usage_summary({span})", as_of) == [
        (days, True)
    ]


def test_an_agent_narrows_every_scope(published: duckdb.DuckDBPyConnection) -> None:
    everyone, one, another = (
        _rows(
            published,
            "select agent_messages from usage_summary('tenant:planted', date '2026-02-01',"
            f" date '2026-04-01', agent := {agent})",
        )[0][0]
        for agent in ("null", "'planted-1'", "'planted-2'")
    )
    assert (everyone, one, another) == (3, 2, 1)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ("('tenant:nobody', date '2026-02-01', date '2026-03-01')", "unknown scope tenant:nobody"),
        ("('company', date '2026-02-01', date '2026-03-01')", "unknown scope company"),
        (
            "('platform', date '2026-02-01', date '2026-03-01', source := 'elsewhere')",
            "unknown scope platform in source elsewhere",
        ),
        (
            "('platform', date '2026-02-01', date '2026-03-01', agent := 'nobody')",
            "unknown agent nobody",
        ),
        ("('platform', date '2026-03-01', date '2026-02-01')", "ends before it starts"),
        ("('platform', date '2026-02-01', date '2026-03-01', 'Mars/Crater')", "Mars/Crater"),
    ],
)
def test_a_call_that_means_nothing_says_why(
    published: duckdb.DuckDBPyConnection, call: str, message: str
) -> None:
    for name in ("usage_summary", "usage_by_agent", "health_summary"):
        with pytest.raises(duckdb.Error, match=message):
            _rows(published, f"from {name}{call}")


def test_a_scope_of_two_sources_asks_for_one(published: duckdb.DuckDBPyConnection) -> None:
    call = (
        "select agent_messages"
        " from usage_summary('tenant:planted', date '2026-02-01', date '2026-04-01'"
    )
    published.execute("begin")
    try:
        published.execute(
            "insert into core.dim_tenants by name (select * replace ('other' as source_name,"
            " 'other:planted' as tenant_key) from core.dim_tenants where tenant_id = 'planted')"
        )
        with pytest.raises(duckdb.Error, match="exists in several sources"):
            _rows(published, f"{call})")
    finally:
        published.execute("rollback")
    assert _rows(published, f"{call}, source := 'native')") == [(3,)]


def test_money_from_before_the_first_rate_is_unknown_in_that_currency_and_counted(
    published: duckdb.DuckDBPyConnection,
) -> None:
    """The list of rates begins with 2024: a dollar of 2023 has no value in euros (D-55)."""

    def asked(currency: str) -> tuple[object, ...]:
        span = "'platform', date '2023-01-01', date '2024-01-01', currency := ?"
        (row,) = _rows(
            published,
            "select net_usd, unconverted_count, llm_cost_usd, currency"
            f" from revenue_summary({span})",
            currency,
        )
        return row

    published.execute("begin")
    try:
        published.execute(
            "insert into core.fct_charges by name (select * replace (date '2023-12-31' as event_date,"
            " timestamp '2023-12-31 10:00:00' as charged_at, 7 as net_usd, 7 as amount_usd)"
            " from core.fct_charges limit 1)"
        )
        published.execute(
            "insert into core.fct_llm_calls by name (select * replace (date '2023-12-31' as event_date,"
            " timestamp '2023-12-31 10:00:00' as used_at, 5 as cost_usd, true as has_owner)"
            " from core.fct_llm_calls limit 1)"
        )
        assert asked("USD") == (7, 0, 5, "USD")
        assert asked("EUR") == (None, 1, None, "EUR")
    finally:
        published.execute("rollback")


def test_what_never_ended_is_open_for_a_day_and_abandoned_after_it(
    published: duckdb.DuckDBPyConnection,
) -> None:
    """In the windows below: one begun 24 hours before the end, one a second later, one that ended
    after the window, one that ended in it, and one that names no invocation."""
    begun = {
        "begun-1": "2023-05-09 00:00:00",
        "begun-2": "2023-05-09 00:00:01",
        "ended-late": "2023-05-09 23:59:59",
        "ended": "2023-05-09 12:00:00",
        None: "2023-05-09 13:00:00",
    }
    ends = {"ended-late": "2023-05-10 00:00:00", "ended": "2023-05-09 12:00:05"}
    published.execute("begin")
    try:
        for fact, time, rows in (
            ("fct_user_messages", "sent_at", begun),
            ("fct_invocations", "responded_at", ends),
        ):
            for key, moment in rows.items():
                published.execute(
                    f"insert into core.{fact} by name (select * replace (? as invocation_key,"
                    f" cast(? as timestamp) as {time}) from core.{fact} limit 1)",
                    [key, moment],
                )
        (counts,) = _rows(
            published,
            "select open_invocations, abandoned_invocations"
            " from open_invocations('platform', date '2023-05-09', date '2023-05-10')",
        )
        (later,) = _rows(
            published,
            "select open_invocations, abandoned_invocations"
            " from open_invocations('platform', date '2023-05-09', date '2023-05-11')",
        )
    finally:
        published.execute("rollback")
    assert counts == (2, 1)
    assert later == (0, 2)


def _plant_tenant(landing: Path) -> None:
    rows = [
        {
            "id": f"planted-answer-{number}",
            "event_type": "agent_completed",
            "agent_id": f"planted-{1 + number // 2}",
            "publisher_id": "planted",
            "tenant_id": "planted",
            "timestamp": moment,
            "properties": {},
        }
        for number, moment in enumerate(ANSWERS_OF_THE_PLANTED_TENANT)
    ]
    path = landing / "agent_events" / "planted.ndjson"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def _function_names(connection: duckdb.DuckDBPyConnection) -> list[str]:
    return [
        str(name)
        for (name,) in _rows(
            connection, "select function_name from meta.table_functions order by all"
        )
    ]


def _marts(connection: duckdb.DuckDBPyConnection) -> list[tuple[str, str]]:
    """Schema and name of the marts over windows that a table function has the name of.

    Insights are no summary.
    """
    return [
        (str(schema), str(name))
        for schema, name in _rows(
            connection,
            "select schema_name, table_name from duckdb_columns() where column_name = 'window_key'"
            " and table_name in (select function_name from meta.table_functions)"
            " and schema_name <> 'insights' order by all",
        )
    ]


def _rows(
    connection: duckdb.DuckDBPyConnection, query: str, *parameters: object
) -> list[tuple[object, ...]]:
    return connection.execute(query, list(parameters)).fetchall()
