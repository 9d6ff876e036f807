"""Progress is counted from what is done, and told by a clock that is passed in."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from orchestration.ingest.load import (
    load_landing,
    log_file,
    log_report,
)
from orchestration.ingest.progress import FileCount, LoadProgress, ProgressCount
from orchestration.settings import Settings
from tests.support.landing import AS_OF, ndjson, put, row_of


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


def progress(**changes: float) -> LoadProgress:
    figures = {"files_done": 3, "files_found": 12, "bytes_done": 250, "bytes_found": 1_000}
    return LoadProgress(
        **{**figures, "rows_read": 5_000, "seconds": 2.0, **changes}  # type: ignore[arg-type]
    )


def test_the_line_holds_files_rows_their_speed_and_the_time_left() -> None:
    # A quarter of the bytes took 2 s, so the rest takes 6.
    assert progress().line() == "3 of 12 files, 5,000 rows, 2,500 rows/s, 0:06 left"


def test_an_hour_is_written_as_one() -> None:
    assert progress(seconds=1_221.0).line().endswith(" 1:01:03 left")


def test_before_anything_is_read_no_time_is_promised() -> None:
    first = progress(files_done=0, bytes_done=0, rows_read=0, seconds=0.0)
    assert first.line() == "0 of 12 files, 0 rows, 0 rows/s"


def test_pieces_count_as_they_are_done_and_a_file_counts_whole_when_it_ends() -> None:
    clock, told = Clock(), list[LoadProgress]()
    count = ProgressCount(timer=clock, tell=told.append)
    count.found(files=2, size_bytes=110)
    large, failing = FileCount(count, size_bytes=100), FileCount(count, size_bytes=10)
    clock.seconds += 1
    large.piece_done(of=3, rows=7)
    failing.end()
    clock.seconds += 1
    large.piece_done(of=3, rows=5)
    large.piece_done(of=3, rows=1)
    large.end()
    assert [(one.files_done, one.bytes_done, one.rows_read, one.seconds) for one in told] == [
        (0, 0, 0, 0.0),
        (0, 33, 7, 1.0),
        (1, 43, 7, 1.0),
        (1, 76, 12, 2.0),
        (1, 109, 13, 2.0),
        (2, 110, 13, 2.0),
    ]


def test_a_load_tells_of_each_file_and_ends_complete(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings = Settings(home=tmp_path, threads=1)
    refused = row_of("charges", amount=-1)
    put(settings, "charges/a.ndjson", ndjson([row_of("charges"), refused, refused]))
    put(settings, "charges/empty.ndjson", b"")
    told: list[LoadProgress] = []
    clock, logger = Clock(), logging.getLogger("a test of loads")

    def tell(progress: LoadProgress) -> None:
        # Each step takes this long: a file's one piece, and its end.
        clock.seconds += 1.5
        told.append(progress)

    with caplog.at_level(logging.INFO, logger=logger.name):
        for _ in range(2):
            report = load_landing(
                settings=settings,
                landing=settings.landing,
                as_of=AS_OF,
                on_file=lambda outcome: log_file(outcome, loggers=[logger]),
                on_progress=tell,
                timer=clock,
            )
            log_report(report, loggers=[logger])
    failed = "failed: charges/empty.ndjson: is empty (1.5 s)"
    assert sorted(caplog.messages) == sorted(
        [
            "new: charges/a.ndjson: 3 rows read, 1 landed, 2 quarantined (3.0 s)",
            failed,
            failed,
            "repeated: 1 files were loaded before",
        ]
    )
    assert (told[-1].files_done, told[-1].files_found, told[-1].bytes_done) == (1, 1, 0)
    assert max(one.rows_read for one in told) == 3
