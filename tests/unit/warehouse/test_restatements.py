"""A published figure that differs from the one before is listed, with both values; nothing else is."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest

from orchestration.warehouse.history import write_history
from orchestration.warehouse.restatements import WindowTable, note_restatements

_DAYS = {
    "w7": ("2026-02-23", "2026-03-02"),
    "week": ("2026-02-23", "2026-03-02"),
    "before": ("2026-02-16", "2026-02-23"),
    "open": ("2026-03-01", "2026-04-01"),
}
_TABLES = (
    WindowTable(schema="usage", name="usage_summary", subject=()),
    WindowTable(schema="usage", name="usage_by_agent", subject=("agent_key",)),
)

Rows = Sequence[tuple[Any, ...]]


def _fill(
    connection: duckdb.DuckDBPyConnection,
    *,
    windows: Mapping[str, str],
    totals: Rows,
    agents: Rows = (),
    ratings: int = 0,
) -> None:
    """A state with the windows ``{key: name of the days}`` of tenant t1, their totals and agents."""
    for schema in ("core", "meta", "usage"):
        connection.execute(f"create schema {schema}")
    connection.execute(
        "create table core.dim_windows (window_key varchar, scope_kind varchar, scope_id varchar,"
        " source_name varchar, agent_key varchar, time_zone varchar, start_local date, end_local date,"
        " start_at timestamp, end_at timestamp, is_partial boolean)"
    )
    for key, name in windows.items():
        start, end = _DAYS[name]
        connection.execute(
            "insert into core.dim_windows values (?, 'tenant', 't1', 'native', null, 'UTC', ?, ?, ?, ?, ?)",
            [key, start, end, start, end, name == "open"],
        )
    connection.execute(
        "create table meta.run_context as select timestamp '2026-03-02 06:00' as as_of"
    )
    connection.execute(
        "create table meta.metric_catalogue as select unnest(['agent_messages', 'cost_usd', 'rating_count'])"
        " as metric_key, unnest([null, '', 'feedback_count ratings']) as aliases"
    )
    connection.execute(
        "create table usage.usage_summary (window_key varchar, agent_messages bigint,"
        " cost_usd decimal(38, 12), day_count bigint, feedback_count bigint)"
    )
    connection.execute(
        "create table usage.usage_by_agent (window_key varchar, agent_key varchar, agent_messages bigint,"
        " is_suppressed boolean)"
    )
    for row in totals:
        connection.execute(
            "insert into usage.usage_summary values (?, ?, ?, ?, ?)", [*row, ratings]
        )
    for row in agents:
        connection.execute("insert into usage.usage_by_agent values (?, ?, ?, ?)", row)
    write_history(connection, publication_id=7, run_id=1, runs=(), checks=())


class States:
    """Two publications, the second open and complete but for its restatements."""

    def __init__(self, folder: Path) -> None:
        self._before = folder / "before.duckdb"
        self._connection = duckdb.connect(str(folder / "after.duckdb"))

    def before(self, **state: Any) -> None:
        with duckdb.connect(str(self._before)) as connection:
            _fill(connection, **state)
            connection.execute(
                "insert into meta.restatements (publication_id, dataset, metric_key)"
                " values (6, 'usage.usage_summary', 'earlier')"
            )

    def before_says(self, *scope_ids: str) -> None:
        """The first publication holds a restatement of each of these tenants."""
        with duckdb.connect(str(self._before)) as connection:
            for scope_id in scope_ids:
                connection.execute(
                    "insert into meta.restatements (publication_id, scope_kind, scope_id)"
                    " values (6, 'tenant', ?)",
                    [scope_id],
                )

    def after(self, *, erased: Sequence[str] = (), **state: Any) -> list[tuple[Any, ...]]:
        """What the second publication restates: dataset, first day, subject, metric, both values."""
        _fill(self._connection, **state)
        count = note_restatements(
            self._connection,
            before=self._before,
            tables=_TABLES,
            publication_id=7,
            cause="data",
            erased=erased,
        )
        found = self._connection.execute(
            "select dataset, cast(start_local as varchar), subject, metric_key, before_value, after_value"
            " from meta.restatements where publication_id = 7"
        ).fetchall()
        assert count == len(found)
        return found

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        return self._connection.execute(sql).fetchall()

    def words_in_file(self, words: Collection[str]) -> set[str]:
        """Those of the words that stand anywhere in the bytes of the second publication."""
        (file,) = self._connection.execute(
            "select path from duckdb_databases() where path is not null"
        ).fetchall()[0]
        self._connection.execute("checkpoint")
        content = Path(file).read_bytes()
        return {word for word in words if word.encode() in content}

    def close(self) -> None:
        self._connection.close()


@pytest.fixture
def states(tmp_path: Path) -> Iterator[States]:
    both = States(tmp_path)
    yield both
    both.close()


def test_a_changed_figure_of_a_complete_window_is_listed_with_both_values(states: States) -> None:
    states.before(windows={"a": "w7"}, totals=[("a", 10, Decimal("1.25"), 7)])
    assert states.after(windows={"a": "w7"}, totals=[("a", 11, Decimal("1.25"), 7)]) == [
        ("usage.usage_summary", "2026-02-23", None, "agent_messages", Decimal(10), Decimal(11))
    ]
    assert states.rows(
        "select cause, scope_kind, scope_id, source_name, time_zone, restated_as_of = '2026-03-02 06:00',"
        " cast(end_local as varchar) from meta.restatements where publication_id = 7"
    ) == [("data", "tenant", "t1", "native", "UTC", True, "2026-03-02")]


def test_a_metric_under_another_of_its_names_is_listed_by_its_key(states: States) -> None:
    state: dict[str, Any] = {"windows": {"a": "w7"}, "totals": [("a", 10, None, 7)]}
    states.before(**state, ratings=3)
    found = states.after(**state, ratings=4)
    assert [row[3:] for row in found] == [("rating_count", Decimal(3), Decimal(4))]


def test_the_same_figures_restate_nothing_and_earlier_restatements_stay(states: States) -> None:
    state: dict[str, Any] = {"windows": {"a": "w7"}, "totals": [("a", 10, None, 7)]}
    states.before(**state)
    assert states.after(**state) == []
    assert states.rows("select publication_id, metric_key from meta.restatements") == [
        (6, "earlier")
    ]


def test_no_byte_of_who_was_erased_gets_into_the_file(states: States) -> None:
    """A row that is inserted and then deleted stays in the blocks of a file."""
    state: dict[str, Any] = {"windows": {"a": "w7"}, "totals": [("a", 10, None, 7)]}
    gone, left = "native:long-gone-agent", "native:long-left-agent"
    states.before(**state, agents=[("a", gone, 3, False), ("a", left, 3, False)])
    states.before_says("erased-tenant", "another-tenant")
    found = states.after(erased=[gone, "erased-tenant"], **state, agents=[("a", left, 4, False)])
    assert [row[2] for row in found] == [f"agent_key={left}"]
    everybody = {gone, left, "erased-tenant", "another-tenant"}
    assert states.words_in_file(everybody) == {left, "another-tenant"}


def test_a_window_is_matched_by_its_span_whatever_it_is_called(states: States) -> None:
    """Last week's week is the week before now; and one span with two names is compared once."""
    states.before(windows={"a": "before"}, totals=[("a", 10, None, 7)])
    found = states.after(
        windows={"previous week": "before", "previous 7d": "before", "week": "week"},
        totals=[("previous week", 12, None, 7), ("previous 7d", 12, None, 7), ("week", 1, None, 7)],
    )
    assert found == [
        ("usage.usage_summary", "2026-02-16", None, "agent_messages", Decimal(10), Decimal(12))
    ]


