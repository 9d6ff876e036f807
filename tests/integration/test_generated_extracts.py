"""Synthetic extracts meet the contract: all rows land but the ones broken on purpose."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest

from orchestration.contracts.streams import STREAMS
from orchestration.generate import write_extracts
from orchestration.ingest.load import LoadReport, load_landing
from orchestration.ingest.repeats import count_repeats
from orchestration.settings import Settings

UNTIL = datetime(2026, 3, 2, 6, tzinfo=UTC)


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return Settings(home=tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="module")
def report(settings: Settings) -> LoadReport:
    # Eleven days, so that every way of packing a file occurs.
    write_extracts(out=settings.landing, events=3000, days=11, seed=7, until=UNTIL)
    return load_landing(settings=settings, landing=settings.landing, as_of=UNTIL)


def test_every_file_loads_but_the_one_that_was_delivered_twice(report: LoadReport) -> None:
    assert [file.path for file in report.files if file.status == "failed"] == []
    repeated = [Path(file.path).name for file in report.files if file.status == "repeated"]
    assert repeated == ["part-repeated.ndjson"]


def test_the_file_that_was_delivered_twice_is_noted_once_however_often_it_is_seen(
    report: LoadReport, settings: Settings
) -> None:
    (repeated,) = (file for file in report.files if file.status == "repeated")
    load_landing(settings=settings, landing=settings.landing, as_of=UNTIL)
    assert count_repeats(settings.lake) == {repeated.load_id: 1}


def test_only_the_thirteen_broken_rows_are_quarantined(
    report: LoadReport, settings: Settings
) -> None:
    landed = sum(file.rows_landed for file in report.files)
    assert landed > 3000
    with duckdb.connect() as connection:
        reasons = connection.execute(
            "select parse_filename(path), stream_name, count(*) "
            f"from '{settings.lake}/quarantine/**/*.parquet' group by all order by all"
        ).fetchall()
    assert reasons == [
        ("part-broken.csv", "charges", 2),
        ("part-broken.ndjson", "agent_events", 9),
        ("part-broken.ndjson", "audit_events", 1),
        ("part-broken.ndjson", "conversations", 1),
    ]


def test_every_stream_of_the_contract_lands_rows(report: LoadReport) -> None:
    landed = {
        name
        for file in report.files
        for name, stream in file.streams.items()
        if stream.rows_landed > 0
    }
    assert landed == set(STREAMS)
