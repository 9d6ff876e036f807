"""The samples of seeds/sample land completely, and so do the real usage events they imitate."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from orchestration.contracts.streams import STREAMS
from orchestration.ingest.load import NEW
from orchestration.settings import PROJECT_ROOT, Settings
from tests.support.landing import landed, load, query

SAMPLES = PROJECT_ROOT / "seeds" / "sample"
REAL_USAGE = PROJECT_ROOT.parent / "shared/data/aider/sample_analytics.jsonl.gz"
AS_OF = datetime(2026, 5, 1, tzinfo=UTC)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    settings = Settings(home=tmp_path, threads=2)
    settings.config.mkdir()
    shutil.copy(SAMPLES / "aider" / "sources.yml", settings.config / "sources.yml")
    (settings.landing / "aider").mkdir(parents=True)
    return settings


def usage(settings: Settings) -> dict[str, dict[str, Any]]:
    """Counts and sums by type of event."""
    files = f"{settings.lake}/raw/agent_events/event_date=*/*.parquet"
    rows = query(
        f"""
        select event_type, count(*) as events, count(distinct id) as ids,
            sum(input_tokens)::bigint as input_tokens, sum(output_tokens)::bigint as output_tokens,
            count(distinct model) as models, sum(cost_usd) as cost_usd, max(cost_usd) as largest,
            count(user_id) as with_user
        from read_parquet('{files}') group by event_type
        """
    )
    return {row["event_type"]: row for row in rows}


def test_the_native_sample_lands_every_row_of_every_stream(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, threads=2)
    lines = 0
    for stream in STREAMS:
        sample = SAMPLES / "native" / f"{stream}.ndjson"
        (settings.landing / stream).mkdir(parents=True)
        shutil.copy(sample, settings.landing / stream)
        lines += len(sample.read_text().splitlines())
    report = load(settings, as_of=AS_OF)
    assert {outcome.status for outcome in report.files} == {NEW}
    assert (report.rows_read, report.rows_landed, report.rows_quarantined) == (lines, lines, 0)
    for stream in STREAMS:
        assert all(row["source_metadata"] is None for row in landed(settings, stream))


def test_the_aider_sample_becomes_requests_completions_and_errors(settings: Settings) -> None:
    shutil.copy(SAMPLES / "aider" / "analytics.jsonl", settings.landing / "aider")
    report = load(settings, as_of=AS_OF)
    assert (report.rows_read, report.rows_landed, report.rows_ignored) == (20, 13, 7)
    events = usage(settings)
    assert {name: one["events"] for name, one in events.items()} == {
        "agent_invoked": 6,
        "agent_completed": 6,
        "agent_errored": 1,
    }
    completed = events["agent_completed"]
    # Two rows of equal content within one second are two events.
    assert completed["ids"] == 6
    assert (completed["input_tokens"], completed["output_tokens"]) == (8100, 950)
    assert completed["cost_usd"] == Decimal("9000.034750000000")
    assert (completed["models"], completed["with_user"]) == (3, 5)
    errored = [row for row in landed(settings, "agent_events") if row["error_type"] is not None]
    assert [row["error_type"] for row in errored] == ["connection"]


@pytest.mark.skipif(
    not REAL_USAGE.is_file(), reason=f"the public usage events are not at {REAL_USAGE}"
)
def test_the_real_aider_events_give_the_figures_their_makers_publish(settings: Settings) -> None:
    shutil.copy(REAL_USAGE, settings.landing / "aider")
    report = load(settings, as_of=AS_OF)
    assert (report.rows_read, report.rows_quarantined) == (35_402, 0)
    assert report.rows_landed + report.rows_ignored == 35_402
    events = usage(settings)
    completed = events["agent_completed"]
    assert (completed["events"], events["agent_errored"]["events"]) == (5_522, 61)
    assert (completed["input_tokens"], completed["output_tokens"]) == (72_967_539, 2_955_782)
    assert completed["models"] == 108
    assert round(completed["cost_usd"], 2) == Decimal("10182.70")
    assert round(completed["largest"], 2) == Decimal("9990.01")
    assert completed["ids"] == 5_522
    assert completed["with_user"] == 5_518
