"""The two properties of builds that hold for every scenario of deliveries.

Belongs here: what is compared with what. Does not belong here: how often it is tried (the tests).
"""

from __future__ import annotations

from contextlib import closing
from datetime import datetime
from pathlib import Path

import duckdb

from orchestration.ingest.compaction import compact_lake
from orchestration.settings import Settings
from tests.support.builds import (
    RecordedBuilds,
    Replayed,
    digests,
    record_builds,
    rows_that_differ,
    tables_above_staging,
)
from tests.support.deliveries import (
    AS_OF,
    Scenario,
    every_stream_twice,
    load_landed,
    write_at_once,
    write_delivery,
)

# What says how rows came rather than what they are: files, copies, superseded and refused rows.
_ABOUT_ARRIVAL = (
    "core.fct_files",
    "core.fct_file_counts",
    "core.fct_measured_checks",
    "core.fct_stream_counts",
    "operations.data_quality",
    "meta.",
)


def record(settings: Settings) -> RecordedBuilds:
    """What dbt does for a row of every stream, then for another of each."""
    scenario = every_stream_twice()
    _arrive(settings, scenario, 0, as_of=AS_OF)
    return record_builds(
        settings, deliver_more=lambda: _arrive(settings, scenario, 1, as_of=AS_OF), as_of=AS_OF
    )


def assert_increments_equal_full_refresh(
    builds: RecordedBuilds, scenario: Scenario, home: Path
) -> None:
    """Each delivery built as an increment, then all of the lake at once: the same rows in every table."""
    settings = Settings(home=home, threads=2)
    times = scenario.times()
    with (
        closing(Replayed(builds, settings)) as increments,
        closing(Replayed(builds, settings)) as whole,
    ):
        for number, as_of in enumerate(times):
            _arrive(settings, scenario, number, as_of=as_of)
            increments.run(
                as_of=as_of,
                is_published=scenario.deliveries[number].is_published,
                # No mart outlives a build.
                has_marts=number == len(times) - 1,
            )
        whole.run(as_of=AS_OF)
        assert_same_tables(
            increments.connection, whole.connection, names=("increments", "full refresh")
        )


def assert_arrival_does_not_matter(builds: RecordedBuilds, scenario: Scenario, home: Path) -> None:
    """The rows as delivered, built in full, against each row landed once, in one file per stream."""
    delivered, at_once = Settings(home=home / "a", threads=2), Settings(home=home / "b", threads=2)
    for number, as_of in enumerate(scenario.times()):
        _arrive(delivered, scenario, number, as_of=as_of)
    write_at_once(at_once, scenario)
    load_landed(at_once, as_of=AS_OF)
    with (
        closing(Replayed(builds, delivered)) as these,
        closing(Replayed(builds, at_once)) as those,
    ):
        these.run(as_of=AS_OF)
        those.run(as_of=AS_OF)
        assert_same_tables(
            these.connection,
            those.connection,
            names=("as delivered", "at once"),
            without=_ABOUT_ARRIVAL,
        )


def replay(builds: RecordedBuilds, home: Path) -> Replayed:
    """The recorded deliveries again, in another home."""
    settings, scenario = Settings(home=home, threads=2), every_stream_twice()
    replayed = Replayed(builds, settings)
    for number in range(2):
        _arrive(settings, scenario, number, as_of=AS_OF)
        replayed.run(as_of=AS_OF)
    return replayed


def assert_same_tables(
    these: duckdb.DuckDBPyConnection,
    those: duckdb.DuckDBPyConnection,
    *,
    names: tuple[str, str],
    without: tuple[str, ...] = (),
) -> None:
    tables = [
        table for table in tables_above_staging(these) if not table.startswith(without or ("-",))
    ]
    left, right = digests(these, tables), digests(those, tables)
    differing = [table for table in tables if left[table] != right[table]]
    assert not differing, "\n".join(_difference(these, those, table, names) for table in differing)


def _difference(
    these: duckdb.DuckDBPyConnection,
    those: duckdb.DuckDBPyConnection,
    table: str,
    names: tuple[str, str],
) -> str:
    columns = [name for (name, *_) in these.execute(f"describe {table}").fetchall()]
    sides = zip(names, rows_that_differ(these, those, table), strict=True)
    rows = [f"  only {name}: {row}" for name, only in sides for row in only[:3]]
    return "\n".join([f"{table} ({', '.join(columns)})", *rows])


def _arrive(settings: Settings, scenario: Scenario, number: int, *, as_of: datetime) -> None:
    write_delivery(settings, scenario, number)
    load_landed(settings, as_of=as_of)
    if scenario.deliveries[number].is_compacted:
        compact_lake(settings.lake, most_files=1)
