"""Places where no file can be read are named, and whatever lies beside them loads."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from orchestration.ingest import files
from orchestration.ingest import load as loading
from orchestration.ingest.load import FAILED, NEW, LoadReport
from orchestration.settings import Settings
from tests.support.landing import landed, load, ndjson, put, row_of

GOOD = ndjson([row_of("publishers", publisher_id="good")])


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    made = Settings(home=tmp_path / "home", threads=1)
    put(made, "publishers/good.ndjson", GOOD)
    return made


def failures(report: LoadReport) -> list[str]:
    assert [outcome.path for outcome in report.with_status(NEW)] == ["publishers/good.ndjson"]
    failed = report.with_status(FAILED)
    assert all(outcome.is_unreachable for outcome in failed)
    return [outcome.error or "" for outcome in failed]


def _dangling(path: Path) -> None:
    path.symlink_to(path.with_name("gone"))


def _looped(path: Path) -> None:
    path.symlink_to(path)


def _pipe(path: Path) -> None:
    os.mkfifo(path)


def _socket(path: Path) -> None:
    # Its path may have a hundred characters only.
    here = Path.cwd()
    os.chdir(path.parent)
    try:
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(path.name)
    finally:
        os.chdir(here)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (_dangling, "leads nowhere: No such file or directory; deliver the file itself"),
        (_looped, "leads nowhere: Too many levels of symbolic links; deliver the file itself"),
        (_pipe, "is a pipe, a socket or a device; deliver a file"),
        (_socket, "is a pipe, a socket or a device; deliver a file"),
    ],
)
def test_what_is_no_file_is_named_and_the_rest_loads(
    settings: Settings, make: Callable[[Path], None], reason: str
) -> None:
    make(settings.landing / "publishers" / "a.ndjson")
    assert failures(load(settings)) == [f"publishers/a.ndjson: {reason}"]
    assert len(landed(settings, "publishers")) == 1


def test_a_folder_with_the_name_of_a_file_holds_files(settings: Settings) -> None:
    put(settings, "publishers/a.ndjson/b.ndjson", ndjson([row_of("publishers")]))
    report = load(settings)
    assert [outcome.status for outcome in report.files] == [NEW, NEW]


def test_a_folder_that_cannot_be_listed_is_named_and_the_rest_loads(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    locked = settings.landing / "charges" / "locked"
    locked.mkdir(parents=True)
    scandir = os.scandir

    # An administrator may list everything, so rights cannot show this.
    def refused(path: Any) -> Iterator[os.DirEntry[str]]:
        if str(path) == str(locked):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refused)
    assert failures(load(settings)) == [
        "charges/locked: cannot be listed: Permission denied; let this account read it"
    ]


def test_a_linked_folder_is_read_and_one_that_leads_back_is_read_once(
    settings: Settings, tmp_path: Path
) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "b.ndjson").write_bytes(ndjson([row_of("publishers")]))
    (settings.landing / "publishers" / "linked").symlink_to(tmp_path / "elsewhere")
    (settings.landing / "publishers" / "back").symlink_to(settings.landing)
    report = load(settings)
    assert {outcome.path: outcome.status for outcome in report.files} == {
        "publishers/good.ndjson": NEW,
        "publishers/linked/b.ndjson": NEW,
    }


@pytest.mark.parametrize("moment", ["before it is hashed", "before it is read", "while it is read"])
def test_a_file_that_vanishes_is_named_and_the_rest_loads(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    gone = put(settings, "publishers/gone.ndjson", ndjson([row_of("publishers")]))
    module, name = {
        "before it is hashed": (files, "hash_file"),
        "before it is read": (loading, "prepare"),
        "while it is read": (loading, "run_small_files"),
    }[moment]
    whole = getattr(module, name)

    def after_it_is_gone(*arguments: Any, **named: Any) -> object:
        read = arguments[0]
        paths = [task.unit.path for task in read] if isinstance(read, list) else [read]
        if gone in paths:
            gone.unlink(missing_ok=True)
        return whole(*arguments, **named)

    monkeypatch.setattr(module, name, after_it_is_gone)
    (error,) = failures(load(settings))
    assert error.startswith("publishers/gone.ndjson: ")
    assert "vanished" in error or "No such file" in error
    assert "\n" not in error
    assert len(landed(settings, "publishers")) == 1
