"""The short way of reading Parquet lands what the careful way lands, whatever the columns hold."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from orchestration.contracts.streams import STREAMS
from orchestration.ingest.adapter import native_adapter
from orchestration.ingest.pieces import PieceTask, run_piece
from orchestration.ingest.plain_tables import run_plain_table
from orchestration.ingest.reader import Unit
from orchestration.ingest.worker import Worker
from tests.support.pieces import everything, piece_worker

# Twenty rows over three days, in two row groups; a piece is rows 3 to 18.
_HEAD = """
    'e-' || n as id, 'agent_completed' as event_type, 'a' as agent_id, 'p' as publisher_id,
    't' as tenant_id, timestamptz '2026-03-01 22:00:00+00' + to_hours(2 * n) as timestamp"""
_SHAPE = """
    {'session_id': 's-' || n, 'user_id': 'u-' || n % 3, 'task_id': null::varchar,
     'input_tokens': n, 'cost_usd': (n / 8)::decimal(18, 8), 'tool_calls': ['a', 'b'],
     'duration_ms': 10 * n} as properties"""
_FLAT = """
    's-' || n as session_id, 'u-' || n % 3 as user_id, n::integer as input_tokens,
    (n / 8)::decimal(18, 8) as cost_usd, ['a', null] as tool_calls, 7::bigint as duration_ms"""
# Columns, and whether the rows take the short way.
_TABLES: dict[str, tuple[str, bool]] = {
    "a structure": (f"{_HEAD}, {_SHAPE}", True),
    "columns": (f"{_HEAD}, {_FLAT}", True),
    "columns with dots": (f"{_HEAD}, 'm' as \"properties.model\", n as rating", False),
    "text of an object": (f'{_HEAD}, \'{{"session_id":"s","x":1}}\' as properties', True),
    "text of no object": (f"{_HEAD}, '[]' as properties", False),
    "a structure that some rows lack": (
        f"{_HEAD}, case when n % 2 = 0 then {{'user_id': 'u'}} end as properties",
        True,
    ),
    "numbers as text": (f"{_HEAD}, n::varchar as input_tokens, '1.5' as cost_usd", True),
    "numbers with gaps, as other tools write them": (
        f"{_HEAD}, case when n > 4 then n::double end as input_tokens",
        True,
    ),
    "part of a token": (f"{_HEAD}, case when n = 9 then 0.5::double end as input_tokens", False),
    "tokens below zero": (f"{_HEAD}, {{'input_tokens': 9 - n}} as properties", False),
    "money of other digits": (f"{_HEAD}, 123456789.123456::decimal(38, 6) as cost_usd", True),
    "empty texts": (f"{_HEAD}, case when n = 9 then '' else 'm' end as model", False),
    "empty comments": (f"{_HEAD}, case when n = 9 then '' else 'm' end as comment", False),
    "hashed users": (f"{_HEAD}, 'sha256:' || md5('u' || n) as user_id", False),
    "a column beyond the contract": (f"{_HEAD}, {_SHAPE}, n % 2 as region", True),
    "an empty column beyond the contract": (f"{_HEAD}, {_SHAPE}, null::varchar as region", True),
    "a name with a comma": (f'{_HEAD}, {_SHAPE}, n as "x, y"', True),
    "a member beyond the contract": (
        f"{_HEAD}, {{'session_id': 's', 'shape': case when n = 7 then 'round' end}} as properties",
        True,
    ),
    "an empty member beyond the contract": (
        f"{_HEAD}, {{'session_id': 's', 'shape': null::varchar}} as properties",
        True,
    ),
    "a member with a comma in its name": (
        f"{_HEAD}, {{'session_id': 's', 'session_id, x': n}} as properties",
        True,
    ),
    "another type of event": (
        f"{_HEAD.replace('agent_completed', 'other')}, {_SHAPE}",
        False,
    ),
    "a missing id": (_HEAD.replace("'e-' || n", "nullif('e-' || n, 'e-9')"), False),
    "an install": (_HEAD.replace("agent_completed", "install"), True),
    "a tool without a name": (_HEAD.replace("agent_completed", "tool_called"), False),
    "times without zone": (_HEAD.replace("timestamptz", "timestamp").replace("+00'", "'"), True),
    "times of nanoseconds": (
        _HEAD.replace("timestamptz", "timestamp")
        .replace("+00'", "'")
        .replace("to_hours(2 * n) as", "to_hours(2 * n) + to_seconds(7199.9999999) as")
        .replace("timestamp '2026", "timestamp_ns '2026"),
        True,
    ),
    "times as text": (
        _HEAD.replace(" as timestamp", "").replace("timestamptz", "(timestamptz")
        + ")::varchar as timestamp",
        True,
    ),
    "times over half a year": (_HEAD.replace("to_hours(2 * n)", "to_days(-9 * n)"), True),
    "a future time": (_HEAD.replace("2 * n", "if(n = 9, 999, n)"), False),
    "a time without end": (
        _HEAD.replace(
            "timestamptz '2026-03-01 22:00:00+00'",
            "if(n = 9, 'infinity', '2026-03-01')::timestamptz",
        ),
        False,
    ),
    "no time": (_HEAD.replace("to_hours(2 * n)", "if(n = 9, null, to_hours(n))"), False),
}


@pytest.fixture(scope="module")
def worker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    with piece_worker(tmp_path_factory.mktemp("worker")) as each:
        yield each


def task(folder: Path, path: Path) -> PieceTask:
    return PieceTask(
        unit=Unit(path=path, format="parquet", first_row=3, last_row=18),
        adapter=native_adapter(STREAMS["agent_events"]),
        source_name="native",
        load_id="0123",
        shown_path="agent_events/rows.parquet",
        folder=folder,
    )


@pytest.mark.parametrize("name", _TABLES)
def test_a_table_lands_what_the_careful_way_lands(
    name: str, worker: Worker, tmp_path: Path
) -> None:
    columns, is_short = _TABLES[name]
    path = tmp_path / "rows.parquet"
    duckdb.execute(
        f"copy (select {columns} from range(20) as rows (n)) to '{path}' "
        "(format parquet, row_group_size 10)"
    )
    careful = run_piece(task(tmp_path / "careful", path), worker=worker)
    short = run_plain_table(task(tmp_path / "short", path), worker=worker)
    assert (short is not None) == is_short
    assert everything(careful)["rows_read"] == 16
    if short is not None:
        assert everything(short) == everything(careful)


def test_rows_of_several_days_are_files_of_those_days(worker: Worker, tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    duckdb.execute(
        f"copy (select {_HEAD}, {_SHAPE} from range(20) as rows (n)) to '{path}' (format parquet)"
    )
    short = run_plain_table(task(tmp_path / "short", path), worker=worker)
    assert short is not None
    landed = everything(short)["landed"]
    # Rows 3 to 18 are of n 2 to 17: from 02:00 on the second to 08:00 on the third of March.
    assert [
        (row["row_number"], row["event_date"]) for row in (landed[0], landed[10], landed[11])
    ] == [
        (3, "2026-03-02"),
        (13, "2026-03-02"),
        (14, "2026-03-03"),
    ]
    assert len(short.streams["agent_events"].files) == 2