def test_a_window_that_was_open_restates_nothing(states: States) -> None:
    states.before(windows={"a": "open"}, totals=[("a", 10, None, 2)])
    assert states.after(windows={"a": "open"}, totals=[("a", 20, None, 3)]) == []


def test_a_column_that_is_no_metric_restates_nothing(states: States) -> None:
    states.before(windows={"a": "w7"}, totals=[("a", 10, None, 7)])
    assert states.after(windows={"a": "w7"}, totals=[("a", 10, None, 8)]) == []


def test_a_cost_that_becomes_known_is_restated_from_null(states: States) -> None:
    states.before(windows={"a": "w7"}, totals=[("a", 10, None, 7)])
    found = states.after(windows={"a": "w7"}, totals=[("a", 10, Decimal("0.5"), 7)])
    assert [row[3:] for row in found] == [("cost_usd", None, Decimal("0.5"))]


def test_an_agent_that_comes_late_is_restated_from_nothing(states: States) -> None:
    states.before(windows={"a": "w7"}, totals=[], agents=[("a", "native:one", 3, False)])
    found = states.after(
        windows={"a": "w7"},
        totals=[],
        agents=[("a", "native:one", 3, False), ("a", "native:two", 5, False)],
    )
    assert found == [
        (
            "usage.usage_by_agent",
            "2026-02-23",
            "agent_key=native:two",
            "agent_messages",
            None,
            Decimal(5),
        )
    ]


def test_a_withheld_cell_shows_in_no_restatement(states: States) -> None:
    states.before(
        windows={"a": "w7"},
        totals=[],
        agents=[("a", "native:one", None, True), ("a", "native:two", 4, False)],
    )
    found = states.after(
        windows={"a": "w7"},
        totals=[],
        agents=[("a", "native:one", 9, False), ("a", "native:two", None, True)],
    )
    assert found == []
