"""`agentmart sources check` says what would land, be refused and be ignored, and writes nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestration.ingest.preview import preview_sources
from orchestration.settings import Settings
from tests.support.command_line import agentmart
from tests.support.landing import VALID_ROWS, ndjson, put
from tests.support.samples import AS_OF, deliver, deployment


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    settings = deployment(tmp_path / "home", sample="langfuse")
    deliver(settings, "langfuse/observations_v2/observations.jsonl")
    deliver(settings, "langfuse/scores/scores.jsonl")
    charge = VALID_ROWS["charges"]
    rows = [charge, {**charge, "charge_id": "ch-2", "amount": -1}, {**charge, "amount": "-2"}]
    put(settings, "charges/day.ndjson", ndjson(rows))
    return settings


def _everything_below(folder: Path) -> dict[str, bytes | None]:
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in sorted(folder.rglob("*"))
    }


def test_every_source_and_stream_is_said_to_land_be_refused_or_be_ignored(
    settings: Settings,
) -> None:
    done = agentmart("sources", "check", "--as-of", "2026-05-01", home=settings.home)
    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "langfuse by langfuse_observations: langfuse/observations_v2/**/*",
        "  read                 14 rows of 1 of 1 files",
        "  would land           10 rows in agent_events",
        "  would land            5 rows in llm_calls",
        "  ignored               4 rows that the adapter maps to nothing",
        "langfuse by langfuse_scores: langfuse/scores/**/*",
        "  read                 14 rows of 1 of 1 files",
        "  would land            4 rows in agent_events",
        "  would land            2 rows in quality_scores",
        "  quarantined           1 rows of quality_scores: out_of_range",
        "               first: quality_scores.score must be between 1 and 5; got 0.9"
        " (langfuse/scores/scores.jsonl, row 11)",
        "  ignored               7 rows that the adapter maps to nothing",
        "langfuse by langfuse_traces: langfuse/traces/**/*",
        "  no file matches",
        "native: charges",
        "  read                  3 rows of 1 of 1 files",
        "  would land            1 rows in charges",
        "  quarantined           2 rows of charges: out_of_range",
        "               first: charges.amount must be 0 or more; got -1 (charges/day.ndjson, row 2)",
    ]


def test_a_check_writes_nothing(settings: Settings) -> None:
    before = _everything_below(settings.home)
    agentmart("sources", "check", home=settings.home)
    assert _everything_below(settings.home) == before


def test_files_that_could_not_be_loaded_are_named_and_end_the_check_with_an_error(
    settings: Settings,
) -> None:
    put(settings, "charges/cut.csv", b"")
    put(settings, "llm_calls/wrong.ndjson", ndjson([VALID_ROWS["charges"]]))
    put(settings, "langfuse/traces/cut.json", b'{\n "trace": {"id": ')
    (settings.landing / "notes").mkdir()
    put(settings, "notes/readme.csv", b"a\n1\n")
    done = agentmart("sources", "check", "--as-of", "2026-05-01", home=settings.home)
    assert done.exit_code == 2
    assert "4 files could not be loaded" in done.stderr
    failures = [line.split()[1] for line in done.stdout.splitlines() if "FAILED" in line]
    assert failures == [
        "langfuse/traces/cut.json:",
        "charges/cut.csv:",
        "llm_calls/wrong.ndjson:",
        "notes:",
    ]
    assert "it looks like charges" in done.stdout


@pytest.mark.parametrize(("limit", "read"), [(1, {"9"}), (2, {"0", "9"}), (3, {"0", "4", "9"})])
def test_a_sample_is_spread_over_the_files_of_a_source(
    tmp_path: Path, limit: int, read: set[str]
) -> None:
    settings = Settings(home=tmp_path, threads=1)
    for day in range(10):
        # The number of rows tells which files were read.
        put(settings, f"charges/{day}.ndjson", ndjson([VALID_ROWS["charges"]]) * (day + 1))
    (preview,) = preview_sources(
        settings=settings, landing=settings.landing, as_of=AS_OF, files_per_source=limit
    )
    assert (preview.files_found, preview.files_read) == (10, limit)
    assert preview.landing_rows == {"charges": sum(int(day) + 1 for day in read)}


def test_nothing_declared_and_nothing_delivered_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "landing").mkdir()
    done = agentmart("sources", "check", home=tmp_path)
    assert (done.exit_code, done.stdout) == (
        0,
        "No source is declared and the landing folder is empty.\n",
    )


def test_a_missing_landing_folder_is_named(tmp_path: Path) -> None:
    done = agentmart("sources", "check", "--landing", str(tmp_path / "none"), home=tmp_path)
    assert done.exit_code == 2
    assert f"landing folder {tmp_path / 'none'} does not exist" in done.stderr
