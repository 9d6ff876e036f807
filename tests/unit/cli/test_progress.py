"""A load shows one changing line on a terminal, and a line per file anywhere else."""

from __future__ import annotations

import contextlib
import logging
import os
import pty
import sys

import pytest

from orchestration.cli.progress import shown_load, shown_reports
from orchestration.ingest.progress import LOGGER, LoadProgress, log_progress
from orchestration.reporting.progress import ReportProgress
from orchestration.reporting.progress import log_progress as log_reports


def _say() -> None:
    for done in (1, 2):
        LOGGER.info("new: a-%d: 1 rows read", done)
        log_progress(
            LoadProgress(
                files_done=done,
                files_found=2,
                bytes_done=done,
                bytes_found=2,
                rows_read=done,
                seconds=float(done),
            )
        )
    LOGGER.warning("failed: b: is empty")


def _everything_drawn(controller: int) -> str:
    """What a terminal that is closed by now was sent; one read may see only the first part of it."""
    parts = []
    # At the end Linux answers with an error, not with nothing.
    with contextlib.suppress(OSError):
        while part := os.read(controller, 10_000):
            parts.append(part)
    os.close(controller)
    return b"".join(parts).decode().replace("\r\n", "\n")


def test_without_a_terminal_each_file_has_a_line_and_nothing_is_drawn(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with shown_load():
        _say()
    captured = capsys.readouterr()
    assert captured.err.splitlines() == [
        "new: a-1: 1 rows read",
        "new: a-2: 1 rows read",
        "failed: b: is empty",
    ]
    assert captured.out == ""


def test_a_line_is_said_once_whatever_else_listens(
    capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO), shown_load():
        _say()
    assert caplog.messages == []
    assert capsys.readouterr().err.count("new: a-1: 1 rows read") == 1
    LOGGER.warning("said after it")
    assert caplog.messages == ["said after it"]


def test_on_a_terminal_one_line_is_drawn_over_and_failures_stand_above_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    controller, terminal = pty.openpty()
    with os.fdopen(terminal, "w", encoding="utf-8") as screen:
        monkeypatch.setattr(sys, "stderr", screen)
        with shown_load():
            _say()
    drawn = _everything_drawn(controller)
    last = "  2 of 2 files, 2 rows, 1 rows/s, 0:00 left"
    assert drawn.split("\r\x1b[2K")[1:] == [
        "  1 of 2 files, 1 rows, 1 rows/s, 0:01 left",
        last,
        f"failed: b: is empty\n{last}",
        f"{last}\n",
    ]


def test_on_a_terminal_the_reports_made_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    controller, terminal = pty.openpty()
    with os.fdopen(terminal, "w", encoding="utf-8") as screen:
        monkeypatch.setattr(sys, "stderr", screen)
        with shown_reports():
            log_reports(ReportProgress(done=500, failed=1, due=2000, seconds=20.0))
            log_reports(ReportProgress(done=2000, failed=1, due=2000, seconds=80.0))
    drawn = _everything_drawn(controller)
    assert drawn.split("\r\x1b[2K")[1:] == [
        "  500 of 2,000 reports, 1 failed, 60 s left",
        "  2,000 of 2,000 reports, 1 failed",
        "  2,000 of 2,000 reports, 1 failed\n",
    ]


def test_the_logger_is_as_before_when_the_load_is_over() -> None:
    before = (LOGGER.level, list(LOGGER.handlers))
    with shown_load():
        assert LOGGER.isEnabledFor(logging.INFO)
    assert (LOGGER.level, list(LOGGER.handlers)) == before
